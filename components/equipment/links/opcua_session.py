"""One connected session with a PLC: subscription in, registers out; it ends with the first error."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asyncua import Client, ua

from equipment.configuration import TagConfiguration
from equipment.links.counter_steps import parse_counter, step_between
from equipment.links.link import (
    CounterSeen,
    LineStopSeen,
    LinkFault,
    OutcomesRead,
    TagsRead,
    VerdictEchoed,
)
from equipment.links.opcua_configuration import OpcuaConfiguration, PlcNodes
from equipment.links.opcua_subscription import (
    SLOW_SUBSCRIPTION,
    OpcuaSubscription,
    SubscriptionIntervals,
)
from equipment.links.opcua_values import build_opcua_sample, parse_node_id, parse_speed, to_utc_ns
from equipment.links.plc_session import PlcSession
from equipment.links.register_codes import build_gate_records, parse_whole_number
from equipment.links.register_history import UNREADABLE_TEXT, RegisterHistory
from sightline.clock import Clock
from sightline.errors import MachineLinkError

log = logging.getLogger(__name__)
WRITTEN_TYPES = {
    "verdict_part_number": ua.VariantType.UInt32,
    "verdict_code": ua.VariantType.UInt16,
    "verdict_strobe": ua.VariantType.UInt32,
    "heartbeat": ua.VariantType.UInt32,
    "line_stop": ua.VariantType.UInt16,
    "dry_run": ua.VariantType.UInt32,
}
FAST_READ_INTERVAL_S = 0.025
SLOW_READ_INTERVAL_S = 0.1
MAX_NOTIFICATION_SILENCE_NS = (
    3_000_000_000  # so long after a read showed a number, its notification is lost
)
COUNTER_UNREADABLE = "counter-unreadable"
SUBSCRIBED_NODES = ("part_counter", "belt_speed", "verdict_echo", "line_stop", "outcome_counter")
PART_TEXT_NODES = ("product", "lot")
OUTCOME_NODES = ("outcome_numbers", "outcome_actions", "outcome_times", "outcome_causes")


@dataclass(frozen=True)
class _CounterNotification:
    """A value of the counter as it was told; `was_readable`: so was the value before it."""

    counter: int
    source_utc_ns: int
    received_ns: int
    was_readable: bool


class OpcuaSession(PlcSession):
    """A session that subscribes to nodes."""

    def __init__(
        self,
        client: Client,
        configuration: OpcuaConfiguration,
        tags: tuple[TagConfiguration, ...],
        post: Callable[[object], None],
        clock: Clock,
    ) -> None:
        super().__init__(post, clock)
        self._client = client
        self._configuration = configuration
        self._tags = [(tag, tag.node_id) for tag in tags if tag.node_id is not None]
        self._nodes: dict[str, Any] = {}
        self._tag_nodes: list[Any] = []
        self._belt_speed_mps: float | None = None
        self._histories = {name: RegisterHistory() for name in PART_TEXT_NODES}
        self._intervals: SubscriptionIntervals | None = None
        self._unposted: list[_CounterNotification] = []
        self._last_counter: int | None = None
        self._unreported_since_ns: int | None = None
        self._is_readable = True
        self._was_readable = True  # at all times since it was told last
        self._echo_seen = False
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        """Find the nodes, see where the strobe stands, subscribe; posts `LinkUp` first of all."""
        namespaces = await self._client.get_namespace_array()
        nodes = self._configuration.nodes
        self._nodes = {
            name: self._client.get_node(parse_node_id(getattr(nodes, name), namespaces))
            for name in PlcNodes.__struct_fields__
            if getattr(nodes, name) is not None
        }
        self._tag_nodes = [
            self._client.get_node(parse_node_id(node_id, namespaces)) for _, node_id in self._tags
        ]
        strobe, beat = await self._read("verdict_strobe", "heartbeat")
        self._strobe = parse_whole_number(self._describe_node("verdict_strobe"), strobe)
        self._heartbeat = parse_whole_number(self._describe_node("heartbeat"), beat)
        await self._read_counter()
        self._post_link_up()
        await self._subscribe()

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        """The client calls this for each change, in order; it would say nothing of an error here."""
        try:
            self._handle_change(node, value, data.monitored_item.Value)
        except Exception as error:
            log.exception("a change that cannot be used")
            self._mark_lost(f"the PLC reports a value of {node} that cannot be used: {error}")

    def _handle_change(self, node: Any, value: Any, changed: Any) -> None:
        received_ns = self._clock.monotonic_ns()
        if node == self._nodes["part_counter"]:
            self._handle_counter(changed, received_ns)
            return
        if (
            self._record_part_text(node, value, changed, received_ns)
            or value is None
            or not _is_good(changed)
        ):
            return
        if node == self._nodes["belt_speed"]:
            self._belt_speed_mps = parse_speed(value)
        elif node == self._nodes["verdict_echo"]:
            if self._echo_seen:  # the first is where the register stood
                self._post(
                    VerdictEchoed(parse_whole_number(self._describe_node("verdict_echo"), value))
                )
            self._echo_seen = True
        elif node == self._nodes["line_stop"]:
            self._post(LineStopSeen(bool(value)))
        else:
            self.requests.request_outcomes()

    def _handle_counter(self, changed: Any, received_ns: int) -> None:
        counter = self._accept_counter(changed)
        if counter is None:
            return
        was_readable, self._was_readable = self._was_readable, True
        source_utc_ns = to_utc_ns(changed.SourceTimestamp)
        if not self._unposted:  # told after all that came in the same answer of the server
            asyncio.get_running_loop().call_soon(self._post_counters)
        self._unposted.append(
            _CounterNotification(counter, source_utc_ns, received_ns, was_readable)
        )

    def _accept_counter(self, data: Any) -> int | None:
        """The counter that was read or told; None, with a fault, where that is none."""
        try:
            if not _is_good(data):
                raise MachineLinkError(f"its status is {data.StatusCode.name}")
            counter = parse_counter(data.Value.Value if data.Value is not None else None)
        except MachineLinkError as error:
            self._is_readable = self._was_readable = False
            text = (
                f"The part counter {self._describe_node('part_counter')} is unreadable: {error}. No part is "
                "triggered, and all are missed and rejected, until the PLC reports it again."
            )
            self._post(LinkFault(COUNTER_UNREADABLE, text))
            return None
        if not self._is_readable:
            self._is_readable = True
            self._post(LinkFault(COUNTER_UNREADABLE, ""))
        return counter

    def _record_part_text(self, node: Any, value: Any, changed: Any, received_ns: int) -> bool:
        """Product or lot; one that cannot be read is told as such, and no product is called so."""
        for name in PART_TEXT_NODES:
            if node == self._nodes.get(name):
                known = value if value is not None and _is_good(changed) else UNREADABLE_TEXT
                self._histories[name].record(known, to_utc_ns(changed.SourceTimestamp), received_ns)
                return True
        return False

    def _post_counters(self) -> None:
        counted, self._unposted = self._unposted, []
        self._unreported_since_ns = None
        for one in counted:
            last, self._last_counter = self._last_counter, one.counter
            if last is not None and step_between(last, one.counter) == "restart":
                self._begin_count()
            counted_utc_ns = one.source_utc_ns or self._clock.utc_ns()
            product, lot = (
                self._histories[name].value_at(counted_utc_ns, one.received_ns)
                for name in PART_TEXT_NODES
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

    def _delay_ms(self, counted: "_CounterNotification") -> float:
        samples_slowly = self._intervals is not None and self._intervals.samples_slowly
        delay_ns = self._trigger_age.record_count(
            counted.counter,
            counted.source_utc_ns or None,
            counted.received_ns,
            trusts_time=counted.was_readable and not samples_slowly,
        )
        return round(delay_ns / 1e6, 3)

    def status_change_notification(self, notification: Any) -> None:
        """The client calls this when the subscription ended on the server, or with the connection."""
        self._mark_lost(f"the PLC ended the subscription: {notification}")

    def _mark_lost(self, reason: str) -> None:
        if not self._lost.done():
            self._lost.set_result(reason)

    async def _subscribe(self) -> None:
        names = [name for name in (*PART_TEXT_NODES, *SUBSCRIBED_NODES) if name in self._nodes]
        subscribed = OpcuaSubscription(
            self._client, self, self._configuration.publishing_interval_ms
        )
        nodes = [self._nodes[name] for name in names]
        self._intervals, results = await subscribed.open(nodes, names.index("part_counter"))
        for name, result in zip(names, results, strict=True):
            if isinstance(result, ua.StatusCode):
                raise MachineLinkError(
                    f"the PLC refuses {self._describe_node(name)}: {result.name}"
                )
        if self._intervals.are_slow:
            self._post(LinkFault(SLOW_SUBSCRIPTION, self._intervals.describe()))

    async def _watch_counter(self) -> None:
        """Read the counter besides, so that a part told late is known to be late, and a lost one lost."""
        while True:
            often = self._trigger_age.needs_reads(self._clock.monotonic_ns())
            await asyncio.sleep(FAST_READ_INTERVAL_S if often else SLOW_READ_INTERVAL_S)
            await self._read_counter()

    async def _read_counter(self) -> None:
        sent_ns = self._clock.monotonic_ns()
        (data,) = await self._client.read_attributes([self._nodes["part_counter"]])
        self._record_counter_read(data, sent_ns)

    def _record_counter_read(self, data: Any, sent_ns: int) -> int | None:
        answered_ns = self._clock.monotonic_ns()
        counter = self._accept_counter(data)
        if counter is None:
            return None
        self._trigger_age.record_read(counter, sent_ns, answered_ns)
        if self._last_counter is None or counter == self._last_counter or self._unposted:
            self._unreported_since_ns = None
        elif self._unreported_since_ns is None:
            self._unreported_since_ns = answered_ns
        else:
            self._check_for_silence(counter, answered_ns - self._unreported_since_ns)
        return counter

    def _check_for_silence(self, counter: int, silent_ns: int) -> None:
        publishing_ms = self._intervals.publishing_ms if self._intervals is not None else 0.0
        if silent_ns > max(MAX_NOTIFICATION_SILENCE_NS, 3e6 * publishing_ms):
            raise MachineLinkError(
                f"the PLC's counter reads {counter}, but its subscription has reported only "
                f"{self._last_counter} for {silent_ns / 1e9:.0f} s; connecting again"
            )

    async def _read_tags(self) -> None:
        nodes = [self._nodes["part_counter"], *self._tag_nodes]
        sent_ns = self._clock.monotonic_ns()
        counter, *readings = await self._client.read_attributes(nodes)
        now = self._clock.utc_ns()
        samples = tuple(
            build_opcua_sample(tag, data, now)
            for (tag, _), data in zip(self._tags, readings, strict=True)
        )
        counted = self._record_counter_read(counter, sent_ns)
        self._post(TagsRead(samples, counted, to_utc_ns(counter.SourceTimestamp) or now))

    async def _read_outcomes(self) -> None:
        before, *columns, after = await self._read(
            "outcome_counter", *OUTCOME_NODES, "outcome_counter"
        )
        if before != after:  # the PLC wrote meanwhile; look again
            self.requests.request_outcomes()
            return
        numbers, actions, times, causes = (list(column or ()) for column in columns)
        told = parse_whole_number(self._describe_node("outcome_counter"), after)
        self._post(OutcomesRead(told, build_gate_records(numbers, actions, times, causes)))

    async def _wait_for_loss(self) -> None:
        raise MachineLinkError(await self._lost)

    async def _read(self, *names: str) -> list[Any]:
        readings = await self._client.read_attributes([self._nodes[name] for name in names])
        for name, data in zip(names, readings, strict=True):
            if not data.StatusCode.is_good():
                raise MachineLinkError(
                    f"cannot read {self._describe_node(name)}: {data.StatusCode.name}"
                )
        return [data.Value.Value for data in readings]

    async def _write(self, **values: int) -> None:
        nodes = [self._nodes[name] for name in values]
        written = [ua.Variant(value, WRITTEN_TYPES[name]) for name, value in values.items()]
        try:
            await self._client.write_values(nodes, written)
        except ua.UaStatusCodeError as error:
            where = " or ".join(self._describe_node(name) for name in values)
            raise MachineLinkError(f"cannot write {where}: {error}") from error

    def _describe_node(self, name: str) -> str:
        return f"{name} ({getattr(self._configuration.nodes, name)})"


def _is_good(data: Any) -> bool:
    return data.StatusCode is None or bool(data.StatusCode.is_good())
