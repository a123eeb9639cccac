"""One connection with a PLC over Modbus: polled registers in, written ones out."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from equipment.configuration import TagConfiguration
from equipment.links.asked import Asked, run_until_one_ends
from equipment.links.codes import GREATEST_UTC_NS, UINT32, VERDICT_CODES
from equipment.links.counter_steps import step_between
from equipment.links.link import (
    Beat,
    CounterSeen,
    GateRecord,
    LineStopSeen,
    LinkUp,
    OutcomesRead,
    ReadOutcomes,
    ReadTags,
    StopLine,
    TagsRead,
    VerdictEchoed,
    VerdictOrder,
    new_count_id,
)
from equipment.links.modbus_client import ILLEGAL_ADDRESS, ModbusConnection, Refused
from equipment.links.modbus_configuration import ModbusConfiguration, RegisterType
from equipment.links.modbus_requests import Span, in_few_requests, part_of
from equipment.links.modbus_values import (
    KEPT_OUTCOMES,
    OUTCOME_WORDS,
    decode,
    encode,
    outcome_slots,
    outcomes_of,
    sample_of,
    slots_overwritten,
    text_in,
    words_of,
)
from equipment.links.told import text_of
from equipment.links.trigger_age import TriggerAge
from sightline.clock import Clock
from sightline.messages import Quality

TYPES: dict[str, RegisterType] = {
    "part_counter": "uint32",
    "counted_at": "uint64",
    "belt_speed": "float32",
    "verdict_echo": "uint32",
    "outcome_counter": "uint32",
    "line_stop": "uint16",
    "heartbeat": "uint32",
    "verdict_part_number": "uint32",
    "verdict_code": "uint16",
    "verdict_strobe": "uint32",
    "product": "uint16",
    "dry_run": "uint32",
}
POLLED = (
    "part_counter",
    "counted_at",
    "belt_speed",
    "verdict_echo",
    "outcome_counter",
    "line_stop",
)


class ModbusSession:
    """Posts what the PLC's registers tell, carries out what the component requests."""

    def __init__(
        self,
        connection: ModbusConnection,
        configuration: ModbusConfiguration,
        tags: tuple[TagConfiguration, ...],
        post: Callable[[object], None],
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._configuration = configuration
        self._order = configuration.word_order
        self._tags = [(tag, tag.register) for tag in tags if tag.register is not None]
        self._post = post
        self._clock = clock
        self._count_id = 0
        self._age = TriggerAge()
        self._last: dict[str, float] = {}
        self._records: deque[GateRecord] = deque(maxlen=KEPT_OUTCOMES)
        self._records_read = 0
        self._strobe = 0
        self._beat = 0
        self.asked = Asked(post, clock)

    async def open(self) -> None:
        """See where strobe and heartbeat stand; posts `LinkUp` first of all."""
        found = await self._read("verdict_strobe", "heartbeat")
        self._strobe, self._beat = int(found["verdict_strobe"]), int(found["heartbeat"])
        self._begin_count()
        self._post(LinkUp(self._clock.monotonic_ns(), self._count_id))

    async def run(self) -> None:
        """Work until something fails; the error says what."""
        self.asked.want_outcomes()
        await run_until_one_ends(
            self._poll(),
            self.asked.write_verdicts(self._write_registers, self._write_strobe),
            self.asked.carry_out(Beat, self._write_beat),
            self.asked.carry_out(ReadTags, self._read_tags),
            self.asked.carry_out(ReadOutcomes, self._read_outcomes),
            self.asked.carry_out(StopLine, self._stop_line),
            self._connection.wait_for_loss(),
        )

    async def _poll(self) -> None:
        due_ns = self._clock.monotonic_ns()
        while True:
            sent_ns = self._clock.monotonic_ns()
            found, lot = await self._poll_once()
            self._tell_changes(found, lot, sent_ns)
            due_ns = max(due_ns + self._interval_ns(found), self._clock.monotonic_ns())
            await asyncio.sleep((due_ns - self._clock.monotonic_ns()) / 1e9)

    def _interval_ns(self, found: dict[str, float]) -> int:
        configuration, at_rest = self._configuration, found["belt_speed"] == 0
        interval_ms = (
            configuration.resting_interval_ms if at_rest else configuration.polling_interval_ms
        )
        return round(interval_ms * 1e6)

    async def _poll_once(self) -> tuple[dict[str, float], str]:
        """All that may have changed, in as few requests as that takes, and the lot as text."""
        registers = self._configuration.registers
        names = (*POLLED, *(("product",) if registers.product is not None else ()))
        spans = {name: self._span(name) for name in names}
        at = registers.lot
        lots = [Span("holding", at, registers.lot_words)] if at is not None else []
        answers = await self._connection.read_all([*spans.values(), *lots])
        lot = "".join(text_in(part_of(answers, span) or ()) for span in lots)
        return self._decoded(spans, answers), lot

    def _begin_count(self) -> None:
        self._count_id = new_count_id()
        self.asked.begin_count(self._count_id)

    def _tell_changes(self, found: dict[str, float], lot: str, sent_ns: int) -> None:
        received_ns = self._clock.monotonic_ns()
        last, self._last = self._last, found
        self._age.look(int(found["part_counter"]), sent_ns, received_ns)
        changed = {name for name in found if found[name] != last.get(name)}
        if "part_counter" in changed:
            self._tell_counter(found, lot, last, received_ns)
        if "verdict_echo" in changed and last:  # the first is where the register stood
            self._post(VerdictEchoed(int(found["verdict_echo"])))
        if "line_stop" in changed:
            self._post(LineStopSeen(bool(found["line_stop"])))
        if "outcome_counter" in changed:
            self.asked.want_outcomes()

    def _tell_counter(
        self, found: dict[str, float], lot: str, last: dict[str, float], received_ns: int
    ) -> None:
        counter, told_ns = int(found["part_counter"]), int(found["counted_at"])
        if last and step_between(int(last["part_counter"]), counter) == "restart":
            self._begin_count()
        speed = found["belt_speed"]
        source_utc_ns = told_ns if 0 < told_ns < GREATEST_UTC_NS else None
        delay_ns = self._age.delay_ns(counter, source_utc_ns, received_ns)
        self._post(
            CounterSeen(
                counter,
                self._utc_ns(told_ns),
                received_ns,
                speed if math.isfinite(speed) else None,
                text_of(found.get("product", 0)),
                text_of(lot),
                self._count_id,
                round(delay_ns / 1e6, 3),
            )
        )

    async def _write_registers(self, order: VerdictOrder) -> None:
        if order.dry_run:
            await self._write(dry_run=order.part_number)
        await self._write(
            verdict_part_number=order.part_number, verdict_code=VERDICT_CODES[order.verdict]
        )

    async def _write_strobe(self) -> None:
        self._strobe = (self._strobe + 1) % UINT32
        await self._write(verdict_strobe=self._strobe)

    async def _write_beat(self) -> None:
        self._beat = (self._beat + 1) % UINT32
        await self._write(heartbeat=self._beat)

    async def _stop_line(self) -> None:
        await self._write(line_stop=1)

    async def _read_tags(self) -> None:
        counts = await self._read("part_counter", "counted_at")
        now = self._clock.utc_ns()
        spans = [
            Span(register.table, register.address, words_of(register.type))
            for _, register in self._tags
        ]
        readings = await self._read_each(spans)
        samples = tuple(
            sample_of(tag, register, readings[span], self._order, now)
            for (tag, register), span in zip(self._tags, spans, strict=True)
        )
        self._post(
            TagsRead(samples, int(counts["part_counter"]), self._utc_ns(int(counts["counted_at"])))
        )

    async def _read_each(self, spans: Sequence[Span]) -> dict[Span, Sequence[int] | Quality]:
        """Each span's words; a refused request is taken apart, so that it costs no other reading."""
        found: dict[Span, Sequence[int] | Quality] = {}
        for request in in_few_requests(spans):
            inside = [span for span in set(spans) if part_of({request: ()}, span) is not None]
            try:
                words = await self._connection.read(request)
                found.update({span: part_of({request: words}, span) or () for span in inside})
            except Refused as refusal:
                if inside == [request]:
                    found[request] = "missing" if refusal.code == ILLEGAL_ADDRESS else "bad"
                    continue
                for span in inside:
                    found.update(await self._read_each([span]))
        return found

    async def _read_outcomes(self) -> None:
        counter = int((await self._read("outcome_counter"))["outcome_counter"])
        if counter < self._records_read:  # the PLC began anew
            self._records.clear()
            self._records_read = 0
        base = self._configuration.registers.outcomes
        spans = [
            Span("holding", base + slot * OUTCOME_WORDS, OUTCOME_WORDS)
            for slot in outcome_slots(self._records_read, counter)
        ]
        answers = await self._connection.read_all(spans)
        after = int((await self._read("outcome_counter"))["outcome_counter"])
        if after < counter:  # it began anew meanwhile
            self.asked.want_outcomes()
            return
        if after != counter:  # it wrote meanwhile: the rest is read next
            self.asked.want_outcomes()
        overwritten = min(len(spans), slots_overwritten(counter, len(spans), after))
        if overwritten or len(spans) < counter - self._records_read:
            self._records.clear()  # what follows does not follow on them
        self._records.extend(
            outcomes_of([part_of(answers, span) or () for span in spans[overwritten:]], self._order)
        )
        self._records_read = counter
        self._post(OutcomesRead(counter, tuple(self._records)))

    async def _read(self, *names: str) -> dict[str, float]:
        spans = {name: self._span(name) for name in names}
        return self._decoded(spans, await self._connection.read_all(list(spans.values())))

    def _decoded(
        self, spans: Mapping[str, Span], answers: Mapping[Span, Sequence[int]]
    ) -> dict[str, float]:
        return {
            name: decode(TYPES[name], part_of(answers, span) or (), self._order)
            for name, span in spans.items()
        }

    async def _write(self, **values: int) -> None:
        """Write values in as few requests as their addresses allow, in the order given."""
        address, words = 0, list[int]()
        for name, value in values.items():
            span = self._span(name)
            if words and address + len(words) != span.address:
                await self._connection.write(address, words)
                words = []
            if not words:
                address = span.address
            words += encode(TYPES[name], value, self._order)
        await self._connection.write(address, words)

    def _span(self, name: str) -> Span:
        address = getattr(self._configuration.registers, name)
        return Span("holding", address, words_of(TYPES[name]))

    def _utc_ns(self, told: int) -> int:
        """The PLC's time; the station's where the PLC tells none that could be one."""
        return told if 0 < told < GREATEST_UTC_NS else self._clock.utc_ns()
