"""How much a site lists: what is made up by the thousand must not fill its memory and its page."""

import threading
from collections.abc import Iterable

from sightline.errors import RetryableError

MAX_STATIONS = 1000
MAX_COMPONENTS = 32
MAX_MACHINES = 32


class LimitReachedError(RetryableError):
    """One more than the site lists; a station keeps what it sent, and sends it again."""


class SiteLimits:
    """Who is listed, the first that came; may be asked from any thread."""

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
        """What is not listed, in words, or nothing."""
        return self._fault

    def restore(
        self,
        stations: Iterable[str],
        components: Iterable[tuple[str, str]],
        machines: Iterable[tuple[str, str]],
    ) -> None:
        """Go on from those that a store knows, however many they are."""
        self._stations.update(stations)
        for kind, known in (("components", components), ("machines", machines)):
            for thing, name in known:
                self._stations.add(thing)
                self._listed.setdefault((thing, kind), set()).add(name)

    def admit_station(self, thing: str) -> None:
        """LimitReachedError if it is one station too many."""
        with self._lock:
            if thing not in self._stations and len(self._stations) >= self._max_stations:
                self._refuse(
                    f"The site lists {self._max_stations} stations, its greatest number; what others "
                    f"send is not taken, last from {_shorten_name(thing)}. Look who else may publish at the "
                    "broker."
                )
            self._stations.add(thing)

    def admit_component(self, thing: str, name: str) -> None:
        """LimitReachedError if it is one component too many of its station."""
        self._admit(thing, "components", name)

    def admit_machine(self, thing: str, name: str) -> None:
        """LimitReachedError if it is one machine too many of its station."""
        self._admit(thing, "machines", name)

    def _admit(self, thing: str, kind: str, name: str) -> None:
        with self._lock:
            listed = self._listed.setdefault((thing, kind), set())
            most = self._max_by_kind[kind]
            if name not in listed and len(listed) >= most:
                self._refuse(
                    f"The site lists {most} {kind} of {_shorten_name(thing)}, the greatest number of a "
                    f"station; others are not taken, last {_shorten_name(name)}. Look what the station sends."
                )
            listed.add(name)

    def _refuse(self, text: str) -> None:
        self._fault = text
        raise LimitReachedError(text)


def _shorten_name(name: str) -> str:
    return repr(name if len(name) <= 64 else name[:63] + "…")
