"""The types that the PLC gave its nodes, and the station's whole numbers in them."""

from dataclasses import dataclass
from typing import Any

from asyncua import Client, ua
from asyncua.common.ua_utils import data_type_to_variant_type

from sightline.errors import MachineLinkError

Kind = ua.VariantType
LIMITS: dict[Any, tuple[int, int]] = {
    Kind.Boolean: (0, 1),
    Kind.SByte: (-(2**7), 2**7 - 1),
    Kind.Byte: (0, 2**8 - 1),
    Kind.Int16: (-(2**15), 2**15 - 1),
    Kind.UInt16: (0, 2**16 - 1),
    Kind.Int32: (-(2**31), 2**31 - 1),
    Kind.UInt32: (0, 2**32 - 1),
    Kind.Int64: (-(2**63), 2**63 - 1),
    Kind.UInt64: (0, 2**64 - 1),
    Kind.Float: (0, 2**24 - 1),  # whole numbers that it holds exactly
    Kind.Double: (0, 2**32 - 1),
}


@dataclass(frozen=True)
class NodeType:
    """The type of a node that the station writes whole numbers to."""

    kind: Any

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the greatest number that a node of this type holds exactly."""
        return LIMITS[self.kind]

    @property
    def is_signed(self) -> bool:
        """Whether it has numbers below 0, so that a counter of this type goes on there."""
        return self.limits[0] < 0

    def holds(self, number: int) -> bool:
        """Whether a number can be written as it is."""
        lowest, highest = self.limits
        return lowest <= number <= highest

    def wrap(self, number: int) -> int:
        """A number that only has to change each time, as a counter of this type counts it."""
        lowest, highest = self.limits
        size = highest - lowest + 1
        rest = number % size
        return rest if rest <= highest else rest - size

    def encode(self, number: int) -> Any:
        """A number that it holds, as it is written."""
        if self.kind == Kind.Boolean:
            return ua.Variant(bool(number), self.kind)
        is_real = self.kind in (Kind.Float, Kind.Double)
        return ua.Variant(float(number) if is_real else number, self.kind)

    def describe(self) -> str:
        """The type and its range, for a sentence."""
        lowest, highest = self.limits
        return f"{self.kind.name} ({lowest:,} to {highest:,})"


def find_value_type(where: str, data: Any) -> NodeType | None:
    """The type of the value that a node holds; None if it holds none."""
    variant = data.Value
    if not is_good(data) or variant is None or variant.VariantType == Kind.Null:
        return None
    if variant.is_array or isinstance(variant.Value, list):
        raise MachineLinkError(
            f"{where} is an array; a single number is expected: name one element, or a variable of its own"
        )
    return _check_kind(f"{where} holds {variant.Value!r:.40} and", variant.VariantType)


async def find_data_type(client: Client, where: str, data: Any, default: Any) -> NodeType:
    """The type of a node that holds no value, by its data type; an abstract one leaves the default."""
    data_type = data.Value.Value if is_good(data) and data.Value is not None else None
    if not isinstance(data_type, ua.NodeId) or data_type.is_null():
        return NodeType(default)
    try:
        kind = await data_type_to_variant_type(client.get_node(data_type))
    except (ua.UaError, ValueError):  # a type that the server does not explain
        return NodeType(default)
    return NodeType(default) if kind == Kind.Variant else _check_kind(where, kind)


def _check_kind(where: str, kind: Any) -> NodeType:
    if kind not in LIMITS:
        raise MachineLinkError(
            f"{where} is of type {getattr(kind, 'name', kind)}; the station writes whole numbers: "
            "give it one of the types in docs/plc-handshake.md"
        )
    return NodeType(kind)


def is_good(data: Any) -> bool:
    """Whether a value's status is good; servers leave a good one out."""
    return data.StatusCode is None or bool(data.StatusCode.is_good())
