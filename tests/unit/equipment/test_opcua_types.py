"""A PLC's variables of any type: each is written as it is, or one sentence says what to do."""

import datetime
import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from asyncua import ua

from tests.faults.plc_and_equipment import running_equipment, wait_for
from tests.unit.equipment.strange_plc import (
    Kind,
    StrangePlc,
    fault_says,
    has_part_number,
    has_triggered,
    strange_plc,
    takes_a_part_through,
)

Types = dict[str, tuple[Any, object]]
WRITTEN = (
    "Verdict.PartNumber",
    "Verdict.Code",
    "Verdict.Strobe",
    "Station.Heartbeat",
    "Station.LineStop",
)
COUNTED = ("Line.PartCounter", "Verdict.Echo", "Outcome.Counter")


@pytest.fixture(scope="module")
def server() -> Iterator[StrangePlc]:
    with strange_plc() as plc:
        yield plc


@pytest.fixture
def plc(server: StrangePlc) -> StrangePlc:
    server.become()
    return server


def all_numbers_as(kind: Any, initial: object = 0) -> Types:
    """Every number of the hand-shake in one type."""
    columns: Types = {f"Outcome.{name}": (kind, []) for name in ("Numbers", "Actions", "Causes")}
    return {**dict.fromkeys((*WRITTEN, *COUNTED), (kind, initial)), **columns}


@pytest.mark.parametrize(
    ("types", "counted"),
    [
        (all_numbers_as(Kind.Int16), 1),
        (all_numbers_as(Kind.UInt16), 1),
        (all_numbers_as(Kind.Int32), 1),
        (all_numbers_as(Kind.Int64), 1),
        (all_numbers_as(Kind.UInt64), 1),
        (all_numbers_as(Kind.Float, 0.0), 1.0),
        (all_numbers_as(Kind.Double, 0.0), 1.0),
        ({"Station.LineStop": (Kind.Boolean, False), "Verdict.Code": (Kind.Byte, 0)}, 1),
        ({"Verdict.Code": (Kind.SByte, 0), "Verdict.Strobe": (Kind.SByte, 0)}, 1),
        (
            {
                "Verdict.Strobe": (Kind.Boolean, False),
                "Station.Heartbeat": (Kind.Boolean, False),
            },
            1,
        ),
        ({"Line.BeltSpeed": (Kind.Float, 0.5)}, 1),
        ({"Outcome.Times": (Kind.DateTime, [])}, 1),
        ({"Outcome.Times": (Kind.UInt64, [])}, 1),
    ],
    ids=[
        "INT",
        "UINT",
        "DINT",
        "LINT",
        "ULINT",
        "REAL",
        "LREAL",
        "BOOL line stop, BYTE code",
        "SINT code and strobe",
        "BOOL strobe and heartbeat",
        "REAL speed",
        "DATE_AND_TIME outcomes",
        "ULINT outcomes",
    ],
)
def test_a_plc_that_keeps_its_numbers_in_other_types_gets_its_verdict(
    plc: StrangePlc, types: Types, counted: object
) -> None:
    plc.become(types)
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        takes_a_part_through(plc, equipment, counted)


@pytest.mark.parametrize(
    ("kind", "initial"),
    [(Kind.Boolean, False), (Kind.Int16, 0), (Kind.Float, 0.0), (Kind.UInt64, 0)],
)
def test_a_line_stop_is_written_in_the_type_of_the_plcs_variable(
    plc: StrangePlc, kind: Any, initial: object
) -> None:
    types = {"Station.LineStop": (kind, initial)}
    plc.become(types)
    with running_equipment(plc.endpoint, line_stop_after_missed=1) as equipment:
        equipment.wait_until_ready()
        plc.count(1)
        wait_for("the trigger", lambda: len(equipment.triggered()) == 1)
        equipment.judge(1, "missed")
        wait_for("the stop", lambda: plc.writes("Station.LineStop") == [("Station.LineStop", 1)])
        wait_for("the fault", lambda: "line-stop" in equipment.faults())
        plc.put("Station.LineStop", initial, kind)
        wait_for("the acknowledgement", lambda: "line-stop" not in equipment.faults())


@pytest.mark.parametrize(
    ("name", "types", "expected"),
    [
        ("Int16", {"Verdict.Strobe": (Kind.Int16, 32_767)}, -32_768),
        ("UInt16", {"Verdict.Strobe": (Kind.UInt16, 65_535)}, 0),
        ("SByte", {"Verdict.Strobe": (Kind.SByte, -1)}, 0),
        ("Boolean", {"Verdict.Strobe": (Kind.Boolean, True)}, False),
        ("Float", {"Verdict.Strobe": (Kind.Float, 2.0**24 - 1)}, 0.0),
    ],
)
def test_a_strobe_goes_round_in_its_own_type(
    plc: StrangePlc, name: str, types: Types, expected: object
) -> None:
    plc.become(types)
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        equipment.judge(7, "ok")
        wait_for("the strobe", lambda: bool(plc.writes("Verdict.Strobe")))
        assert plc.writes("Verdict.Strobe") == [("Verdict.Strobe", expected)]


@pytest.mark.parametrize(
    ("base", "kind"),
    [(ua.ObjectIds.Enumeration, Kind.Int32), (ua.ObjectIds.Byte, Kind.Byte)],
    ids=["an enumeration", "a subtype of Byte"],
)
def test_a_variable_that_holds_nothing_yet_is_written_as_its_data_type_says(
    plc: StrangePlc, base: int, kind: Any
) -> None:
    plc.set_data_type("Verdict.Code", plc.add_vendor_type(base))
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        takes_a_part_through(plc, equipment)
        assert plc.value("Verdict.Code").VariantType == kind


