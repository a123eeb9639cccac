"""What the component asks of a connected session, and the session's workers that carry it out."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from equipment.links.link import (
    LinkFault,
    LinkRequest,
    ReadConfirmations,
    ReadOutcomes,
    ReadTags,
    StopLine,
    VerdictNotWritten,
    WriteHeartbeat,
    WriteVerdict,
)
from sightline.clock import Clock
from sightline.errors import MachineLinkError

CANCEL_AGAIN_S = 0.05
PART_NUMBER_UNWRITABLE = "part-number-unwritable"
WorkFunction = Callable[[], Coroutine[Any, Any, None]]


class ValueDoesNotFitError(MachineLinkError):
    """A number that the PLC's variable cannot hold; nothing was written."""


class RequestQueue:
    """Verdicts in order; of all else, that it is wanted: a wish is one wish however often it comes."""

    def __init__(self, post: Callable[[object], None], clock: Clock) -> None:
        self._post = post
        self._clock = clock
        self._verdicts: asyncio.Queue[WriteVerdict] = asyncio.Queue()
        self._count_id: int | None = None
        self._is_misfit = False
        self._pending: dict[type[LinkRequest], asyncio.Event] = {
            kind: asyncio.Event()
            for kind in (WriteHeartbeat, ReadTags, ReadOutcomes, ReadConfirmations, StopLine)
        }

    def put(self, request: LinkRequest) -> None:
        """Note a request."""
        if isinstance(request, WriteVerdict):
            if not self._reject_void(request):
                self._verdicts.put_nowait(request)
        else:
            self._pending[type(request)].set()

    def begin_count(self, count_id: int) -> None:
        """The counter's numbers mean other parts from now on; verdicts decided before are void."""
        self._count_id = count_id

    def request_outcomes(self) -> None:
        """The session itself noticed that there are new ones."""
        self._pending[ReadOutcomes].set()

    def request_confirmations(self) -> None:
        """The session itself noticed that there are new ones."""
        self._pending[ReadConfirmations].set()

    async def serve(self, kind: type[LinkRequest], work: WorkFunction) -> None:
        """Work each time that a kind of request is wanted; ends with the work's error."""
        wanted = self._pending[kind]
        while True:
            await wanted.wait()
            wanted.clear()
            await work()

    async def write_verdicts(
        self,
        registers: Callable[[WriteVerdict], Coroutine[Any, Any, None]],
        strobe: WorkFunction,
    ) -> None:
        """Write each verdict: registers first, strobe last, and neither past its time."""
        while True:
            order = await self._verdicts.get()
            if self._reject_void(order) or self._reject_late(order):
                continue
            if not await self._write_fitting(registers, order):
                continue
            if self._reject_void(order) or self._reject_late(order):
                continue
            await strobe()

    async def _write_fitting(
        self, registers: Callable[[WriteVerdict], Coroutine[Any, Any, None]], order: WriteVerdict
    ) -> bool:
        """Whether the registers took the verdict; one that does not fit is told, and the next may fit."""
        try:
            await registers(order)
        except ValueDoesNotFitError as error:
            self._post(VerdictNotWritten(order, str(error)))
            text = f"The verdict of part {order.part_number} was not written, and it is rejected: {error}."
            self._post(LinkFault(PART_NUMBER_UNWRITABLE, text))
            self._is_misfit = True
            return False
        if self._is_misfit:
            self._is_misfit = False
            self._post(LinkFault(PART_NUMBER_UNWRITABLE, ""))
        return True

    def _reject_void(self, order: WriteVerdict) -> bool:
        void = order.count_id != self._count_id
        if void:
            reason = "it was decided before this connection, or before the PLC restarted its count"
            self._post(VerdictNotWritten(order, reason))
        return void

    def _reject_late(self, order: WriteVerdict) -> bool:
        late = self._clock.monotonic_ns() > order.not_after_monotonic_ns
        if late:
            reason = "its deadline passed before it could be written"
            self._post(VerdictNotWritten(order, reason, is_late=True))
        return late


async def run_until_first_failure(*works: Coroutine[Any, Any, None]) -> None:
    """Run all until one fails, and raise its error."""
    workers = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled():  # clients cancel requests that a lost connection leaves
                await task
        raise MachineLinkError("the connection to the PLC was lost")
    finally:
        await cancel_all(*workers)


async def cancel_all(*tasks: asyncio.Future[None], again_s: float = CANCEL_AGAIN_S) -> None:
    """Cancel tasks until they have ended: `wait_for` before Python 3.12 loses a cancellation that
    comes together with its answer, and a task that lost it would go on for ever.
    """
    pending: set[asyncio.Future[None]] = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_s)
    await asyncio.gather(*tasks, return_exceptions=True)
