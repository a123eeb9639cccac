"""The newest view of each station's cameras, in memory only."""

import threading
from typing import Any

import msgspec

from cloud.store.station_clocks import is_newer
from cloud.store.stored_messages import StoredView

MAX_CAMERA_VIEWS = 256
Json = dict[str, Any]


class CameraViews:
    """The newest view of each station's cameras; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: dict[tuple[str, str], StoredView] = {}

    def add(self, views: list[StoredView]) -> None:
        """Add views; the newest of each camera is kept."""
        with self._lock:
            for stored in views:
                key = (stored.thing, stored.view.camera)
                known = self._views.get(key)
                if known is None and len(self._views) >= MAX_CAMERA_VIEWS:
                    continue
                if known is None or is_newer(
                    known.view.seen_utc_ns, stored.view.seen_utc_ns, stored.received_utc_ns
                ):
                    self._views[key] = stored

    def for_station(self, station: str) -> list[Json]:
        """A station's cameras by name, as the page reads them."""
        with self._lock:
            found = sorted(key for key in self._views if key[0] == station)
            return [msgspec.to_builtins(self._views[key].view) for key in found]
