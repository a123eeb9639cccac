"""Full examples of every message, and strategies that draw any."""

from typing import Any, get_type_hints

import msgspec
from hypothesis import strategies as st

from sightline.messaging.codec import MAX_MESSAGE_BYTES, encode_of_any_size
from sightline.messaging.topics import CATALOGUE

MESSAGE_TYPES: tuple[type[msgspec.Struct], ...] = tuple(
    dict.fromkeys(stream.message for stream in CATALOGUE)
)
MAX_INTEGER = 2**53 - 1


def build_messages(message_type: type[msgspec.Struct]) -> st.SearchStrategy[msgspec.Struct]:
    """Any message of the type that fits into a packet."""
    return build_structs(message_type).filter(
        lambda message: len(encode_of_any_size(message)) <= MAX_MESSAGE_BYTES
    )


def build_structs(struct_type: type[msgspec.Struct]) -> st.SearchStrategy[msgspec.Struct]:
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
    return _build_strategy(described)


def _build_strategy(described: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    inspect = msgspec.inspect
    if isinstance(described, inspect.StructType):
        return build_structs(described.cls)
    if isinstance(described, inspect.VarTupleType):
        return st.lists(_build_strategy(described.item_type), max_size=2).map(tuple)
    if isinstance(described, inspect.TupleType):
        return st.tuples(*(_build_strategy(kind) for kind in described.item_types))
    if isinstance(described, inspect.DictType):
        return st.dictionaries(
            st.text(max_size=8), _build_strategy(described.value_type), max_size=3
        )
    if isinstance(described, inspect.UnionType):
        return st.one_of([_build_strategy(kind) for kind in described.types])
    if isinstance(described, inspect.LiteralType):
        return st.sampled_from(described.values)
    simple: dict[type[msgspec.inspect.Type], st.SearchStrategy[Any]] = {
        inspect.IntType: st.integers(-MAX_INTEGER, MAX_INTEGER),
        inspect.FloatType: st.floats(allow_nan=False, allow_infinity=False),
        inspect.BoolType: st.booleans(),
        inspect.StrType: st.text(max_size=16),
        inspect.NoneType: st.none(),
    }
    return simple[type(described)]
