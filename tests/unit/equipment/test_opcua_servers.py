"""OPC UA servers as they stand in the field: a part goes through, or one sentence says what to do."""

import datetime
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from asyncua import Server, ua

from equipment.configuration import EquipmentConfiguration, TagConfiguration
from equipment.links.opcua_client import add_default_port
from equipment.links.opcua_configuration import PLC_NODE_PREFIX, PlcNodes
from equipment.links.opcua_subscription import SLOW_SUBSCRIPTION
from equipment.links.opcua_values import parse_node_id
from sightline.configuration import load_configuration
from sightline.errors import MachineLinkError
from tests.faults.plc_and_equipment import RunningEquipment, running_equipment, wait_for
from tests.unit.equipment.strange_plc import (
    OPERATION_LIMITS,
    Kind,
    StrangePlc,
    strange_plc,
    takes_a_part_through,
)

S = 1_000_000_000
Codes = ua.StatusCodes
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


# --- types ---------------------------------------------------------------------------------------


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
    ids=lambda value: "",
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


# --- counters that wrap, and that are none --------------------------------------------------------


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


# --- writes and limits ----------------------------------------------------------------------------


def no_timestamps(plc: StrangePlc) -> None:
    """As S7-1200 and S7-1500, Kepware and others do."""
    plc.refuse_each_write(
        Codes.BadWriteNotSupported,
        lambda item: any((item.Value.SourceTimestamp, item.Value.ServerTimestamp)),
    )


def at_most(limit: int, tell: bool = False) -> Callable[[StrangePlc], None]:
    """So many nodes for each request, whatever it is; the server tells it, or refuses only."""

    def prepare(plc: StrangePlc) -> None:
        def refuses(items: Any) -> bool:
            return len(items) > limit

        for number in OPERATION_LIMITS.values() if tell else ():
            plc.tell_limit(number, limit)
        plc.refuse_reads(Codes.BadTooManyOperations, refuses)
        plc.refuse_writes(Codes.BadTooManyOperations, refuses)
        plc.refuse_monitored_items(Codes.BadTooManyOperations, refuses)

    return prepare


def queue_of_one_slowly(plc: StrangePlc) -> None:
    """Publish each second the last change only."""
    plc.publish_every(1000.0)
    plc.keep_changes(1)


def no_subscriptions(plc: StrangePlc) -> None:
    """As the smallest devices are."""
    plc.refuse_subscriptions(Codes.BadServiceUnsupported)


def no_monitored_items(plc: StrangePlc) -> None:
    """As a server is whose clients have taken all."""
    plc.refuse_monitored_items(Codes.BadTooManyMonitoredItems, lambda items: True)


def no_source_times(plc: StrangePlc) -> None:
    """Tell no times at all."""
    plc.source_times = False


def clock_off(plc: StrangePlc) -> None:
    """Have a clock that is wrong by years."""
    plc.year = 2001


@pytest.mark.parametrize(
    "prepare",
    [no_timestamps, at_most(1), at_most(4), at_most(1, tell=True), at_most(3, tell=True)],
    ids=["no timestamps", "1", "4", "1 and tells it", "3 and tells it"],
)
def test_a_server_with_limits_gets_all_in_requests_that_it_takes_and_in_order(
    plc: StrangePlc,
    prepare: Callable[[StrangePlc], None],
) -> None:
    tags = tuple(
        TagConfiguration(tag=f"t{place}", node_id="nsu=urn:sightline:plc;s=Machine.Vibration")
        for place in range(60)
    )
    plc.become(prepare=prepare)
    with running_equipment(plc.endpoint, tags=tags, sample_interval_s=0.3) as equipment:
        equipment.wait_until_ready()
        takes_a_part_through(plc, equipment)
        wait_for(
            "all readings",
            lambda: any(
                len(batch.samples) == 60 and {s.quality for s in batch.samples} == {"good"}
                for batch in equipment.samples()
            ),
        )


def test_a_limit_that_the_server_tells_is_never_tried(plc: StrangePlc) -> None:
    plc.become(prepare=at_most(2, tell=True))
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        takes_a_part_through(plc, equipment)
        assert [size for _, size in plc.requests if size > 3] == []
        assert [size for kind, size in plc.requests if kind == "write" and size > 2] == []


