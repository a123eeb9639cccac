"""One connection with a PLC over Modbus: polled registers in, written ones out."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence

from equipment.configuration import TagConfiguration
from equipment.links.counter_steps import step_between
from equipment.links.link import (
    BinFullSeen,
    ConfirmationsRead,
    CounterSeen,
    LineStopSeen,
    OutcomesRead,
    RequestsRepeated,
    TagsRead,
    VerdictEchoed,
    WriteVerdict,
)
from equipment.links.modbus_client import (
    ILLEGAL_ADDRESS,
    ModbusConnection,
    ModbusRefusalError,
    WritesOneByOneError,
)
from equipment.links.modbus_configuration import ModbusConfiguration, RegisterType
from equipment.links.modbus_requests import RegisterSpan, find_words, merge_spans
from equipment.links.modbus_rings import RingReader
from equipment.links.modbus_values import (
    build_modbus_sample,
    count_words,
    decode_confirmations,
    decode_outcomes,
    decode_registers,
    decode_text,
    encode_registers,
)
from equipment.links.plc_session import PlcSession
from equipment.links.register_codes import MAX_UTC_NS
from equipment.links.register_history import parse_register_text
from sightline.clock import Clock
from sightline.errors import MachineLinkError
from sightline.messaging.messages import TagQuality

REGISTER_TYPES: dict[str, RegisterType] = {
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
    "reject_bin_full": "bool",
    "confirmation_counter": "uint32",
}
SET_REGISTERS = (
    "Set the PLC's own addresses under link/modbus/registers, counted from 0 (40701 in a manual is 700); "
    "countedAt and beltSpeed may be null."
)
POLLED_REGISTERS = (
    "part_counter",
    "verdict_echo",
    "outcome_counter",
    "line_stop",
)
OPTIONAL_POLLED_REGISTERS = (
    "counted_at",
    "belt_speed",
    "product",
    "reject_bin_full",
    "confirmation_counter",
)
NO_VERDICT_CODE = 0  # the gate opens for no such part


class ModbusSession(PlcSession):
    """A session that polls registers."""

    def __init__(
        self,
        connection: ModbusConnection,
        configuration: ModbusConfiguration,
        tags: tuple[TagConfiguration, ...],
        post: Callable[[object], None],
        clock: Clock,
    ) -> None:
        super().__init__(post, clock)
        self._connection = connection
        self._configuration = configuration
        self._order = configuration.word_order
        self._tags = [(tag, tag.register) for tag in tags if tag.register is not None]
        self._last: dict[str, float] = {}
        self._retries_told = 0
        self._outcomes = RingReader(
            connection,
            configuration.registers.outcomes,
            lambda: self._read_number("outcome_counter"),
            lambda slots: decode_outcomes(slots, self._order),
            self.requests.request_outcomes,
        )
        self._confirmations = RingReader(
            connection,
            configuration.registers.confirmations or 0,
            lambda: self._read_number("confirmation_counter"),
            lambda slots: decode_confirmations(slots, self._order),
            self.requests.request_confirmations,
        )

    async def open(self) -> None:
        """See where strobe and heartbeat stand; posts `LinkUp` first of all."""
        found = await self._read("verdict_strobe", "heartbeat")
        self._strobe, self._heartbeat = int(found["verdict_strobe"]), int(found["heartbeat"])
        self._post_link_up()

    async def _watch_counter(self) -> None:
        due_ns = self._clock.monotonic_ns()
        while True:
            sent_ns = self._clock.monotonic_ns()
            found, lot = await self._poll_once()
            self._post_changes(found, lot, sent_ns)
            due_ns = max(due_ns + self._interval_ns(found), self._clock.monotonic_ns())
            await asyncio.sleep((due_ns - self._clock.monotonic_ns()) / 1e9)

    def _interval_ns(self, found: dict[str, float]) -> int:
        configuration, at_rest = self._configuration, found.get("belt_speed") == 0
        interval_ms = (
            configuration.resting_interval_ms if at_rest else configuration.polling_interval_ms
        )
        return round(interval_ms * 1e6)

    async def _poll_once(self) -> tuple[dict[str, float], str]:
        """All that may have changed, in as few requests as that takes, and the lot as text."""
        registers = self._configuration.registers
        there = (n for n in OPTIONAL_POLLED_REGISTERS if getattr(registers, n) is not None)
        names = (*POLLED_REGISTERS, *there)
        spans = {name: self._span(name) for name in names}
        at = registers.lot
        lots = [RegisterSpan("holding", at, registers.lot_words)] if at is not None else []
        answers = await self._read_spans(spans, lots)
        lot = "".join(decode_text(find_words(answers, span) or ()) for span in lots)
        return self._decode(spans, answers), lot

    def _post_changes(self, found: dict[str, float], lot: str, sent_ns: int) -> None:
        received_ns = self._clock.monotonic_ns()
        if self._connection.retries != self._retries_told:
            self._post(RequestsRepeated(self._connection.retries - self._retries_told))
            self._retries_told = self._connection.retries
        last, self._last = self._last, found
        self._trigger_age.record_read(int(found["part_counter"]), sent_ns, received_ns)
        changed = {name for name in found if found[name] != last.get(name)}
        if "part_counter" in changed:
            self._post_counter(found, lot, last, received_ns)
        if "verdict_echo" in changed and last:  # the first is where the register stood
            self._post(VerdictEchoed(int(found["verdict_echo"])))
        if "line_stop" in changed:
            self._post(LineStopSeen(bool(found["line_stop"])))
        if "outcome_counter" in changed:
            self.requests.request_outcomes()
        if "reject_bin_full" in changed:
            self._post(BinFullSeen(bool(found["reject_bin_full"])))
        if "confirmation_counter" in changed:
            self.requests.request_confirmations()

    def _post_counter(
        self, found: dict[str, float], lot: str, last: dict[str, float], received_ns: int
    ) -> None:
        counter, told_ns = int(found["part_counter"]), int(found.get("counted_at", 0))
        if last and step_between(int(last["part_counter"]), counter) == "restart":
            self._begin_count()
        speed = found.get("belt_speed", math.nan)
        source_utc_ns = told_ns if 0 < told_ns < MAX_UTC_NS else None
        delay_ns = self._trigger_age.record_count(counter, source_utc_ns, received_ns)
        self._post(
            CounterSeen(
                counter,
                self._utc_ns(told_ns),
                received_ns,
                speed if math.isfinite(speed) else None,
                parse_register_text(found.get("product", 0)),
                parse_register_text(lot),
                self._count_id,
                round(delay_ns / 1e6, 3),
            )
        )

    async def _read_tags(self) -> None:
        has_time = self._configuration.registers.counted_at is not None
        counts = await self._read("part_counter", *(["counted_at"] if has_time else []))
        now = self._clock.utc_ns()
        spans = [
            RegisterSpan(register.table, register.address, count_words(register.type))
            for _, register in self._tags
        ]
        readings = await self._read_each(spans)
        samples = tuple(
            build_modbus_sample(tag, register, readings[span], self._order, now)
            for (tag, register), span in zip(self._tags, spans, strict=True)
        )
        self._post(
            TagsRead(
                samples,
                int(counts["part_counter"]),
                self._utc_ns(int(counts.get("counted_at", 0))),
            )
        )

    async def _read_each(
        self, spans: Sequence[RegisterSpan]
    ) -> dict[RegisterSpan, Sequence[int] | TagQuality]:
        """Each span's words; a refused request is taken apart, so that it costs no other reading."""
        found: dict[RegisterSpan, Sequence[int] | TagQuality] = {}
        for request in merge_spans(spans):
            inside = [span for span in set(spans) if find_words({request: ()}, span) is not None]
            try:
                words = await self._connection.read(request)
                found.update({span: find_words({request: words}, span) or () for span in inside})
            except ModbusRefusalError as refusal:
                if inside == [request]:
                    found[request] = "missing" if refusal.code == ILLEGAL_ADDRESS else "bad"
                    continue
                for span in inside:
                    found.update(await self._read_each([span]))
        return found

    async def _read_outcomes(self) -> None:
        found = await self._outcomes.read()
        if found is not None:
            self._post(OutcomesRead(*found))

    async def _read_confirmations(self) -> None:
        if self._configuration.registers.confirmations is None:
            return
        found = await self._confirmations.read()
        if found is not None:
            self._post(ConfirmationsRead(*found))

    async def _read_number(self, name: str) -> int:
        return int((await self._read(name))[name])

    async def _read(self, *names: str) -> dict[str, float]:
        spans = {name: self._span(name) for name in names}
        return self._decode(spans, await self._read_spans(spans))

    async def _read_spans(
        self, spans: Mapping[str, RegisterSpan], more: Sequence[RegisterSpan] = ()
    ) -> dict[RegisterSpan, Sequence[int]]:
        """Many spans; a refusal says which registers of the handshake they are, and what to do."""
        try:
            return await self._connection.read_all([*spans.values(), *more])
        except ModbusRefusalError as refusal:
            if refusal.code != ILLEGAL_ADDRESS:
                raise
            where = ", ".join(f"{name} {span.address}" for name, span in spans.items())
            raise MachineLinkError(f"{refusal}. {SET_REGISTERS} Asked for: {where}") from refusal

    def _decode(
        self, spans: Mapping[str, RegisterSpan], answers: Mapping[RegisterSpan, Sequence[int]]
    ) -> dict[str, float]:
        return {
            name: decode_registers(
                REGISTER_TYPES[name], find_words(answers, span) or (), self._order
            )
            for name, span in spans.items()
        }

    async def _write_registers(self, order: WriteVerdict) -> None:
        """Number and code; where they do not go in one request, no old code stands beside the new number."""
        try:
            if not self._is_one_request("verdict_part_number", "verdict_code"):
                await self._write_in_order(verdict_code=NO_VERDICT_CODE)
            await super()._write_registers(order)
        except WritesOneByOneError:  # nothing of it was written
            await self._write_registers(order)

    def _is_one_request(self, first: str, second: str) -> bool:
        is_adjacent = self._span(first).end == self._span(second).address
        return is_adjacent and not self._connection.writes_one_by_one

    async def _write(self, **values: int) -> None:
        try:
            await self._write_in_order(**values)
        except WritesOneByOneError:
            if "verdict_code" in values:
                raise  # the old code is to be taken away first
            await self._write_in_order(**values)

    async def _write_in_order(self, **values: int) -> None:
        """Write values in as few requests as their addresses allow, in the order given."""
        address, words = 0, list[int]()
        for name, value in values.items():
            span = self._span(name)
            if words and address + len(words) != span.address:
                await self._connection.write(address, words)
                words = []
            if not words:
                address = span.address
            words += encode_registers(REGISTER_TYPES[name], value, self._order)
        await self._connection.write(address, words)

    async def _wait_for_loss(self) -> None:
        await self._connection.wait_for_loss()

    def _span(self, name: str) -> RegisterSpan:
        address = getattr(self._configuration.registers, name)
        return RegisterSpan("holding", address, count_words(REGISTER_TYPES[name]))

    def _utc_ns(self, told: int) -> int:
        """The PLC's time; the station's where the PLC tells none that could be one."""
        return told if 0 < told < MAX_UTC_NS else self._clock.utc_ns()
