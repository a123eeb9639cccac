"""The clock of a rollout, replaceable in tests."""

import time
from typing import Protocol


class RolloutClock(Protocol):
    """The clock of a rollout, replaceable in tests."""

    def now_s(self) -> float:
        """A monotonic time in seconds."""

    def utc_s(self) -> float:
        """Seconds since 1970, as in the service's timestamps."""

    def wait(self, seconds: float) -> None:
        """Wait for this time."""


class SystemRolloutClock:
    """The machine's own clock."""

    def now_s(self) -> float:
        """The monotonic clock."""
        return time.monotonic()

    def utc_s(self) -> float:
        """The machine's time of day."""
        return time.time()

    def wait(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)
