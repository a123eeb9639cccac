"""The PLC's OPC UA nodes, in one namespace; see docs/plc-handshake.md for their meaning."""

import datetime
from dataclasses import dataclass
from typing import Any

from asyncua import Server, ua

from hil.plant.drive_model import MACHINE_TAGS, MachineTag

NAMESPACE = "urn:sightline:plc"
UINT16, UINT32 = ua.VariantType.UInt16, ua.VariantType.UInt32
STRING = ua.VariantType.String
DOUBLE, BOOLEAN, INT64 = ua.VariantType.Double, ua.VariantType.Boolean, ua.VariantType.Int64


@dataclass(frozen=True)
class PlcNode:
    """One variable: identifier, type, value at power-on, and who may write it."""

    name: str
    kind: Any
    initial: object
    written_by_station: bool = False

    @property
    def is_array(self) -> bool:
        """Whether the variable is an array."""
        return isinstance(self.initial, list)


NODES: tuple[PlcNode, ...] = (
    PlcNode("Line.PartCounter", UINT32, 0),
    PlcNode("Line.BeltSpeed", DOUBLE, 0.0),
    PlcNode("Line.Running", BOOLEAN, False),
    PlcNode("Line.Product", UINT16, 0),
    PlcNode("Line.Lot", STRING, ""),
    PlcNode("Station.Heartbeat", UINT32, 0, written_by_station=True),
    PlcNode("Station.LineStop", UINT16, 0, written_by_station=True),
    PlcNode("Station.DryRun", UINT32, 0, written_by_station=True),
    PlcNode("Verdict.PartNumber", UINT32, 0, written_by_station=True),
    PlcNode("Verdict.Code", UINT16, 0, written_by_station=True),
    PlcNode("Verdict.Strobe", UINT32, 0, written_by_station=True),
    PlcNode("Verdict.Echo", UINT32, 0),
    PlcNode("Outcome.Numbers", UINT32, []),
    PlcNode("Outcome.Actions", UINT16, []),
    PlcNode("Outcome.Times", INT64, []),
    PlcNode("Outcome.Causes", UINT16, []),
    PlcNode("Outcome.Counter", UINT32, 0),
    PlcNode("Confirmation.Numbers", UINT32, []),
    PlcNode("Confirmation.Times", INT64, []),
    PlcNode("Confirmation.Results", UINT16, []),
    PlcNode("Confirmation.Counter", UINT32, 0),
    PlcNode("Reject.BinFull", BOOLEAN, False),
    *(PlcNode(tag.node, DOUBLE, 0.0) for tag in MACHINE_TAGS),
)


class PlcAddressSpace:
    """The server's nodes, by name: write, read, remove and restore."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._index = 0
        self._rows = {row.name: row for row in NODES}
        self._removed: set[str] = set()
        self._parent: Any = None

    async def create(self) -> None:
        """Create all nodes, with engineering units where they have any."""
        self._index = await self._server.register_namespace(NAMESPACE)
        objects = self._server.nodes.objects
        self._parent = await objects.add_object(ua.NodeId("Plc", self._index), "Plc")
        for row in NODES:
            await self._add(row)

    def node_id(self, name: str) -> Any:
        """The node's id in this server."""
        return ua.NodeId(name, self._index)

    async def write(self, name: str, value: object, source_utc_ns: int) -> None:
        """Set a variable with its source time; ignored while the variable is removed."""
        if name not in self._removed:
            data = _data_value(self._rows[name], value, source_utc_ns)
            await self._server.write_attribute_value(self.node_id(name), data)

    def read(self, name: str) -> Any:
        """A variable's value."""
        return self._server.read_attribute_value(self.node_id(name)).Value.Value

    async def remove_node(self, name: str) -> None:
        """Remove a variable, as if the PLC's program no longer had it."""
        if name not in self._removed:
            self._removed.add(name)
            await self._server.delete_nodes([self._server.get_node(self.node_id(name))])

    async def restore_node(self, name: str) -> None:
        """Undo `remove_node`."""
        if name in self._removed:
            self._removed.discard(name)
            await self._add(self._rows[name])

    async def _add(self, row: PlcNode) -> None:
        variant = ua.Variant(row.initial, row.kind, is_array=row.is_array)
        variable = await self._parent.add_variable(
            self.node_id(row.name), f"{self._index}:{row.name}", variant, row.kind
        )
        if row.written_by_station:
            await variable.set_writable()
        for tag in MACHINE_TAGS:
            if tag.node == row.name:
                await _add_units(variable, tag, self._index)


async def _add_units(variable: Any, tag: MachineTag, index: int) -> None:
    units = ua.EUInformation(DisplayName=ua.LocalizedText(tag.unit))
    limits = ua.Range(Low=tag.normal_low, High=tag.normal_high)
    await variable.add_property(index, "EngineeringUnits", units)
    await variable.add_property(index, "NormalRange", limits)


def _data_value(row: PlcNode, value: object, source_utc_ns: int) -> Any:
    source = datetime.datetime.fromtimestamp(source_utc_ns / 1e9, datetime.timezone.utc)
    variant = ua.Variant(value, row.kind, is_array=row.is_array)
    return ua.DataValue(variant, SourceTimestamp=source)