# --- servers that tell late, or nothing -----------------------------------------------------------


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (
            lambda plc: plc.publish_every(1000.0),
            ["every 1000 ms", "requested: 10 ms", "allowed: 50 ms", "reads the counter itself"],
        ),
        (queue_of_one_slowly, ["keeps one change", "Let the server publish", "Modbus TCP"]),
        (no_subscriptions, ["refuses a subscription", "BadServiceUnsupported"]),
        (no_monitored_items, ["refuses a subscription", "BadTooManyMonitoredItems"]),
    ],
    ids=["publishes slowly", "and keeps one change", "no subscriptions", "no monitored items"],
)
def test_a_server_that_tells_late_or_nothing_is_read_in_time_and_a_fault_says_so(
    plc: StrangePlc, prepare: Callable[[StrangePlc], None], words: list[str]
) -> None:
    plc.become(prepare=prepare)
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        fault_says(equipment, SLOW_SUBSCRIPTION, *words)
        for number in range(1, 6):
            takes_a_part_through(plc, equipment, number, number, total=number)
        assert len(equipment.triggered()) == 5
        plc.put("Verdict.Echo", 5, Kind.UInt32)
        wait_for(
            "the echo",
            lambda: equipment.health.build_report().counters.get("verdicts_taken_by_plc", 0) == 1,
        )
        assert equipment.ready


def test_a_part_that_is_read_has_the_product_that_held_when_it_was_counted(plc: StrangePlc) -> None:
    plc.become(prepare=lambda plc: plc.publish_every(1000.0))
    with running_equipment(
        plc.endpoint,
        link={"nodes": PlcNodes(product=PLC_NODE_PREFIX + "Line.Product")},
        products={"1": "bottle", "2": "can"},
    ) as equipment:
        equipment.wait_until_ready()
        for number, product in enumerate([1, 2, 1, 2], start=1):
            plc.put("Line.Product", product, Kind.UInt16)
            plc.count(number)
            wait_for("its trigger", partial(has_triggered, equipment, number))
        assert [t.product for t in equipment.triggered()] == ["bottle", "can", "bottle", "can"]


def test_parts_that_are_counted_between_two_reads_are_announced_as_far_as_the_counter_went(
    plc: StrangePlc,
) -> None:
    plc.become(prepare=no_subscriptions)
    slowly = {"publishing_interval_ms": 300.0}
    with running_equipment(plc.endpoint, link=slowly) as equipment:
        equipment.wait_until_ready()
        for number in (1, 2, 3):
            plc.count(number)
        wait_for("the last", lambda: [t.counter for t in equipment.triggered()][-1:] == [3])
        assert len(equipment.triggered()) <= 2  # the others are numbers without a trigger: missed


@pytest.mark.parametrize("prepare", [no_source_times, clock_off], ids=["no times", "years off"])
def test_a_server_without_a_clock_that_can_be_used_triggers_all_the_same(
    plc: StrangePlc,
    prepare: Callable[[StrangePlc], None],
) -> None:
    plc.become(prepare=prepare)
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        takes_a_part_through(plc, equipment)
        assert equipment.faults() == {}


