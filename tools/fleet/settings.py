"""From the words of the line to the components' configuration."""

from functools import reduce
from typing import Any

from sightline.errors import RecipeError
from sightline.topics import CAPTURE, EQUIPMENT, INFERENCE, PUBLISHER
from tools.fleet.files import Json, Settings
from tools.fleet.trees import merged

Merges = dict[str, Json]
_PROTOCOLS = {"opc.tcp": "opcua", "modbus-tcp": "modbus"}


def merges_of(settings: Settings) -> Merges:
    """What the settings mean for each component; what `merge` says of the same key wins."""
    said = [_line(settings), _plc(settings), _cameras(settings), _rest(settings), settings.merge]
    whole: Merges = reduce(merged, said, {})
    return whole


def _line(settings: Settings) -> Merges:
    if settings.line is None:
        return {}
    return {name: {"lineId": settings.line} for name in (EQUIPMENT, PUBLISHER)}


def _plc(settings: Settings) -> Merges:
    if settings.plc is None:
        return {}
    scheme = settings.plc.split("://")[0]
    kind = _PROTOCOLS.get(scheme)
    if kind is None:
        raise RecipeError(f"plc: found {settings.plc!r}; {', '.join(_PROTOCOLS)} are known")
    return {EQUIPMENT: {"link": {"kind": kind, kind: {"endpoint": settings.plc}}}}


def _cameras(settings: Settings) -> Merges:
    if settings.cameras is None:
        return {}
    names = list(settings.cameras)
    nodes = {name: {"node": node} for name, node in settings.cameras.items()}
    source: dict[str, Any] = {"kind": "v4l2", "cameras": nodes}
    return {CAPTURE: {"cameras": names, "source": source}, INFERENCE: {"cameras": names}}


def _rest(settings: Settings) -> Merges:
    found: Merges = {}
    if settings.product is not None:
        found[CAPTURE] = {"product": settings.product}
    if settings.products is not None:
        found[EQUIPMENT] = {"products": settings.products}
    if settings.models is not None:
        found[INFERENCE] = {"models": [{"name": name} for name in settings.models]}
    return found
