"""What two sites of a file have differently."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sightline.errors import RecipeError
from tools.fleet.desired import DesiredStation
from tools.fleet.trees import leaves

Values = dict[str, dict[str, Any]]


def difference(stations: Sequence[DesiredStation], one: str, other: str) -> list[tuple[str, ...]]:
    """Rows `(what, at the one site, at the other)`; RecipeError if a site is not there.

    What differs among the stations of a site counts as the set of its values.
    """
    known = sorted({station.site for station in stations})
    for site in (one, other):
        if site not in known:
            raise RecipeError(f"no site {site!r}; there are {', '.join(known)}")
    left, right = (_values([s for s in stations if s.site == site]) for site in (one, other))
    rows: list[tuple[str, ...]] = []
    for pointer in sorted({*left, *right}):
        words = (_words(left.get(pointer, {})), _words(right.get(pointer, {})))
        if words[0] != words[1]:
            rows.append((pointer, *words))
    return rows


def _values(stations: Iterable[DesiredStation]) -> Values:
    found: Values = {}
    for station in stations:
        for pointer, value in _of_station(station).items():
            found.setdefault(pointer, {})[station.name] = value
    return found


def _of_station(station: DesiredStation) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, component in station.components.items():
        found[f"{name} version"] = component.version
        found |= {f"{name} {pointer}": value for pointer, value in leaves(component.merge).items()}
    return found


def _words(values: Mapping[str, Any]) -> str:
    distinct = sorted({json.dumps(value, sort_keys=True) for value in values.values()})
    if not distinct:
        return "default"
    if len(distinct) == 1:
        return distinct[0]
    return (
        f"{len(distinct)} values: {', '.join(distinct[:3])}{', ...' if len(distinct) > 3 else ''}"
    )
