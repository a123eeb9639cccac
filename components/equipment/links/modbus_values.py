"""Modbus registers (16 bits each) to values and back: types, word order, scaling."""

import struct
from collections.abc import Sequence

from equipment.configuration import TagConfiguration
from equipment.links.link import ConfirmationRecord, GateRecord
from equipment.links.modbus_configuration import ModbusRegister, RegisterType, WordOrder
from equipment.links.register_codes import (
    build_confirmations,
    build_gate_records,
    check_reading,
)
from sightline.errors import MachineLinkError
from sightline.messaging.messages import TagQuality, TagSample

STRUCT_FORMATS: dict[RegisterType, str] = {
    "bool": "H",
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
OUTCOME_WORDS = 8  # number (2), time (4), action, cause
OUTCOME_SLOT_COUNT = 64


def count_words(kind: RegisterType) -> int:
    """How many registers a value of a type takes."""
    return struct.calcsize(">" + STRUCT_FORMATS[kind]) // 2


def decode_registers(
    kind: RegisterType, words: Sequence[int], order: WordOrder
) -> float | int | bool:
    """The value in so many registers; each register has its high byte first, always."""
    in_order = words if order == "high-first" else tuple(reversed(words))
    (value,) = struct.unpack(">" + STRUCT_FORMATS[kind], struct.pack(f">{len(words)}H", *in_order))
    return bool(value) if kind == "bool" else value


def encode_registers(kind: RegisterType, value: float, order: WordOrder) -> list[int]:
    """The registers that hold a value."""
    packed = struct.pack(">" + STRUCT_FORMATS[kind], value)
    words = list(struct.unpack(f">{len(packed) // 2}H", packed))
    return words if order == "high-first" else words[::-1]


def decode_text(words: Sequence[int]) -> str:
    """Text of two characters a register, the first in the high byte; it ends at the first 0."""
    characters = b"".join(word.to_bytes(2, "big") for word in words).split(b"\0")[0]
    return characters.decode("ascii", errors="replace").strip()


def build_modbus_sample(
    tag: TagConfiguration,
    register: ModbusRegister,
    words: Sequence[int] | TagQuality,
    order: WordOrder,
    read_utc_ns: int,
) -> TagSample:
    """A tag's reading, scaled; `words` is a quality where there was nothing to read."""
    value: float | bool | None = None
    if isinstance(words, str):
        quality: TagQuality = words
    else:
        raw = decode_registers(register.type, words, order)
        if isinstance(raw, bool):
            value, quality = raw, "good"
        else:
            value, quality = check_reading(tag, raw * register.scale + register.offset)
    return TagSample(
        tag=tag.tag, value=value, unit=tag.unit, quality=quality, source_utc_ns=read_utc_ns
    )


def find_outcome_slots(known: int, counter: int) -> list[int]:
    """The ring's slots, oldest first, that hold the outcomes after the `known`th up to the `counter`th."""
    first = max(known, counter - OUTCOME_SLOT_COUNT)
    return [number % OUTCOME_SLOT_COUNT for number in range(first, counter)]


def count_overwritten_slots(counter: int, slots: int, after: int) -> int:
    """How many of the oldest slots, read up to the `counter`th, may hold later outcomes by now.

    So many were written `after`, and one more may be half written: its counter comes last.
    """
    if after == counter:
        return 0
    first = counter - slots  # outcomes ever before the oldest slot
    return max(0, after + 1 - OUTCOME_SLOT_COUNT - first)


def decode_outcomes(slots: Sequence[Sequence[int]], order: WordOrder) -> tuple[GateRecord, ...]:
    """The slots' registers as records; MachineLinkError if an action is unknown."""
    if any(len(slot) != OUTCOME_WORDS for slot in slots):
        raise MachineLinkError(
            f"an outcome has {OUTCOME_WORDS} registers; the PLC sent another number"
        )
    return build_gate_records(
        [int(decode_registers("uint32", slot[0:2], order)) for slot in slots],
        [slot[6] for slot in slots],
        [int(decode_registers("uint64", slot[2:6], order)) for slot in slots],
        [slot[7] for slot in slots],
    )


def decode_confirmations(
    slots: Sequence[Sequence[int]], order: WordOrder
) -> tuple[ConfirmationRecord, ...]:
    """The slots' registers as records, laid out as the outcomes' are; the last register is spare."""
    return build_confirmations(
        [int(decode_registers("uint32", slot[0:2], order)) for slot in slots],
        [int(decode_registers("uint64", slot[2:6], order)) for slot in slots],
        [slot[6] for slot in slots],
    )
