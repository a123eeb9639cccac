"""Limits of stations, components and machines per site, against made-up names that fill the memory."""

import threading
from collections.abc import Iterable

from sightline.errors import RetryableError

MAX_STATIONS = 1000
MAX_COMPONENTS = 32
MAX_MACHINES = 32


class LimitReachedError(RetryableError):
    """A limit is reached; the station keeps what it sent and sends it again."""


class SiteLimits:
    """Admits names up to the limits, first come, first served; safe to use from any thread."""

    def __init__(
        self,
        max_stations: int = MAX_STATIONS,
        max_components: int = MAX_COMPONENTS,
        max_machines: int = MAX_MACHINES,
    ) -> None:
        self._lock = threading.Lock()
        self._max_stations = max_stations
        self._max_by_kind = {"components": max_components, "machines": max_machines}
        self._stations: set[str] = set()
        self._listed: dict[tuple[str, str], set[str]] = {}
        self._fault = ""

    @property
    def fault(self) -> str:
        """Which limit was reached; empty if none was."""
        return self._fault

    def restore(
        self,
        stations: Iterable[str],
        components: Iterable[tuple[str, str]],
        machines: Iterable[tuple[str, str]],
    ) -> None:
        """Start with the names in a store, even if they exceed the limits."""
        self._stations.update(stations)
        for kind, known in (("components", components), ("machines", machines)):
            for thing, name in known:
                self._stations.add(thing)
                self._listed.setdefault((thing, kind), set()).add(name)

    def admit_station(self, thing: str) -> None:
        """Admit a station; LimitReachedError if there are too many."""
        with self._lock:
            if thing not in self._stations and len(self._stations) >= self._max_stations:
                self._raise_limit_reached(
                    f"The limit of {self._max_stations} stations is reached. Messages of other stations "
                    f"are refused, most recently of {_shorten_name(thing)}. Check who else publishes to the "
                    "broker."
                )
            self._stations.add(thing)

    def admit_component(self, thing: str, name: str) -> None:
        """Admit a station's component; LimitReachedError if it has too many."""
        self._admit_name(thing, "components", name)

    def admit_machine(self, thing: str, name: str) -> None:
        """Admit a station's machine; LimitReachedError if it has too many."""
        self._admit_name(thing, "machines", name)

    def _admit_name(self, thing: str, kind: str, name: str) -> None:
        with self._lock:
            listed = self._listed.setdefault((thing, kind), set())
            limit = self._max_by_kind[kind]
            if name not in listed and len(listed) >= limit:
                self._raise_limit_reached(
                    f"The limit of {limit} {kind} of {_shorten_name(thing)} is reached. Others are refused, "
                    f"most recently {_shorten_name(name)}. Check what the station sends."
                )
            listed.add(name)

    def _raise_limit_reached(self, text: str) -> None:
        self._fault = text
        raise LimitReachedError(text)


def _shorten_name(name: str) -> str:
    return repr(name if len(name) <= 64 else name[:63] + "…")
