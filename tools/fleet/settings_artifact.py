"""The settings component as the fleet tool publishes it: recipe with its bucket, artifact in memory."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from sightline.storage.settings_store import SettingsFile, encode_settings
from tools.stage import settings_component
from tools.stage.__main__ import PYTHONS
from tools.stage.layout import StagingOptions
from tools.stage.stageable_components import ROOT
from tools.stage.suite_version import load_suite_version
from tools.stage.wheels import ARCHITECTURES

Json = dict[str, Any]
ARTIFACT_NAME = "settings.zip"
_URI_PLACEHOLDER = "s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/"


def build_recipe(component: str, version: str, bucket: str) -> str:
    """The recipe of one version of a kind's settings component."""
    text = settings_component.build_settings_recipe(_parse_kind(component), version)
    return text.replace(_URI_PLACEHOLDER, f"s3://{bucket}/{component}/{version}/")


def build_archive(component: str, version: str, settings: Mapping[str, Json]) -> bytes:
    """The artifact: `settings/THING.json` for each station, the shared package and its wheels."""
    files = {
        thing: encode_settings(msgspec.convert(content, SettingsFile))
        for thing, content in settings.items()
    }
    with tempfile.TemporaryDirectory() as place:
        options = StagingOptions(
            suite=load_suite_version(ROOT),
            version=version,
            architectures=ARCHITECTURES,
            pythons=PYTHONS,
            target=Path(place),
            cache=ROOT / ".cache" / "wheels",
        )
        kind = _parse_kind(component)
        folder = settings_component.stage_settings(kind, version, files, options)
        return settings_component.build_settings_archive(folder)


def _parse_kind(component: str) -> str:
    return component.removeprefix(settings_component.SETTINGS_PREFIX)
