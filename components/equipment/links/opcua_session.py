"""One connected session with a PLC: subscription in, registers out; it ends with the first error."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asyncua import Client, ua

from equipment.configuration import TagConfiguration
from equipment.links.asked import Asked, run_until_one_ends
from equipment.links.codes import UINT32 as UINT32_VALUES
from equipment.links.codes import VERDICT_CODES, records_of, whole_number_of
from equipment.links.counter_steps import counter_value_of, step_between
from equipment.links.link import (
    Beat,
    CounterSeen,
    LineStopSeen,
    LinkFault,
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
from equipment.links.opcua_configuration import OpcuaConfiguration, PlcNodes
from equipment.links.opcua_subscription import SLOW, Intervals, Subscribed
from equipment.links.opcua_values import node_id_of, sample_of, speed_of, utc_ns_of
from equipment.links.told import UNREADABLE, Told
from equipment.links.trigger_age import TriggerAge
from sightline.clock import Clock
from sightline.errors import MachineLinkError

log = logging.getLogger(__name__)
UINT16, UINT32 = ua.VariantType.UInt16, ua.VariantType.UInt32
LOOK_OFTEN_S = 0.025
LOOK_SELDOM_S = 0.1
SILENT_NS = 3_000_000_000  # so long after a read showed a number, its notification is lost
COUNTER_UNREADABLE = "counter-unreadable"
SUBSCRIBED = ("part_counter", "belt_speed", "verdict_echo", "line_stop", "outcome_counter")
TOLD_OF_PARTS = ("product", "lot")
OUTCOMES = ("outcome_numbers", "outcome_actions", "outcome_times", "outcome_causes")


@dataclass(frozen=True)
class _Counted:
    """A value of the counter as it was told; `was_readable`: so was the value before it."""

    counter: int
    source_utc_ns: int
    received_ns: int
    was_readable: bool


class OpcuaSession:
    """Posts what the PLC tells, carries out what the component requests."""

    def __init__(
        self,
        client: Client,
        configuration: OpcuaConfiguration,
        tags: tuple[TagConfiguration, ...],
        post: Callable[[object], None],
        clock: Clock,
    ) -> None:
        self._client = client
        self._configuration = configuration
        self._tags = [(tag, tag.node_id) for tag in tags if tag.node_id is not None]
        self._post = post
        self._clock = clock
        self._nodes: dict[str, Any] = {}
        self._tag_nodes: list[Any] = []
        self._belt_speed_mps: float | None = None
        self._told = {name: Told() for name in TOLD_OF_PARTS}
        self._count_id = 0
        self._age = TriggerAge()
        self._intervals: Intervals | None = None
        self._counted: list[_Counted] = []
        self._last_counter: int | None = None
        self._untold_since_ns: int | None = None
        self._is_readable = True
        self._was_readable = True  # at all times since it was told last
        self._strobe = 0
        self._beat = 0
        self._echo_seen = False
        self.asked = Asked(post, clock)
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        """Find the nodes, see where the strobe stands, subscribe; posts `LinkUp` first of all."""
        namespaces = await self._client.get_namespace_array()
        nodes = self._configuration.nodes
        self._nodes = {
            name: self._client.get_node(node_id_of(getattr(nodes, name), namespaces))
            for name in PlcNodes.__struct_fields__
            if getattr(nodes, name) is not None
        }
        self._tag_nodes = [
            self._client.get_node(node_id_of(node_id, namespaces)) for _, node_id in self._tags
        ]
        strobe, beat = await self._read("verdict_strobe", "heartbeat")
        self._strobe = whole_number_of(self._where("verdict_strobe"), strobe)
        self._beat = whole_number_of(self._where("heartbeat"), beat)
        await self._look()
        self._begin_count()
        self._post(LinkUp(self._clock.monotonic_ns(), self._count_id))
        await self._subscribe()

    async def run(self) -> None:
        """Work until something fails; the error says what."""
        self.asked.want_outcomes()
        await run_until_one_ends(
            self.asked.write_verdicts(self._write_registers, self._write_strobe),
            self.asked.carry_out(Beat, self._write_beat),
            self.asked.carry_out(ReadTags, self._read_tags),
            self.asked.carry_out(ReadOutcomes, self._read_outcomes),
            self.asked.carry_out(StopLine, self._stop_line),
            self._look_again_and_again(),
            self._wait_for_loss(),
        )

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        """The client calls this for each change, in order; it would say nothing of an error here."""
        try:
            self._take_change(node, value, data.monitored_item.Value)
        except Exception as error:
            log.exception("a change that cannot be taken")
            self._lose(f"the PLC tells of {node} what cannot be taken: {error}")

    def _take_change(self, node: Any, value: Any, changed: Any) -> None:
        received_ns = self._clock.monotonic_ns()
        if node == self._nodes["part_counter"]:
            self._take_counter(changed, received_ns)
            return
        if (
            self._takes_told(node, value, changed, received_ns)
            or value is None
            or not _is_good(changed)
        ):
            return
        if node == self._nodes["belt_speed"]:
            self._belt_speed_mps = speed_of(value)
        elif node == self._nodes["verdict_echo"]:
            if self._echo_seen:  # the first is where the register stood
                self._post(VerdictEchoed(whole_number_of(self._where("verdict_echo"), value)))
            self._echo_seen = True
        elif node == self._nodes["line_stop"]:
            self._post(LineStopSeen(bool(value)))
        else:
            self.asked.want_outcomes()

    def _take_counter(self, changed: Any, received_ns: int) -> None:
        counter = self._counter_in(changed)
        if counter is None:
            return
        was_readable, self._was_readable = self._was_readable, True
        source_utc_ns = utc_ns_of(changed.SourceTimestamp)
        if not self._counted:  # told after all that came in the same answer of the server
            asyncio.get_running_loop().call_soon(self._tell_counted)
        self._counted.append(_Counted(counter, source_utc_ns, received_ns, was_readable))

    def _counter_in(self, data: Any) -> int | None:
        """The counter that was read or told; None, with a fault, where that is none."""
        try:
            if not _is_good(data):
                raise MachineLinkError(f"its status is {data.StatusCode.name}")
            counter = counter_value_of(data.Value.Value if data.Value is not None else None)
        except MachineLinkError as error:
            self._is_readable = self._was_readable = False
            text = (
                f"The part counter {self._where('part_counter')} is unreadable: {error}. No part is "
                "triggered, and all are missed and rejected, until the PLC tells it again."
            )
            self._post(LinkFault(COUNTER_UNREADABLE, text))
            return None
        if not self._is_readable:
            self._is_readable = True
            self._post(LinkFault(COUNTER_UNREADABLE, ""))
        return counter

    def _takes_told(self, node: Any, value: Any, changed: Any, received_ns: int) -> bool:
        """Product or lot; one that cannot be read is told as such, and no product is called so."""
        for name in TOLD_OF_PARTS:
            if node == self._nodes.get(name):
                known = value if value is not None and _is_good(changed) else UNREADABLE
                self._told[name].put(known, utc_ns_of(changed.SourceTimestamp), received_ns)
                return True
        return False

    def _tell_counted(self) -> None:
        counted, self._counted = self._counted, []
        self._untold_since_ns = None
        for one in counted:
            last, self._last_counter = self._last_counter, one.counter
            if last is not None and step_between(last, one.counter) == "restart":
                self._begin_count()
            counted_utc_ns = one.source_utc_ns or self._clock.utc_ns()
            product, lot = (
                self._told[name].at(counted_utc_ns, one.received_ns) for name in TOLD_OF_PARTS
            )
            self._post(
                CounterSeen(
                    one.counter,
                    counted_utc_ns,
                    one.received_ns,
                    self._belt_speed_mps,
                    product,
                    lot,
                    self._count_id,
                    self._delay_ms(one),
                )
            )

    def _delay_ms(self, counted: "_Counted") -> float:
        samples_slowly = self._intervals is not None and self._intervals.samples_slowly
        delay_ns = self._age.delay_ns(
            counted.counter,
            counted.source_utc_ns or None,
            counted.received_ns,
            trusts_time=counted.was_readable and not samples_slowly,
        )
        return round(delay_ns / 1e6, 3)

    def _begin_count(self) -> None:
        self._count_id = new_count_id()
        self.asked.begin_count(self._count_id)

    def status_change_notification(self, notification: Any) -> None:
        """The client calls this when the subscription ended on the server, or with the connection."""
        self._lose(f"the PLC ended the subscription: {notification}")

    def _lose(self, reason: str) -> None:
        if not self._lost.done():
            self._lost.set_result(reason)

    async def _subscribe(self) -> None:
        names = [name for name in (*TOLD_OF_PARTS, *SUBSCRIBED) if name in self._nodes]
        subscribed = Subscribed(self._client, self, self._configuration.publishing_interval_ms)
        nodes = [self._nodes[name] for name in names]
        self._intervals, results = await subscribed.open(nodes, names.index("part_counter"))
        for name, result in zip(names, results, strict=True):
            if isinstance(result, ua.StatusCode):
                raise MachineLinkError(f"the PLC refuses {self._where(name)}: {result.name}")
        if self._intervals.are_slow:
            self._post(LinkFault(SLOW, self._intervals.in_words()))

    async def _look_again_and_again(self) -> None:
        """Read the counter besides, so that a part told late is known to be late, and a lost one lost."""
        while True:
            often = self._age.wants_looks(self._clock.monotonic_ns())
            await asyncio.sleep(LOOK_OFTEN_S if often else LOOK_SELDOM_S)
            await self._look()

    async def _look(self) -> None:
        sent_ns = self._clock.monotonic_ns()
        (data,) = await self._client.read_attributes([self._nodes["part_counter"]])
        self._take_look(data, sent_ns)

    def _take_look(self, data: Any, sent_ns: int) -> int | None:
        answered_ns = self._clock.monotonic_ns()
        counter = self._counter_in(data)
        if counter is None:
            return None
        self._age.look(counter, sent_ns, answered_ns)
        if self._last_counter is None or counter == self._last_counter or self._counted:
            self._untold_since_ns = None
        elif self._untold_since_ns is None:
            self._untold_since_ns = answered_ns
        else:
            self._check_for_silence(counter, answered_ns - self._untold_since_ns)
        return counter

    def _check_for_silence(self, counter: int, silent_ns: int) -> None:
        publishing_ms = self._intervals.publishing_ms if self._intervals is not None else 0.0
        if silent_ns > max(SILENT_NS, 3e6 * publishing_ms):
            raise MachineLinkError(
                f"the PLC's counter reads {counter}, but its subscription told only "
                f"{self._last_counter} for {silent_ns / 1e9:.0f} s; connecting anew"
            )

    async def _write_registers(self, order: VerdictOrder) -> None:
        if order.dry_run:
            await self._write(dry_run=ua.Variant(order.part_number, UINT32))
        await self._write(
            verdict_part_number=ua.Variant(order.part_number, UINT32),
            verdict_code=ua.Variant(VERDICT_CODES[order.verdict], UINT16),
        )

    async def _write_strobe(self) -> None:
        self._strobe = (self._strobe + 1) % UINT32_VALUES
        await self._write(verdict_strobe=ua.Variant(self._strobe, UINT32))

    async def _stop_line(self) -> None:
        await self._write(line_stop=ua.Variant(1, UINT16))

    async def _write_beat(self) -> None:
        self._beat = (self._beat + 1) % UINT32_VALUES
        await self._write(heartbeat=ua.Variant(self._beat, UINT32))

    async def _read_tags(self) -> None:
        nodes = [self._nodes["part_counter"], *self._tag_nodes]
        sent_ns = self._clock.monotonic_ns()
        counter, *readings = await self._client.read_attributes(nodes)
        now = self._clock.utc_ns()
        samples = tuple(
            sample_of(tag, data, now) for (tag, _), data in zip(self._tags, readings, strict=True)
        )
        counted = self._take_look(counter, sent_ns)
        self._post(TagsRead(samples, counted, utc_ns_of(counter.SourceTimestamp) or now))

    async def _read_outcomes(self) -> None:
        before, *columns, after = await self._read("outcome_counter", *OUTCOMES, "outcome_counter")
        if before != after:  # the PLC wrote meanwhile; look again
            self.asked.want_outcomes()
            return
        numbers, actions, times, causes = (list(column or ()) for column in columns)
        told = whole_number_of(self._where("outcome_counter"), after)
        self._post(OutcomesRead(told, records_of(numbers, actions, times, causes)))

    async def _wait_for_loss(self) -> None:
        raise MachineLinkError(await self._lost)

    async def _read(self, *names: str) -> list[Any]:
        readings = await self._client.read_attributes([self._nodes[name] for name in names])
        for name, data in zip(names, readings, strict=True):
            if not data.StatusCode.is_good():
                raise MachineLinkError(f"cannot read {self._where(name)}: {data.StatusCode.name}")
        return [data.Value.Value for data in readings]

    async def _write(self, **values: Any) -> None:
        try:
            await self._client.write_values([self._nodes[name] for name in values], values.values())
        except ua.UaStatusCodeError as error:
            where = " or ".join(self._where(name) for name in values)
            raise MachineLinkError(f"cannot write {where}: {error}") from error

    def _where(self, name: str) -> str:
        return f"{name} ({getattr(self._configuration.nodes, name)})"


def _is_good(data: Any) -> bool:
    return data.StatusCode is None or bool(data.StatusCode.is_good())
