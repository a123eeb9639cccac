"""What each connected session with a PLC does, whatever its protocol; it ends with the first error."""

from collections.abc import Callable

from equipment.links.link import (
    LinkUp,
    ReadConfirmations,
    ReadOutcomes,
    ReadTags,
    StopLine,
    WriteHeartbeat,
    WriteVerdict,
    new_count_id,
)
from equipment.links.register_codes import UINT32, VERDICT_CODES
from equipment.links.request_queue import RequestQueue, run_until_first_failure
from equipment.links.trigger_age import TriggerAge
from sightline.clock import Clock


class PlcSession:
    """Posts what the PLC shows, carries out what the component requests; how is the protocol's matter."""

    def __init__(self, post: Callable[[object], None], clock: Clock) -> None:
        self._post = post
        self._clock = clock
        self._count_id = 0
        self._trigger_age = TriggerAge()
        self._strobe = 0
        self._heartbeat = 0
        self.requests = RequestQueue(post, clock)

    async def open(self) -> None:
        """See where strobe and heartbeat stand; posts `LinkUp` first of all."""
        raise NotImplementedError

    async def run(self) -> None:
        """Work until something fails; the error says what."""
        self.requests.request_outcomes()
        await run_until_first_failure(
            self._watch_counter(),
            self.requests.write_verdicts(self._write_registers, self._write_strobe),
            self.requests.serve(WriteHeartbeat, self._write_heartbeat),
            self.requests.serve(ReadTags, self._read_tags),
            self.requests.serve(ReadOutcomes, self._read_outcomes),
            self.requests.serve(ReadConfirmations, self._read_confirmations),
            self.requests.serve(StopLine, self._stop_line),
            self._wait_for_loss(),
        )

    def _post_link_up(self) -> None:
        self._begin_count()
        self._post(LinkUp(self._clock.monotonic_ns(), self._count_id))

    def _begin_count(self) -> None:
        self._count_id = new_count_id()
        self.requests.begin_count(self._count_id)

    async def _write_registers(self, order: WriteVerdict) -> None:
        if order.dry_run:
            await self._write(dry_run=order.part_number)
        await self._write(
            verdict_part_number=order.part_number, verdict_code=VERDICT_CODES[order.verdict]
        )

    async def _write_strobe(self) -> None:
        self._strobe = (self._strobe + 1) % UINT32
        await self._write(verdict_strobe=self._strobe)

    async def _write_heartbeat(self) -> None:
        self._heartbeat = (self._heartbeat + 1) % UINT32
        await self._write(heartbeat=self._heartbeat)

    async def _stop_line(self) -> None:
        await self._write(line_stop=1)

    async def _write(self, **values: int) -> None:
        """Write values by the names that they have in the configuration, in the order given."""
        raise NotImplementedError

    async def _watch_counter(self) -> None:
        """Read the counter again and again."""
        raise NotImplementedError

    async def _read_tags(self) -> None:
        """Read all tags; posts `TagsRead`."""
        raise NotImplementedError

    async def _read_outcomes(self) -> None:
        """Read what the gate did; posts `OutcomesRead`."""
        raise NotImplementedError

    async def _read_confirmations(self) -> None:
        """Read what the sensors behind the gate saw, where the PLC tells it; posts `ConfirmationsRead`."""
        raise NotImplementedError

    async def _wait_for_loss(self) -> None:
        """MachineLinkError once the connection is lost."""
        raise NotImplementedError
