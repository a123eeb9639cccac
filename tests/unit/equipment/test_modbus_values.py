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
from equipment.links.modbus_requests import GREATEST_WORDS, Span, in_few_requests, part_of
from equipment.links.modbus_session import TYPES
from equipment.links.modbus_values import (
    FORMATS,
    KEPT_OUTCOMES,
    OUTCOME_WORDS,
    decode,
    encode,
    outcome_slots,
    outcomes_of,
    words_of,
)
from hil.plant import outcomes, register_map
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
    words = encode(kind, value, order)
    assert len(words) == words_of(kind)
    assert decode(kind, words, order) == value


@given(words=st.lists(st.integers(0, 65_535), min_size=8, max_size=8), order=ORDERS)
def test_any_words_are_some_value_of_every_type(words: list[int], order: WordOrder) -> None:
    for kind in FORMATS:
        value = decode(kind, words[: words_of(kind)], order)
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
    assert decode(kind, words, order) == value


SPANS = st.lists(
    st.builds(
        Span,
        st.sampled_from(["holding", "input"]),
        st.integers(0, 700),
        st.integers(1, 8),
    ),
    max_size=60,
)


@given(spans=SPANS)
def test_few_requests_have_every_span_whole_and_none_is_larger_than_modbus_allows(
    spans: list[Span],
) -> None:
    requests = in_few_requests(spans)
    assert len(requests) <= len(set(spans))
    assert all(request.words <= GREATEST_WORDS for request in requests)
    answers = {
        request: range(request.address, request.address + request.words) for request in requests
    }
    for span in spans:
        assert part_of(answers, span) == range(span.address, span.end)


def test_neighbours_are_read_together_and_the_far_ones_apart() -> None:
    spans = [Span("holding", 0, 2), Span("holding", 30, 2), Span("holding", 100, 2)]
    assert in_few_requests(spans) == [Span("holding", 0, 32), Span("holding", 100, 2)]
    assert in_few_requests([Span("input", 0, 2), Span("holding", 2, 2)]) == [
        Span("holding", 2, 2),
        Span("input", 0, 2),
    ]


@given(known=st.integers(0, 500), more=st.integers(0, 500))
def test_the_slots_to_read_are_those_of_the_outcomes_not_yet_known(known: int, more: int) -> None:
    ring = {number % KEPT_OUTCOMES: number for number in range(known + more)}
    wanted = list(range(max(known, known + more - KEPT_OUTCOMES), known + more))
    assert [ring[slot] for slot in outcome_slots(known, known + more)] == wanted


def test_an_outcome_of_too_few_registers_is_refused() -> None:
    with pytest.raises(MachineLinkError, match="an outcome has 8 registers"):
        outcomes_of([[0] * 7], "high-first")


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
        assert (getattr(defaults, field), TYPES[field]) == (rows[name].address, rows[name].kind)
    assert defaults.outcomes == register_map.OUTCOMES_ADDRESS
    assert (KEPT_OUTCOMES, OUTCOME_WORDS) == (outcomes.KEPT_OUTCOMES, register_map.OUTCOME_WORDS)
    for tag in EquipmentConfiguration().tags:
        assert tag.node_id is not None
        row = rows[tag.node_id.rpartition("=")[2]]
        assert tag.register == ModbusRegister(address=row.address, type=row.kind, scale=row.scale)  # type: ignore[arg-type]


def test_a_float_survives_its_32_bits() -> None:
    order = ModbusConfiguration().word_order
    assert math.isnan(decode("float32", encode("float32", math.nan, order), order))
    assert (
        decode("float32", encode("float32", 0.1, order), order)
        == struct.unpack(">f", struct.pack(">f", 0.1))[0]
    )
