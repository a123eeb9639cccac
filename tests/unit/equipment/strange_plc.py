"""A real OPC UA server that does what servers in the field do: other types, limits, refusals."""

import contextlib
import datetime
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from asyncua import Server, ua

from hil.plant.address_space import NODES
from tests.faults.plc_and_equipment import RunningEquipment, wait_for
from tests.unit.equipment.odd_plc import OddPlc

Kind = ua.VariantType
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
Refuse = Callable[[Sequence[Any]], bool]
Types = Mapping[str, tuple[Any, object]]
Prepare = Callable[["StrangePlc"], object]
OPERATION_LIMITS = {
    "read": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    "write": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerWrite,
    "monitor": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
}


class StrangePlc(OddPlc):
    """A server that is made odd for each test anew: starting one takes seconds."""

    def __init__(
        self,
        build: Callable[[], Server] = Server,
        named_endpoint: str = OddPlc.named_endpoint,
    ) -> None:
        self._build = build
        self.named_endpoint = named_endpoint
        self._kinds: dict[str, Any] = {}
        self.requests: list[tuple[str, int]] = []
        self.source_times = True
        self.year: int | None = None
        self._vendor_types = 0
        self.server: Any = None
        super().__init__()

    def _build_server(self) -> Any:
        self.server = self._build()
        return self.server

    def become(self, types: Types | None = None, prepare: Prepare | None = None) -> None:
        """Be as at power-on, then odd: `types` has a node's type and its first value."""
        self._undo_oddities()
        changed = types or {}
        self._kinds = {}
        for row in NODES:
            kind, initial = changed.get(row.name, (row.kind, row.initial))
            self._kinds[row.name] = kind
            self.set_data_type(row.name, ua.NodeId(kind.value))
            variant = ua.Variant(initial, kind, is_array=isinstance(initial, list))
            self._do(self._put(self.node_id(row.name), ua.DataValue(variant)))
        self.written.clear()
        self.requests.clear()
        if prepare is not None:
            prepare(self)
        self._count_requests()  # the refused ones, too

    def _undo_oddities(self) -> None:
        inner = self.server.iserver
        for place, names in (
            (inner.attribute_service, ("read", "write")),
            (inner.subscription_service, ("create_subscription", "create_monitored_items")),
            (inner, ("create_session",)),
        ):
            for name in names:
                place.__dict__.pop(name, None)
        inner.max_monitored_item_queue_size = 10_000
        self.source_times, self.year = True, None
        for number in OPERATION_LIMITS.values():
            self.tell_limit(number, 0)
        for row in NODES:
            self._do(self._nodes.restore_node(row.name))

    def node_id(self, name: str) -> Any:
        """The id of a node."""
        return self._nodes.node_id(name)

    def count(self, value: object) -> None:
        """The PLC counts a part."""
        kind = self._kinds["Line.PartCounter"]
        if self.source_times:
            self.put("Line.PartCounter", value, kind, year=self.year)
        else:
            data = ua.DataValue(ua.Variant(value, kind))
            self._do(self._put(self.node_id("Line.PartCounter"), data))

    def report_outcome(self, number: object, acted_utc_ns: int, total: int = 1) -> None:
        """The PLC reports a part as passed, among places that are not filled yet."""
        columns = {"Numbers": (number, 0), "Actions": (1, 0), "Causes": (0, 0)}
        for column, values in columns.items():
            name = f"Outcome.{column}"
            self.put(name, [self._cast(name, value) for value in values], self._kinds[name])
        times: list[object] = [acted_utc_ns, 0]
        if self._kinds["Outcome.Times"] == Kind.DateTime:
            acted = EPOCH + datetime.timedelta(microseconds=acted_utc_ns // 1000)
            times = [acted, datetime.datetime(1601, 1, 1)]
        self.put("Outcome.Times", times, self._kinds["Outcome.Times"])
        counter = self._cast("Outcome.Counter", total)
        self.put("Outcome.Counter", counter, self._kinds["Outcome.Counter"])

    def _cast(self, name: str, value: Any) -> object:
        return float(value) if self._kinds[name] in (Kind.Float, Kind.Double) else int(value)

    def _count_requests(self) -> None:
        """Note how many nodes each request of a client names."""
        service = self.server.iserver.attribute_service
        read, write = service.read, service.write

        def counted_read(parameters: Any, *more: Any, **named: Any) -> Any:
            self.requests.append(("read", len(parameters.NodesToRead)))
            return read(parameters, *more, **named)

        async def counted_write(parameters: Any, *more: Any, **named: Any) -> Any:
            self.requests.append(("write", len(parameters.NodesToWrite)))
            return await write(parameters, *more, **named)

        service.read, service.write = counted_read, counted_write

    def refuse_reads(self, status: int, refuses: Refuse) -> None:
        """Refuse requests to read whose items are so."""
        service = self.server.iserver.attribute_service
        plain = service.read

        def read(parameters: Any, *more: Any, **named: Any) -> Any:
            if refuses(parameters.NodesToRead):
                raise ua.UaStatusCodeError(status)
            return plain(parameters, *more, **named)

        service.read = read

    def refuse_writes(self, status: int, refuses: Refuse) -> None:
        """Refuse requests to write whose items are so."""
        service = self.server.iserver.attribute_service
        plain = service.write

        async def write(parameters: Any, *more: Any, **named: Any) -> Any:
            if refuses(parameters.NodesToWrite):
                raise ua.UaStatusCodeError(status)
            return await plain(parameters, *more, **named)

        service.write = write

    def refuse_each_write(self, status: int, refuses: Callable[[Any], bool]) -> None:
        """Refuse single values of a request to write."""
        service = self.server.iserver.attribute_service
        plain = service.write

        async def write(parameters: Any, *more: Any, **named: Any) -> Any:
            wrong = [
                item.NodeId.NamespaceIndex == self.node_id("").NamespaceIndex and refuses(item)
                for item in parameters.NodesToWrite  # the server writes its own nodes so, too
            ]
            if not any(wrong):
                return await plain(parameters, *more, **named)
            return [ua.StatusCode(status if is_wrong else 0) for is_wrong in wrong]

        service.write = write

    def refuse_monitored_items(self, status: int, refuses: Refuse) -> None:
        """Refuse requests for monitored items that are so."""
        service = self.server.iserver.subscription_service
        plain = service.create_monitored_items

        async def create(parameters: Any) -> Any:
            if refuses(parameters.ItemsToCreate):
                raise ua.UaStatusCodeError(status)
            return await plain(parameters)

        service.create_monitored_items = create

    def refuse_subscriptions(self, status: int) -> None:
        """Have none."""

        async def create(*_: Any, **__: Any) -> Any:
            raise ua.UaStatusCodeError(status)

        self.server.iserver.subscription_service.create_subscription = create

    def publish_every(self, floor_ms: float) -> None:
        """Publish no faster than this, as many do."""
        service = self.server.iserver.subscription_service
        plain = service.create_subscription

        async def create(parameters: Any, *more: Any, **named: Any) -> Any:
            parameters.RequestedPublishingInterval = floor_ms
            return await plain(parameters, *more, **named)

        service.create_subscription = create

    def keep_changes(self, changes: int) -> None:
        """Keep no more changes for each monitored item than this."""
        self.server.iserver.max_monitored_item_queue_size = changes

    def tell_limit(self, number: int, limit: int) -> None:
        """Tell one of the operation limits."""
        node = self.server.iserver.aspace[ua.NodeId(number)]
        value = ua.DataValue(ua.Variant(limit, Kind.UInt32))
        node.attributes[ua.AttributeIds.Value].value = value

    def remove(self, *names: str) -> None:
        """Have no such nodes."""
        for name in names:
            self._do(self._nodes.remove_node(name))

    def add_vendor_type(self, base: int) -> Any:
        """A data type of the vendor's own below a base type; its id."""

        async def add() -> Any:
            self._vendor_types += 1
            name = f"VendorType{self._vendor_types}"
            parent = self.server.get_node(ua.NodeId(base))
            return (await parent.add_data_type(ua.NodeId(name, 2), f"2:{name}")).nodeid

        return self._do(add())

    def answer_fewer_reads(self) -> None:
        """Answer the first node only of each request."""
        service = self.server.iserver.attribute_service
        plain = service.read
        service.read = lambda parameters, *more: plain(parameters, *more)[:1]

    def refuse_sessions(self, status: int) -> None:
        """Open none."""
        plain = self.server.iserver.create_session

        def create(*arguments: Any, **named: Any) -> Any:
            session = plain(*arguments, **named)

            async def refuse(*_: Any, **__: Any) -> Any:
                raise ua.UaStatusCodeError(status)

            session.create_session = refuse
            return session

        self.server.iserver.create_session = create

    def value(self, name: str) -> Any:
        """What a node holds."""
        return self.server.read_attribute_value(self.node_id(name)).Value

    def set_data_type(self, name: str, data_type: Any) -> None:
        """Let a node hold nothing yet, and be of a data type."""
        attributes = self.server.iserver.aspace[self.node_id(name)].attributes
        told = ua.DataValue(ua.Variant(data_type, Kind.NodeId))
        attributes[ua.AttributeIds.DataType].value = told
        attributes[ua.AttributeIds.Value].value = ua.DataValue(ua.Variant(None, Kind.Null))


@contextlib.contextmanager
def strange_plc(
    build: Callable[[], Server] = Server, named_endpoint: str = OddPlc.named_endpoint
) -> Iterator[StrangePlc]:
    """The server while the block runs."""
    plc = StrangePlc(build, named_endpoint)
    try:
        plc.become()
        yield plc
    finally:
        plc.stop()


def takes_a_part_through(
    plc: StrangePlc,
    equipment: RunningEquipment,
    counted: object = 1,
    number: int = 1,
    total: int = 1,
) -> None:
    """A part is triggered, its verdict arrives in order, and its outcome comes back."""
    plc.written.clear()
    plc.count(counted)
    wait_for("the trigger", lambda: has_triggered(equipment, number))
    equipment.judge(number, "ok")
    wait_for("the strobe", lambda: bool(plc.writes("Verdict.Strobe")))
    names = [name for name, _ in plc.writes("Verdict.")]
    assert names == ["Verdict.PartNumber", "Verdict.Code", "Verdict.Strobe"]
    (written,) = [value for name, value in plc.writes("Verdict.PartNumber")]
    assert written == counted, "the PLC's own number of the part"
    (code,) = [value for name, value in plc.writes("Verdict.Code")]
    assert code == 1
    wait_for("heartbeats that change", lambda: len(set(plc.writes("Station.Heartbeat"))) >= 2)
    utc_ns = time.time_ns() // 1000 * 1000
    plc.report_outcome(counted, utc_ns, total)
    wait_for(
        "the outcome", lambda: any(found.part_number == number for found in equipment.gate_acted())
    )
    (found,) = [found for found in equipment.gate_acted() if found.part_number == number]
    assert (found.action, found.acted_utc_ns) == ("passed", utc_ns)
    assert "plc-away" not in equipment.faults()


def has_triggered(equipment: RunningEquipment, number: int) -> bool:
    """Whether the last trigger is this part's."""
    return [trigger.counter for trigger in equipment.triggered()][-1:] == [number]


def has_part_number(plc: StrangePlc, written: int) -> bool:
    """Whether the last verdict is for this number, as the PLC has it."""
    return plc.writes("Verdict.PartNumber")[-1:] == [("Verdict.PartNumber", written)]


def fault_says(equipment: RunningEquipment, code: str, *words: str) -> None:
    """Wait for a fault with all these words."""
    wait_for(
        f"the fault {code} with {words}",
        lambda: all(word in equipment.faults().get(code, "") for word in words),
    )
