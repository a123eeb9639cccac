"""When there is time between two parts: late on the way from one to the next."""

import threading
import time
from collections.abc import Callable

MAX_PART_PAUSE_S = 0.4
PAUSE_SHARE_OF_PART = 0.6  # of the time from part to part; the verdict is out by then
MAX_WAIT_STEP_S = 0.05


class InterPartPause:
    """Told of each part by the main thread; others wait here until the part in hand is through."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._last_s: float | None = None
        self._pause_s = MAX_PART_PAUSE_S

    def on_part_triggered(self) -> None:
        """A part was triggered now."""
        now_s = self._now_s()
        if self._last_s is not None:
            self._pause_s = min(MAX_PART_PAUSE_S, PAUSE_SHARE_OF_PART * (now_s - self._last_s))
        self._last_s = now_s

    def remaining_s(self) -> float:
        """How long the part in hand still wants to be left alone; 0: not any more."""
        last_s = self._last_s
        return 0.0 if last_s is None else max(0.0, last_s + self._pause_s - self._now_s())

    def wait(self, ended: threading.Event) -> bool:
        """Wait until there is time; False when told to end."""
        while (left_s := self.remaining_s()) > 0:
            if ended.wait(min(left_s, MAX_WAIT_STEP_S)):
                return False
        return not ended.is_set()
