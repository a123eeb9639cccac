"""Registers become values and back in either word order, and many are read with few requests."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.configuration import EquipmentConfiguration
from equipment.links.modbus_configuration import (
    ModbusConfiguration,
    ModbusRegister,
    PlcRegisters,
    RegisterType,
    WordOrder,
)
from equipment.links.modbus_requests import MAX_REQUEST_WORDS, RegisterSpan, find_words, merge_spans
from equipment.links.modbus_session import REGISTER_TYPES
from equipment.links.modbus_values import (
    OUTCOME_SLOT_COUNT,
    OUTCOME_WORDS,
    STRUCT_FORMATS,
    count_words,
    decode_outcomes,
    decode_registers,
    encode_registers,
    find_outcome_slots,
)
from hil.plant import gate_outcomes, register_map
from sightline.errors import MachineLinkError

ORDERS = st.sampled_from(["high-first", "low-first"])
WHOLE: dict[RegisterType, tuple[int, int]] = {
    "uint16": (0, 2**16 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "uint32": (0, 2**32 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint64": (0, 2**64 - 1),
}


@given(data=st.data(), order=ORDERS)
def test_every_whole_number_comes_back_as_it_was(data: st.DataObject, order: WordOrder) -> None:
    kind = data.draw(st.sampled_from(sorted(WHOLE)))
    value = data.draw(st.integers(*WHOLE[kind]))
    words = encode_registers(kind, value, order)
    assert len(words) == count_words(kind)
    assert decode_registers(kind, words, order) == value


@given(words=st.lists(st.integers(0, 65_535), min_size=8, max_size=8), order=ORDERS)
def test_any_words_are_some_value_of_every_type(words: list[int], order: WordOrder) -> None:
    for kind in STRUCT_FORMATS:
        value = decode_registers(kind, words[: count_words(kind)], order)
        assert isinstance(value, bool if kind == "bool" else int | float)


@pytest.mark.parametrize(
    ("kind", "order", "words", "value"),
    [
        ("uint32", "high-first", [0x0001, 0x0002], 65_538),
        ("uint32", "low-first", [0x0002, 0x0001], 65_538),
        ("int16", "high-first", [0xFFFF], -1),
        ("float32", "high-first", [0x3FC0, 0x0000], 1.5),
        ("float32", "low-first", [0x0000, 0x3FC0], 1.5),
        ("float64", "low-first", [0, 0, 0, 0x3FF8], 1.5),
        ("bool", "high-first", [2], True),
    ],
)
def test_words_are_read_as_the_order_says(
    kind: RegisterType, order: WordOrder, words: list[int], value: float
) -> None:
    assert decode_registers(kind, words, order) == value


SPANS = st.lists(
    st.builds(
        RegisterSpan,
        st.sampled_from(["holding", "input"]),
        st.integers(0, 700),
        st.integers(1, 8),
    ),
    max_size=60,
)


@given(spans=SPANS)
def test_few_requests_have_every_span_whole_and_none_is_larger_than_modbus_allows(
    spans: list[RegisterSpan],
) -> None:
    requests = merge_spans(spans)
    assert len(requests) <= len(set(spans))
    assert all(request.words <= MAX_REQUEST_WORDS for request in requests)
    answers = {
        request: range(request.address, request.address + request.words) for request in requests
    }
    for span in spans:
        assert find_words(answers, span) == range(span.address, span.end)


def test_neighbours_are_read_together_and_the_far_ones_apart() -> None:
    spans = [
        RegisterSpan("holding", 0, 2),
        RegisterSpan("holding", 30, 2),
        RegisterSpan("holding", 100, 2),
    ]
    assert merge_spans(spans) == [RegisterSpan("holding", 0, 32), RegisterSpan("holding", 100, 2)]
    assert merge_spans([RegisterSpan("input", 0, 2), RegisterSpan("holding", 2, 2)]) == [
        RegisterSpan("holding", 2, 2),
        RegisterSpan("input", 0, 2),
    ]


@given(known=st.integers(0, 500), more=st.integers(0, 500))
def test_the_slots_to_read_are_those_of_the_outcomes_not_yet_known(known: int, more: int) -> None:
    ring = {number % OUTCOME_SLOT_COUNT: number for number in range(known + more)}
    wanted = list(range(max(known, known + more - OUTCOME_SLOT_COUNT), known + more))
    assert [ring[slot] for slot in find_outcome_slots(known, known + more)] == wanted


def test_an_outcome_of_too_few_registers_is_refused() -> None:
    with pytest.raises(MachineLinkError, match="an outcome has 8 registers"):
        decode_outcomes([[0] * 7], "high-first")


def test_the_defaults_are_the_registers_of_the_plants_plc() -> None:
    rows = {row.name: row for row in register_map.REGISTERS}
    names = {
        "part_counter": "Line.PartCounter",
        "counted_at": "Line.CountedAt",
        "belt_speed": "Line.BeltSpeed",
        "verdict_echo": "Verdict.Echo",
        "outcome_counter": "Outcome.Counter",
        "line_stop": "Station.LineStop",
        "heartbeat": "Station.Heartbeat",
        "verdict_part_number": "Verdict.PartNumber",
        "verdict_code": "Verdict.Code",
        "verdict_strobe": "Verdict.Strobe",
    }
    defaults = PlcRegisters()
    for field, name in names.items():
        assert (getattr(defaults, field), REGISTER_TYPES[field]) == (
            rows[name].address,
            rows[name].kind,
        )
    assert defaults.outcomes == register_map.OUTCOMES_ADDRESS
    assert (OUTCOME_SLOT_COUNT, OUTCOME_WORDS) == (
        gate_outcomes.OUTCOME_RING_SLOTS,
        register_map.OUTCOME_WORDS,
    )
    for tag in EquipmentConfiguration().tags:
        assert tag.node_id is not None
        row = rows[tag.node_id.rpartition("=")[2]]
        assert tag.register == ModbusRegister(address=row.address, type=row.kind, scale=row.scale)  # type: ignore[arg-type]


def test_a_float_survives_its_32_bits() -> None:
    order = ModbusConfiguration().word_order
    assert math.isnan(
        decode_registers("float32", encode_registers("float32", math.nan, order), order)
    )
    assert (
        decode_registers("float32", encode_registers("float32", 0.1, order), order)
        == struct.unpack(">f", struct.pack(">f", 0.1))[0]
    )