# --- refusals in words ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (
            lambda plc: plc.refuse_each_write(Codes.BadUserAccessDenied, lambda item: True),
            ["cannot write", "BadUserAccessDenied", "make it writable", "link/opcua/user"],
        ),
        (
            lambda plc: plc.refuse_each_write(Codes.BadNotWritable, lambda item: True),
            ["cannot write", "BadNotWritable", "make it writable over OPC UA"],
        ),
        (
            lambda plc: plc.refuse_each_write(Codes.BadTypeMismatch, lambda item: True),
            ["heartbeat", "as UInt32", "BadTypeMismatch", "docs/plc-handshake.md"],
        ),
        (
            lambda plc: plc.remove("Verdict.Code", "Verdict.Strobe"),
            [
                "has no verdict_code (",
                "verdict_strobe (",
                "2 urn:sightline:plc",
                "link/opcua/nodes",
            ],
        ),
        (
            lambda plc: plc.put("Outcome.Numbers", 5, Kind.UInt32),
            ["outcome_numbers", "holds 5", "an array is expected"],
        ),
        (
            lambda plc: plc.put("Outcome.Times", [ua.Argument(Name="DTL")], Kind.ExtensionObject),
            ["outcome_times", "DateTime or Int64 nanoseconds since 1970"],
        ),
        (
            lambda plc: plc.answer_fewer_reads(),
            ["answered 1 of", "read request", "all are expected"],
        ),
        (
            lambda plc: plc.put("Verdict.Echo", "x", Kind.String),
            ["verdict_echo", "holds 'x'", "a whole number"],
        ),
        (
            lambda plc: plc.put("Station.LineStop", [1, 0], Kind.UInt16),
            ["line_stop", "is an array"],
        ),
        (
            lambda plc: plc.refuse_sessions(Codes.BadTooManySessions),
            ["no place for one more session", "end another client"],
        ),
        (
            lambda plc: plc.refuse_sessions(Codes.BadTcpEndpointUrlInvalid),
            ["does not answer to this address", "link/opcua/endpoint"],
        ),
    ],
    ids=[
        "no right to write",
        "read-only variables",
        "types that do not match",
        "unknown nodes",
        "a scalar outcome column",
        "times as a structure",
        "fewer answers than questions",
        "an echo that is text",
        "a line stop that is an array",
        "no more sessions",
        "another address",
    ],
)
def test_what_cannot_be_right_is_one_sentence_that_says_what_to_do(
    plc: StrangePlc, prepare: Callable[[StrangePlc], None], words: list[str]
) -> None:
    plc.become(prepare=prepare)
    with running_equipment(plc.endpoint) as equipment:
        fault_says(equipment, "plc-away", plc.endpoint, *words)
        assert plc.writes("Verdict.") == []


# --- ids and addresses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        'ns=2;s="DB"."x; y=1"',
        'ns=2; s="DB"."x; y=1"',
        ' ns= 2 ; s="DB"."x; y=1" ',
        'nsu=urn:sightline:plc; s="DB"."x; y=1"',
    ],
)
def test_a_node_id_is_taken_with_quotes_and_blanks(form: str) -> None:
    values = {"link": {"opcua": {"nodes": {"partCounter": form}}}}
    loaded = load_configuration(EquipmentConfiguration, values).link.opcua.nodes.part_counter
    namespaces = ["http://opcfoundation.org/UA/", "urn:x", "urn:sightline:plc"]
    assert parse_node_id(loaded, namespaces) == ua.NodeId('"DB"."x; y=1"', 2)


@pytest.mark.parametrize("form", ["ns=2;i=abc", "ns=2;g=17"])
def test_a_node_id_that_is_none_is_refused_with_the_forms_that_there_are(form: str) -> None:
    with pytest.raises(MachineLinkError, match="is no node id; write ns=INDEX;s=NAME"):
        parse_node_id(form, [])


def test_an_endpoint_without_a_port_has_the_usual_one() -> None:
    assert add_default_port("opc.tcp://plc-7") == "opc.tcp://plc-7:4840"
    assert add_default_port("opc.tcp://plc-7/server") == "opc.tcp://plc-7:4840/server"
    assert add_default_port("opc.tcp://[fd00::7]/") == "opc.tcp://[fd00::7]:4840/"
    assert add_default_port("opc.tcp://192.0.2.1:4841") == "opc.tcp://192.0.2.1:4841"


def build_behind_a_name() -> Server:
    """A server that names a host which nobody else can reach."""
    server = Server()
    server.set_match_discovery_endpoint_url(False)
    server.set_match_discovery_client_ip(False)
    server.socket_address = ("127.0.0.1", 0)
    return server


def test_a_server_that_names_an_unreachable_host_is_called_at_the_address_given() -> None:
    named = "opc.tcp://plc-7.invalid:4840/"
    with (
        strange_plc(build_behind_a_name, named) as plc,
        running_equipment(plc.endpoint) as equipment,
    ):
        assert {found.EndpointUrl for found in plc.server.iserver.endpoints} == {named}
        equipment.wait_until_ready()
        takes_a_part_through(plc, equipment)
