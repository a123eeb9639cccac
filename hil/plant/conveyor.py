"""The conveyor: moves parts past the trigger on an absolute schedule, so that the rate never drifts."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

BELT_POLL_S = 0.05


class ConveyorLine(Protocol):
    """What the conveyor needs of the PLC."""

    @property
    def parts_under_way(self) -> bool: ...

    @property
    def belt_stands(self) -> bool: ...

    async def count_part(self) -> tuple[int, int]: ...

    async def set_line(self, running: bool) -> None: ...


class Conveyor:
    """Feeds parts while started; the belt runs until the last part has reached the gate."""

    def __init__(
        self,
        line: ConveyorLine,
        rate_hz: float,
        parts: int | None,
        on_counted: Callable[[int, int], None],
        schedule: Sequence[float] = (),
    ) -> None:
        self._line = line
        self._period_s = 1.0 / rate_hz
        self._parts = len(schedule) if schedule else parts
        self._schedule = schedule
        self._on_counted = on_counted
        self._fed = 0
        self._feeding = asyncio.Event()

    def _next_due_s(self, fed: int) -> float:
        """When the next part is due, in seconds after the first of the `fed` since the belt started."""
        if not self._schedule:
            return fed * self._period_s
        return self._schedule[self._fed] - self._schedule[self._fed - fed]

    def start(self) -> None:
        """Feed parts from now on."""
        if not self._are_all_fed():
            self._feeding.set()

    def stop(self) -> None:
        """Feed no more parts; those on the belt continue to the gate."""
        self._feeding.clear()

    async def run(self) -> None:
        """Move parts until cancelled."""
        while True:
            await self._feeding.wait()
            await self._line.set_line(True)
            await self._feed_parts()
            await _wait_until(lambda: self._feeding.is_set() or not self._line.parts_under_way)
            if not self._feeding.is_set():
                await self._line.set_line(False)

    async def _feed_parts(self) -> None:
        started_s, fed = time.monotonic(), 0
        while True:
            await asyncio.sleep(max(0.0, started_s + self._next_due_s(fed) - time.monotonic()))
            if self._line.belt_stands:  # parts wait with it; what was not fed is not made up for
                await _wait_until(lambda: not (self._line.belt_stands and self._feeding.is_set()))
                started_s, fed = time.monotonic(), 0
            if not self._feeding.is_set():
                return
            self._on_counted(*await self._line.count_part())
            fed += 1
            self._fed += 1
            if self._are_all_fed():
                self._feeding.clear()
                return

    def _are_all_fed(self) -> bool:
        return self._parts is not None and self._fed >= self._parts


async def _wait_until(
    holds: Callable[[], bool], pause: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    while not holds():
        await pause(BELT_POLL_S)
