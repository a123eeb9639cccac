"""One connected session with a PLC: subscription in, registers out; it ends with the first error."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

from asyncua import Client, ua

from equipment.configuration import TagConfiguration
from equipment.links.asked import Asked, run_until_one_ends
from equipment.links.codes import UINT32 as UINT32_VALUES
from equipment.links.codes import VERDICT_CODES, records_of, whole_number_of
from equipment.links.link import (
    Beat,
    CounterSeen,
    LineStopSeen,
    LinkUp,
    OutcomesRead,
    ReadOutcomes,
    ReadTags,
    StopLine,
    TagsRead,
    VerdictEchoed,
    VerdictOrder,
)
from equipment.links.opcua_configuration import OpcuaConfiguration, PlcNodes
from equipment.links.opcua_values import node_id_of, sample_of, utc_ns_of
from equipment.links.told import UNREADABLE, Told
from sightline.clock import Clock
from sightline.errors import MachineLinkError

UINT16, UINT32 = ua.VariantType.UInt16, ua.VariantType.UInt32
QUEUE_SIZE = 10_000  # changes that the server keeps for one publishing interval
KEEP_ALIVE_S = 3.0
LIFETIME_S = 30.0
SUBSCRIBED = ("part_counter", "belt_speed", "verdict_echo", "line_stop", "outcome_counter")
TOLD_OF_PARTS = ("product", "lot")
OUTCOMES = ("outcome_numbers", "outcome_actions", "outcome_times", "outcome_causes")


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
        self._counted: list[tuple[int, int, int]] = []
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
        self._post(LinkUp(self._clock.monotonic_ns()))
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
            self._wait_for_loss(),
        )

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        """The client calls this for each change, in order."""
        received_ns = self._clock.monotonic_ns()
        changed = data.monitored_item.Value
        if self._takes_told(node, value, changed) or value is None or not _is_good(changed):
            return
        if node == self._nodes["part_counter"]:
            counted_utc_ns = utc_ns_of(changed.SourceTimestamp) or self._clock.utc_ns()
            if not self._counted:  # told after all that came in the same answer of the server
                asyncio.get_running_loop().call_soon(self._tell_counted)
            self._counted.append((int(value), counted_utc_ns, received_ns))
        elif node == self._nodes["belt_speed"]:
            self._belt_speed_mps = float(value) if math.isfinite(value) else None
        elif node == self._nodes["verdict_echo"]:
            if self._echo_seen:  # the first is where the register stood
                self._post(VerdictEchoed(int(value)))
            self._echo_seen = True
        elif node == self._nodes["line_stop"]:
            self._post(LineStopSeen(bool(value)))
        else:
            self.asked.want_outcomes()

    def _takes_told(self, node: Any, value: Any, changed: Any) -> bool:
        """Product or lot; one that cannot be read is told as such, and no product is called so."""
        for name in TOLD_OF_PARTS:
            if node == self._nodes.get(name):
                known = value if value is not None and _is_good(changed) else UNREADABLE
                self._told[name].put(known, utc_ns_of(changed.SourceTimestamp))
                return True
        return False

    def _tell_counted(self) -> None:
        counted, self._counted = self._counted, []
        for counter, counted_utc_ns, received_ns in counted:
            product, lot = (self._told[name].at(counted_utc_ns) for name in TOLD_OF_PARTS)
            self._post(
                CounterSeen(
                    counter, counted_utc_ns, received_ns, self._belt_speed_mps, product, lot
                )
            )

    def status_change_notification(self, notification: Any) -> None:
        """The client calls this when the subscription ended on the server, or with the connection."""
        if not self._lost.done():
            self._lost.set_result(f"the PLC ended the subscription: {notification}")

    async def _subscribe(self) -> None:
        interval_ms = self._configuration.publishing_interval_ms
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=interval_ms,
            RequestedLifetimeCount=round(LIFETIME_S * 1000 / interval_ms),
            RequestedMaxKeepAliveCount=round(KEEP_ALIVE_S * 1000 / interval_ms),
            MaxNotificationsPerPublish=0,
            PublishingEnabled=True,
        )
        subscription = await self._client.create_subscription(parameters, self)
        names = [name for name in (*TOLD_OF_PARTS, *SUBSCRIBED) if name in self._nodes]
        results = await subscription.subscribe_data_change(
            [self._nodes[name] for name in names], queuesize=QUEUE_SIZE
        )
        for name, result in zip(names, results, strict=True):
            if isinstance(result, ua.StatusCode):
                raise MachineLinkError(f"the PLC refuses {self._where(name)}: {result.name}")

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
        counter, *readings = await self._client.read_attributes(nodes)
        now = self._clock.utc_ns()
        samples = tuple(
            sample_of(tag, data, now) for (tag, _), data in zip(self._tags, readings, strict=True)
        )
        counted = None
        if _is_good(counter) and counter.Value.Value is not None:
            counted = whole_number_of(self._where("part_counter"), counter.Value.Value)
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
