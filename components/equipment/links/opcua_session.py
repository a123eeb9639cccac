"""One connected session with a PLC: subscription in, registers out; it ends with the first error."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from asyncua import Client, ua

from equipment.configuration import TagConfiguration
from equipment.links.counter_steps import step_between
from equipment.links.link import (
    BinFullSeen,
    ConfirmationsRead,
    CounterSeen,
    LineStopSeen,
    LinkFault,
    OutcomesRead,
    TagsRead,
    VerdictEchoed,
)
from equipment.links.opcua_configuration import OpcuaConfiguration
from equipment.links.opcua_counter import OpcuaCounter
from equipment.links.opcua_node_types import is_good
from equipment.links.opcua_nodes import OpcuaNodes
from equipment.links.opcua_requests import OpcuaRequests
from equipment.links.opcua_subscription import (
    MAX_INTERVAL_MS,
    QUEUE_OF_ONE,
    SLOW_SUBSCRIPTION,
    OpcuaSubscription,
    SubscriptionIntervals,
)
from equipment.links.opcua_values import (
    build_opcua_sample,
    parse_outcome_column,
    parse_register_number,
    parse_speed,
    to_utc_ns,
)
from equipment.links.plc_session import PlcSession
from equipment.links.register_codes import (
    build_confirmations,
    build_gate_records,
    parse_whole_number,
)
from equipment.links.register_history import UNREADABLE_TEXT, RegisterHistory
from equipment.links.request_queue import ValueDoesNotFitError
from sightline.clock import Clock
from sightline.errors import MachineLinkError

log = logging.getLogger(__name__)
WRAPPING_NODES = ("verdict_strobe", "heartbeat")  # of which only the change counts
FAST_READ_INTERVAL_S = 0.025
SLOW_READ_INTERVAL_S = 0.1
MAX_NOTIFICATION_SILENCE_NS = (
    3_000_000_000  # so long after a read showed a number, its notification is lost
)
SUBSCRIBED_NODES = (
    *("part_counter", "belt_speed", "verdict_echo", "line_stop", "outcome_counter"),
    *("reject_bin_full", "confirmation_counter"),  # where the PLC has them
)
PART_TEXT_NODES = ("product", "lot")
OUTCOME_NODES = ("outcome_numbers", "outcome_actions", "outcome_times", "outcome_causes")
CONFIRMATION_NODES = ("confirmation_numbers", "confirmation_times", "confirmation_results")


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
        self._server = OpcuaRequests(client)
        self._handshake: OpcuaNodes
        self._counter: OpcuaCounter
        self._nodes: dict[str, Any] = {}
        self._tag_nodes: list[Any] = []
        self._belt_speed_mps: float | None = None
        self._histories = {name: RegisterHistory() for name in PART_TEXT_NODES}
        self._intervals: SubscriptionIntervals | None = None
        self._unposted: list[_CounterNotification] = []
        self._last_counter: int | None = None
        self._unreported_since_ns: int | None = None
        self._polled: dict[str, Any] = {}
        self._is_polling = False
        self._echo: int | None = None
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        """Find the nodes, see where the strobe stands, subscribe; posts `LinkUp` first of all."""
        await self._server.learn_limits()
        namespaces = await self._client.get_namespace_array()
        handshake = self._handshake = OpcuaNodes(
            self._client, self._server, self._configuration.nodes, namespaces
        )
        self._nodes = handshake.nodes
        self._counter = OpcuaCounter(handshake.describe("part_counter"), self._post)
        self._tag_nodes = [handshake.find(node_id) for _, node_id in self._tags]
        found = await handshake.check()
        self._strobe = self._parse_start("verdict_strobe", found)
        self._heartbeat = self._parse_start("heartbeat", found)
        await self._read_counter()
        self._post_link_up()
        await self._subscribe()

    def _parse_start(self, name: str, found: Mapping[str, Any]) -> int:
        if not is_good(found[name]):
            raise MachineLinkError(self._handshake.describe_unread(name, found[name]))
        value = found[name].Value.Value if found[name].Value is not None else None
        return parse_register_number(self._handshake.describe(name), value)

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        """The client calls this for each change, in order; it would say nothing of an error here."""
        if self._is_polling:
            return
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
        if node == self._nodes.get("reject_bin_full"):
            is_known = isinstance(value, bool | int) and is_good(changed)
            self._post(BinFullSeen(bool(value) if is_known else None))
            return
        if (
            self._record_part_text(node, value, changed, received_ns)
            or value is None
            or not is_good(changed)
        ):
            return
        if node == self._nodes["belt_speed"]:
            self._belt_speed_mps = parse_speed(value)
        elif node == self._nodes["verdict_echo"]:
            self._handle_echo(parse_whole_number(self._handshake.describe("verdict_echo"), value))
        elif node == self._nodes["line_stop"]:
            asked = parse_register_number(self._handshake.describe("line_stop"), value)
            self._post(LineStopSeen(asked != 0))
        elif node == self._nodes.get("confirmation_counter"):
            self.requests.request_confirmations()
        else:
            self.requests.request_outcomes()

    def _handle_echo(self, number: int) -> None:
        last, self._echo = self._echo, number
        if last is not None and last != number:  # the first is where the register stood
            self._post(VerdictEchoed(number))

    def _handle_counter(self, changed: Any, received_ns: int) -> None:
        counter = self._counter.accept(changed)
        if counter is None:
            return
        was_readable = self._counter.take_readability()
        source_utc_ns = to_utc_ns(changed.SourceTimestamp)
        if not self._unposted:  # told after all that came in the same answer of the server
            asyncio.get_running_loop().call_soon(self._post_counters)
        self._unposted.append(
            _CounterNotification(counter, source_utc_ns, received_ns, was_readable)
        )

    def _record_part_text(self, node: Any, value: Any, changed: Any, received_ns: int) -> bool:
        """Product or lot; one that cannot be read is told as such, and no product is called so."""
        for name in PART_TEXT_NODES:
            if node == self._nodes.get(name):
                known = value if value is not None and is_good(changed) else UNREADABLE_TEXT
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
        if not self._is_polling:
            self._mark_lost(f"the PLC ended the subscription: {notification}")

    def _mark_lost(self, reason: str) -> None:
        if not self._lost.done():
            self._lost.set_result(reason)

    async def _subscribe(self) -> None:
        names = [name for name in (*PART_TEXT_NODES, *SUBSCRIBED_NODES) if name in self._nodes]
        interval_ms = self._configuration.publishing_interval_ms
        subscribed = OpcuaSubscription(self._client, self._server, self, interval_ms)
        try:
            intervals, results = await subscribed.open(
                [self._nodes[name] for name in names], names.index("part_counter")
            )
        except ua.UaStatusCodeError as error:
            await subscribed.close()
            self._poll_instead(f"refuses a subscription ({error})")
            return
        refused = [
            f"{self._handshake.describe(name)}: {result.name}"
            for name, result in zip(names, results, strict=True)
            if isinstance(result, ua.StatusCode)
        ]
        if refused or intervals.are_slow:
            await subscribed.close()
            self._poll_instead(
                f"refuses to report changes of {', '.join(refused)}"
                if refused
                else intervals.describe()
            )
        elif intervals.queue_size == 1:
            log.warning(QUEUE_OF_ONE, extra={"terms": intervals.describe()})
        self._intervals = None if refused else intervals

    def _poll_instead(self, why: str) -> None:
        """Read what would be told: a read is as good as the server's own look, and comes in time."""
        self._is_polling = True
        text = (
            f"The PLC's OPC UA server {why}. So the station reads the counter itself, every "
            f"{self._configuration.publishing_interval_ms:g} ms: of parts counted between two reads only "
            "the last is photographed, the others are missed and rejected. Let the server publish and "
            f"sample every {MAX_INTERVAL_MS:g} ms or faster (its minimum publishing and sampling "
            "intervals), or use Modbus TCP."
        )
        self._post(LinkFault(SLOW_SUBSCRIPTION, text))

    async def _watch_counter(self) -> None:
        """Read the counter besides, so that a part told late is known to be late, and a lost one lost."""
        while True:
            if self._is_polling:
                await self._poll_once()
                await asyncio.sleep(self._configuration.publishing_interval_ms / 1000)
                continue
            often = self._trigger_age.needs_reads(self._clock.monotonic_ns())
            await asyncio.sleep(FAST_READ_INTERVAL_S if often else SLOW_READ_INTERVAL_S)
            await self._read_counter()

    async def _poll_once(self) -> None:
        """All that may have changed; the counter first, so that product and lot are no older than it."""
        others = [name for name in (*SUBSCRIBED_NODES, *PART_TEXT_NODES) if name in self._nodes]
        names = ["part_counter", *(name for name in others if name != "part_counter")]
        sent_ns = self._clock.monotonic_ns()
        readings = await self._server.read([self._nodes[name].nodeid for name in names])
        self._record_counter_read(readings[0], sent_ns)
        for name, data in zip(names, readings, strict=True):
            value = data.Value.Value if data.Value is not None else None
            told = (value, data.StatusCode)
            if self._polled.get(name) != told:
                self._polled[name] = told
                self._handle_change(self._nodes[name], value, data)

    async def _read_counter(self) -> None:
        sent_ns = self._clock.monotonic_ns()
        (data,) = await self._server.read([self._nodes["part_counter"].nodeid])
        self._record_counter_read(data, sent_ns)

    def _record_counter_read(self, data: Any, sent_ns: int) -> int | None:
        answered_ns = self._clock.monotonic_ns()
        counter = self._counter.accept(data)
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
        counter, *readings = await self._server.read([node.nodeid for node in nodes])
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
        numbers, actions, times, causes = (
            parse_outcome_column(self._handshake.describe(name), column)
            for name, column in zip(OUTCOME_NODES, columns, strict=True)
        )
        told = parse_whole_number(self._handshake.describe("outcome_counter"), after)
        self._post(OutcomesRead(told, build_gate_records(numbers, actions, times, causes)))

    async def _read_confirmations(self) -> None:
        if "confirmation_counter" not in self._nodes:
            return
        before, *columns, after = await self._read(
            "confirmation_counter", *CONFIRMATION_NODES, "confirmation_counter"
        )
        if before != after:  # the PLC wrote meanwhile; look again
            self.requests.request_confirmations()
            return
        numbers, times, results = (
            parse_outcome_column(self._handshake.describe(name), column)
            for name, column in zip(CONFIRMATION_NODES, columns, strict=True)
        )
        told = parse_whole_number(self._handshake.describe("confirmation_counter"), after)
        self._post(ConfirmationsRead(told, build_confirmations(numbers, times, results)))

    async def _wait_for_loss(self) -> None:
        raise MachineLinkError(await self._lost)

    async def _read(self, *names: str) -> list[Any]:
        readings = await self._server.read([self._nodes[name].nodeid for name in names])
        for name, data in zip(names, readings, strict=True):
            if not is_good(data):
                raise MachineLinkError(self._handshake.describe_unread(name, data))
        return [data.Value.Value if data.Value is not None else None for data in readings]

    async def _write(self, **values: int) -> None:
        """Write values by their names, in the order given; nothing, if one of them does not fit."""
        written = [
            (self._nodes[name].nodeid, self._encode(name, value)) for name, value in values.items()
        ]
        try:
            statuses = await self._server.write(written)
        except ua.UaStatusCodeError as error:
            where = " or ".join(self._handshake.describe(name) for name in values)
            raise MachineLinkError(f"cannot write {where}: {error}") from error
        for name, status in zip(values, statuses, strict=True):
            if not status.is_good():
                raise MachineLinkError(self._handshake.describe_unwritten(name, status))

    def _encode(self, name: str, value: int) -> Any:
        kind = self._handshake.types[name]
        if name in WRAPPING_NODES:
            return kind.encode(kind.wrap(value))
        if name == "verdict_part_number" and kind.is_signed:
            value = self._counter.as_plc_counts(value)
        if not kind.holds(value):
            raise ValueDoesNotFitError(
                f"{value:,} does not fit {self._handshake.describe(name)}, which is of type "
                f"{kind.describe()}; use UDINT (UInt32) for the part counter and for this variable"
            )
        return kind.encode(value)
