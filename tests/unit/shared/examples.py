"""Full examples of every message, and strategies that draw any."""

from typing import Any, get_type_hints

import msgspec
from hypothesis import strategies as st

from sightline.codec import GREATEST_MESSAGE_BYTES, encode_of_any_size
from sightline.topics import CATALOGUE

MESSAGE_TYPES: tuple[type[msgspec.Struct], ...] = tuple(
    dict.fromkeys(stream.message for stream in CATALOGUE)
)
GREATEST_INTEGER = 2**53 - 1


def messages_of(message_type: type[msgspec.Struct]) -> st.SearchStrategy[msgspec.Struct]:
    """Any message of the type that fits into a packet."""
    return any_struct(message_type).filter(
        lambda message: len(encode_of_any_size(message)) <= GREATEST_MESSAGE_BYTES
    )


def any_struct(struct_type: type[msgspec.Struct]) -> st.SearchStrategy[msgspec.Struct]:
    """Any instance of a struct whose fields are of the kinds that messages use."""
    hints = get_type_hints(struct_type)
    fields = {
        field.name: _any_value(hints[field.name])
        for field in msgspec.structs.fields(struct_type)
        if field.name not in ("schema_version", "schemaVersion")
    }
    return st.builds(struct_type, **fields)


def _any_value(hint: Any) -> st.SearchStrategy[Any]:
    described = msgspec.inspect.type_info(hint)
    return _of(described)


def _of(described: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    inspect = msgspec.inspect
    if isinstance(described, inspect.StructType):
        return any_struct(described.cls)
    if isinstance(described, inspect.VarTupleType):
        return st.lists(_of(described.item_type), max_size=2).map(tuple)
    if isinstance(described, inspect.TupleType):
        return st.tuples(*(_of(kind) for kind in described.item_types))
    if isinstance(described, inspect.DictType):
        return st.dictionaries(st.text(max_size=8), _of(described.value_type), max_size=3)
    if isinstance(described, inspect.UnionType):
        return st.one_of([_of(kind) for kind in described.types])
    if isinstance(described, inspect.LiteralType):
        return st.sampled_from(described.values)
    simple: dict[type[msgspec.inspect.Type], st.SearchStrategy[Any]] = {
        inspect.IntType: st.integers(-GREATEST_INTEGER, GREATEST_INTEGER),
        inspect.FloatType: st.floats(allow_nan=False, allow_infinity=False),
        inspect.BoolType: st.booleans(),
        inspect.StrType: st.text(max_size=16),
        inspect.NoneType: st.none(),
    }
    return simple[type(described)]