@pytest.mark.parametrize(
    ("types", "words"),
    [
        (
            {"Verdict.Code": (Kind.Boolean, False)},
            ["verdict_code", "Boolean", "cannot hold the verdict codes 1 to 5", "plc-handshake.md"],
        ),
        (
            {"Verdict.Code": (Kind.String, "")},
            ["verdict_code", "String", "the station writes whole numbers", "plc-handshake.md"],
        ),
        (
            {"Verdict.PartNumber": (Kind.UInt32, [0, 0])},
            ["verdict_part_number", "is an array", "name one element"],
        ),
        (
            {"Verdict.PartNumber": (Kind.Boolean, False)},
            ["verdict_part_number", "Boolean", "cannot hold part numbers"],
        ),
    ],
    ids=["a code in a Boolean", "a code in a String", "an array", "a number in a Boolean"],
)
def test_a_variable_that_cannot_hold_what_is_written_is_refused_at_the_start(
    plc: StrangePlc, types: Types, words: list[str]
) -> None:
    plc.become(types)
    with running_equipment(plc.endpoint) as equipment:
        fault_says(equipment, "plc-away", *words)
        assert not equipment.ready
        assert plc.written == []


@pytest.mark.parametrize(
    ("kind", "before", "counted"),
    [
        (Kind.Int16, 32_766, [(32_767, 32_767), (-32_768, 32_768), (-32_767, 32_769)]),
        (Kind.Int16, -2, [(-1, 65_535), (0, 0), (1, 1)]),
        (Kind.UInt16, 65_534, [(65_535, 65_535), (0, 0), (1, 1)]),
        (Kind.Int32, 2**31 - 2, [(2**31 - 1, 2**31 - 1), (-(2**31), 2**31)]),
        (Kind.UInt32, 2**32 - 2, [(2**32 - 1, 2**32 - 1), (0, 0), (1, 1)]),
        (Kind.Int16, 32_766, [(32_767, 32_767), (0, 0), (1, 1)]),
    ],
    ids=[
        "INT over its top",
        "INT through zero",
        "WORD",
        "DINT",
        "DWORD",
        "INT set to 0 at its top",
    ],
)
def test_a_counter_that_wraps_loses_no_part_and_the_verdict_bears_the_plcs_own_number(
    plc: StrangePlc, kind: Any, before: int, counted: list[tuple[int, int]]
) -> None:
    types = dict.fromkeys(("Verdict.PartNumber", "Verdict.Echo"), (kind, 0))
    types["Line.PartCounter"] = (kind, before)
    plc.become(types)
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        for raw, number in counted:
            plc.count(raw)
            wait_for(
                "its trigger",
                partial(has_triggered, equipment, number),
            )
            equipment.judge(number, "ok")
            wait_for(
                "its verdict",
                partial(has_part_number, plc, raw),
            )
        assert len(equipment.triggered()) == len(counted)
        assert equipment.faults() == {}


def test_a_part_number_that_the_plcs_variable_cannot_hold_is_told_and_the_next_one_goes_out(
    plc: StrangePlc,
) -> None:
    types: Types = {"Verdict.PartNumber": (Kind.Int16, 0), "Line.PartCounter": (Kind.UInt32, 9)}
    plc.become(types)
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        equipment.judge(40_000, "ok")
        fault_says(
            equipment,
            "part-number-unwritable",
            "part 40000",
            "rejected",
            "40,000 does not fit verdict_part_number",
            "Int16 (-32,768 to 32,767)",
            "use UDINT",
        )
        assert plc.writes("Verdict.") == []
        equipment.judge(7, "ok")
        wait_for("the next", lambda: len(plc.writes("Verdict.Strobe")) == 1)
        assert plc.writes("Verdict.PartNumber") == [("Verdict.PartNumber", 7)]
        wait_for("well again", lambda: equipment.faults() == {})


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (Kind.String, "102", "'102'; a whole number"),
        (Kind.Byte, 7, "type Byte, whose numbers come again too soon; use UDINT"),
        (Kind.Float, 2.0**24, "a REAL counts no further than 16,777,216; use UDINT"),
        (Kind.DateTime, datetime.datetime(2026, 1, 1), "datetime"),
        (Kind.UInt64, 2**40, "1099511627776; a whole number from 0 to 4,294,967,295"),
        (Kind.UInt32, [1, 2], "[1, 2]"),
        (Kind.Double, float("nan"), "nan"),
    ],
    ids=["text", "BYTE", "REAL at its end", "a time", "LWORD", "array", "NaN"],
)
def test_a_counter_that_is_none_is_told_by_subscription_and_by_reads(
    plc: StrangePlc, kind: Any, value: object, words: str
) -> None:
    for slow in (False, True):
        prepare = (lambda plc: plc.publish_every(1000.0)) if slow else None
        plc.become(prepare=prepare)
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        plc.put("Line.PartCounter", value, kind)
        fault_says(equipment, "counter-unreadable", "part_counter", words)
        assert not equipment.ready
        assert equipment.triggered() == []


def test_a_counter_of_16_bits_is_logged_with_advice(
    plc: StrangePlc, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    plc.become({"Line.PartCounter": (Kind.Int16, 0)})
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        records = [r for r in caplog.records if "the part counter has 16 bits" in r.message]
        assert [getattr(record, "advice", "") for record in records] == ["use UDINT (UInt32)"]
