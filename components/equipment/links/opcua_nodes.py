"""The nodes of the hand-shake in the PLC's server: found, typed, and named in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from asyncua import Client, ua

from equipment.links.opcua_configuration import PlcNodes
from equipment.links.opcua_node_types import (
    Kind,
    NodeType,
    find_data_type,
    find_value_type,
    is_good,
)
from equipment.links.opcua_requests import OpcuaRequests
from equipment.links.opcua_values import MISSING_CODES, parse_node_id
from sightline.errors import MachineLinkError

WRITTEN_KINDS: dict[str, Any] = {  # where the server tells no type
    "verdict_part_number": Kind.UInt32,
    "verdict_code": Kind.UInt16,
    "verdict_strobe": Kind.UInt32,
    "heartbeat": Kind.UInt32,
    "line_stop": Kind.UInt16,
    "dry_run": Kind.UInt32,
}
MUST_HOLD = {
    "verdict_part_number": (127, "part numbers"),
    "verdict_code": (5, "the verdict codes 1 to 5"),
}
READ_ADVICE = {
    ua.StatusCodes.BadUserAccessDenied: (
        "let the PLC's server show it to the station's user (link/opcua/user)"
    ),
    ua.StatusCodes.BadNotReadable: "make it readable over OPC UA in the PLC's project",
}
WRITE_ADVICE = {
    ua.StatusCodes.BadUserAccessDenied: (
        "make it writable over OPC UA in the PLC's project, for the station's user (link/opcua/user)"
    ),
    ua.StatusCodes.BadNotWritable: "make it writable over OPC UA in the PLC's project",
    ua.StatusCodes.BadTypeMismatch: "give it one of the types in docs/plc-handshake.md",
    ua.StatusCodes.BadOutOfRange: "let the PLC take every value of docs/plc-handshake.md",
}


class OpcuaNodes:
    """What a session knows of the nodes; `types` are those that the station writes."""

    def __init__(
        self, client: Client, requests: OpcuaRequests, names: PlcNodes, namespaces: Sequence[str]
    ) -> None:
        self._client = client
        self._requests = requests
        self._names = names
        self._namespaces = namespaces
        self.types: dict[str, NodeType] = {}
        self.nodes: dict[str, Any] = {
            name: self.find(getattr(names, name))
            for name in PlcNodes.__struct_fields__
            if getattr(names, name) is not None
        }

    def find(self, text: str) -> Any:
        """The node that a text of the configuration names."""
        return self._client.get_node(parse_node_id(text, self._namespaces))

    def describe(self, name: str) -> str:
        """A node of the hand-shake, for a sentence."""
        return f"{name} ({getattr(self._names, name)})"

    async def check(self) -> dict[str, Any]:
        """Read all nodes once: each must be there, and those that are written of a type that can be."""
        answers = await self._requests.read([node.nodeid for node in self.nodes.values()])
        found = dict(zip(self.nodes, answers, strict=True))
        unknown = [name for name, data in found.items() if _is_unknown(data)]
        if unknown:
            raise MachineLinkError(self._describe_unknown(unknown))
        await self._find_types(found)
        return found

    async def _find_types(self, found: Mapping[str, Any]) -> None:
        names = [name for name in WRITTEN_KINDS if name in self.nodes]
        data_types = await self._requests.read(
            [self.nodes[name].nodeid for name in names], ua.AttributeIds.DataType
        )
        for name, data_type in zip(names, data_types, strict=True):
            where = self.describe(name)
            kind = find_value_type(where, found[name]) or await find_data_type(
                self._client, where, data_type, WRITTEN_KINDS[name]
            )
            highest, what = MUST_HOLD.get(name, (0, ""))
            if not kind.holds(highest):
                raise MachineLinkError(
                    f"{where} is of type {kind.describe()}, which cannot hold {what}; "
                    "give it the type in docs/plc-handshake.md"
                )
            self.types[name] = kind

    def _describe_unknown(self, names: Sequence[str]) -> str:
        spaces = ", ".join(f"{index} {uri}" for index, uri in enumerate(self._namespaces))
        return (
            f"the PLC's server has no {', '.join(self.describe(name) for name in names)}; "
            f"its namespaces are {spaces}. Copy each node id from an OPC UA browser into "
            "link/opcua/nodes, and let the PLC's project show these variables over OPC UA"
        )

    def describe_unread(self, name: str, data: Any) -> str:
        """Why a node's value cannot be used."""
        return _with_advice(f"cannot read {self.describe(name)}", data.StatusCode, READ_ADVICE)

    def describe_unwritten(self, name: str, status: Any) -> str:
        """Why a node was not written."""
        what = f"cannot write {self.describe(name)} as {self.types[name].kind.name}"
        return _with_advice(what, status, WRITE_ADVICE)


def _with_advice(what: str, status: Any, advice: Mapping[int, str]) -> str:
    known = advice.get(status.value)
    return f"{what}: {status.name}" + (f"; {known}" if known else f" ({status.doc})")


def _is_unknown(data: Any) -> bool:
    return not is_good(data) and data.StatusCode.value in MISSING_CODES
