"""What the Greengrass Development Kit 1.6 takes as gdk-config.json."""

import re
from collections.abc import Mapping
from typing import Any

from tools.stage.archive import NEXT_PATCH, REFUSED_NEXT_PATCH

REGIONS = (
    *("ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    *("cn-north-1", "eu-central-1", "eu-west-1", "eu-west-2", "us-east-1", "us-east-2"),
    *("us-gov-east-1", "us-gov-west-1", "us-west-2"),
)
BUILD_SYSTEMS = ("zip", "maven", "gradle", "gradlew", "custom")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def find_refused_gdk_settings(name: str, configuration: Mapping[str, Any]) -> list[str]:
    """One line for each thing that gdk would refuse."""
    components = configuration.get("component") or {}
    if len(components) != 1:
        listed = sorted(components)
        return [f"{name} at /component: found {listed}; gdk takes exactly one component"]
    ((component, content),) = components.items()
    place = f"{name} at /component/{component}"
    return [
        *_check_version_text(
            f"{name} at /gdk_version", configuration.get("gdk_version"), r"\d+\.\d+\.\d+"
        ),
        *_check_version_text(f"{place}/version", content.get("version"), _VERSION.pattern),
        *_check_required_texts(place, content, ("author",)),
        *_check_required_texts(
            f"{place}/publish", content.get("publish") or {}, ("bucket", "region")
        ),
        *_check_region(place, content),
        *_check_build(f"{place}/build", content.get("build") or {}),
    ]


def _check_version_text(place: str, found: Any, pattern: str) -> list[str]:
    if found == NEXT_PATCH:
        return [f"{place}: {REFUSED_NEXT_PATCH}"]
    good = isinstance(found, str) and re.fullmatch(pattern, found)
    return [] if good else [f"{place}: found {found!r}; expected {pattern}"]


def _check_required_texts(
    place: str, content: Mapping[str, Any], keys: tuple[str, ...]
) -> list[str]:
    return [
        f"{place}/{key}: found {content.get(key)!r}; a text is expected"
        for key in keys
        if not isinstance(content.get(key), str) or not content[key]
    ]


def _check_region(place: str, content: Mapping[str, Any]) -> list[str]:
    region = (content.get("publish") or {}).get("region")
    if region is None or region in REGIONS:
        return []
    return [f"{place}/publish/region: found {region!r}; gdk knows {', '.join(REGIONS)}"]


def _check_build(place: str, build: Mapping[str, Any]) -> list[str]:
    system, command = build.get("build_system"), build.get("custom_build_command")
    if system not in BUILD_SYSTEMS:
        return [
            f"{place}/build_system: found {system!r}; expected one of {', '.join(BUILD_SYSTEMS)}"
        ]
    if system == "custom" and not command:
        return [f"{place}/custom_build_command: found none; build_system custom needs it"]
    return []
