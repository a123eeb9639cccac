"""Translates a station's settings into the components' configuration."""

from functools import reduce
from typing import Any

from sightline.errors import RecipeError
from sightline.messaging.topics import CAPTURE, EQUIPMENT, INFERENCE, PUBLISHER
from tools.fleet.deployment_file import Json, StationSettings
from tools.fleet.merge_tree import merge_trees

ComponentMerges = dict[str, Json]
_PROTOCOLS = {"opc.tcp": "opcua", "modbus-tcp": "modbus"}


def build_merges(settings: StationSettings) -> ComponentMerges:
    """Build each component's configuration from the settings; `merge` overrides them."""
    said = [
        _merge_line(settings),
        _merge_plc(settings),
        _merge_cameras(settings),
        _merge_products_and_models(settings),
        settings.merge,
    ]
    whole: ComponentMerges = reduce(merge_trees, said, {})
    return whole


def _merge_line(settings: StationSettings) -> ComponentMerges:
    if settings.line is None:
        return {}
    return {name: {"lineId": settings.line} for name in (EQUIPMENT, PUBLISHER)}


def _merge_plc(settings: StationSettings) -> ComponentMerges:
    if settings.plc is None:
        return {}
    scheme = settings.plc.split("://")[0]
    kind = _PROTOCOLS.get(scheme)
    if kind is None:
        raise RecipeError(f"plc: found {settings.plc!r}; allowed values: {', '.join(_PROTOCOLS)}")
    return {EQUIPMENT: {"link": {"kind": kind, kind: {"endpoint": settings.plc}}}}


def _merge_cameras(settings: StationSettings) -> ComponentMerges:
    if settings.cameras is None:
        return {}
    names = list(settings.cameras)
    nodes = {name: {"node": node} for name, node in settings.cameras.items()}
    source: dict[str, Any] = {"kind": "v4l2", "cameras": nodes}
    return {CAPTURE: {"cameras": names, "source": source}, INFERENCE: {"cameras": names}}


def _merge_products_and_models(settings: StationSettings) -> ComponentMerges:
    found: ComponentMerges = {}
    if settings.product is not None:
        found[CAPTURE] = {"product": settings.product}
    if settings.products is not None:
        found[EQUIPMENT] = {"products": settings.products}
    if settings.models is not None:
        found[INFERENCE] = {"models": [{"name": name} for name in settings.models]}
    return found
