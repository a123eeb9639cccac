"""Compares two sites of a deployment file."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sightline.errors import RecipeError
from tools.fleet.desired_state import DesiredStation
from tools.fleet.merge_tree import flatten_leaves

ValuesByPointer = dict[str, dict[str, Any]]


def compare_sites(
    stations: Sequence[DesiredStation], one: str, other: str
) -> list[tuple[str, ...]]:
    """Rows `(what, value at one, value at other)`; RecipeError for an unknown site.

    Where stations of a site differ, the set of their values is compared.
    """
    known = sorted({station.site for station in stations})
    for site in (one, other):
        if site not in known:
            raise RecipeError(f"unknown site {site!r}; the file has {', '.join(known)}")
    left, right = (
        _collect_values([s for s in stations if s.site == site]) for site in (one, other)
    )
    rows: list[tuple[str, ...]] = []
    for pointer in sorted({*left, *right}):
        words = (_describe_values(left.get(pointer, {})), _describe_values(right.get(pointer, {})))
        if words[0] != words[1]:
            rows.append((pointer, *words))
    return rows


def _collect_values(stations: Iterable[DesiredStation]) -> ValuesByPointer:
    found: ValuesByPointer = {}
    for station in stations:
        for pointer, value in _station_values(station).items():
            found.setdefault(pointer, {})[station.name] = value
    return found


def _station_values(station: DesiredStation) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, component in station.components.items():
        found[f"{name} version"] = component.version
        found |= {
            f"{name} {pointer}": value for pointer, value in flatten_leaves(component.merge).items()
        }
    return found


def _describe_values(values: Mapping[str, Any]) -> str:
    distinct = sorted({json.dumps(value, sort_keys=True) for value in values.values()})
    if not distinct:
        return "default"
    if len(distinct) == 1:
        return distinct[0]
    return (
        f"{len(distinct)} values: {', '.join(distinct[:3])}{', ...' if len(distinct) > 3 else ''}"
    )
