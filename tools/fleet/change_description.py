"""The differences between two deployments, and between two sets of stations' settings, in words."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sightline.kernel.station_settings import VERSION_KEY
from tools.fleet.merge_tree import flatten_leaves
from tools.stage.settings_component import SETTINGS_PREFIX

Json = dict[str, Any]
COMPARED_PARTS = ("deploymentPolicies", "iotJobConfiguration")


def describe_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The differences between two deployments, one line each: versions, configuration, policies."""
    old, new = before.get("components") or {}, after["components"]
    lines = [f"- {name} {old[name]['componentVersion']}" for name in old if name not in new]
    lines += [f"+ {name} {new[name]['componentVersion']}" for name in new if name not in old]
    for name in (name for name in new if name in old):
        was, becomes = old[name]["componentVersion"], new[name]["componentVersion"]
        if was != becomes:
            lines.append(f"{name} {was} -> {becomes}")
        lines += _leaf_changes(f"{name} ", _parse_leaves(old[name]), _parse_leaves(new[name]))
        lines += _reset_changes(name, old[name], new[name])
    for part in COMPARED_PARTS:
        found, wanted = (
            flatten_leaves(before.get(part) or {}),
            flatten_leaves(after.get(part) or {}),
        )
        ours = {key: found[key] for key in wanted if key in found}  # the service adds defaults
        lines += _leaf_changes(f"{part} ", ours, wanted)
    return lines


def find_settings_pin(deployment: Mapping[str, Any]) -> tuple[str, str]:
    """Name and version of the settings component in a deployment; both empty if there is none."""
    for name, component in (deployment.get("components") or {}).items():
        if name.startswith(SETTINGS_PREFIX):
            return name, str(component["componentVersion"])
    return "", ""


def describe_settings_changes(
    old: Mapping[str, Any] | None, new: Mapping[str, Any], things: Iterable[str]
) -> list[str]:
    """The differences of the stations' own settings, one line each."""
    if old is None:
        return ["the settings until now cannot be read; each station gets the file's"]
    lines: list[str] = []
    for thing in things:
        if thing not in old:
            lines.append(f"{thing}: + settings")
            continue
        was, becomes = (_settings_leaves(values, thing) for values in (old, new))
        lines += _leaf_changes(f"{thing}: ", was, becomes)
    return lines


def _settings_leaves(values: Mapping[str, Any], thing: str) -> Json:
    found: Json = {}
    for component, merge in ((values.get(thing) or {}).get("components") or {}).items():
        found |= {f"{component} {pointer}": leaf for pointer, leaf in flatten_leaves(merge).items()}
    return found


def _reset_changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    was, becomes = (
        _configuration_update(old).get("reset") or [],
        _configuration_update(new).get("reset") or [],
    )
    return [] if was == becomes else [f"{name} reset: {json.dumps(was)} -> {json.dumps(becomes)}"]


def _leaf_changes(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[str]:
    for pointer in sorted({*old, *new}):
        if old.get(pointer) != new.get(pointer) or (pointer in old) != (pointer in new):
            yield f"{place}{pointer}: {_describe_value(old, pointer)} -> {_describe_value(new, pointer)}"


def _describe_value(values: Mapping[str, Any], pointer: str) -> str:
    return json.dumps(values[pointer]) if pointer in values else "default"


def _parse_leaves(component: Mapping[str, Any]) -> Json:
    """The leaves of what is merged; the version of the settings component is told by its pin."""
    merge = json.loads(_configuration_update(component).get("merge") or "{}")
    return {key: value for key, value in flatten_leaves(merge).items() if key != f"/{VERSION_KEY}"}


def _configuration_update(component: Mapping[str, Any]) -> Json:
    return component.get("configurationUpdate") or {}
