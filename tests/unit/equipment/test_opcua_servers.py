"""OPC UA servers as they stand in the field: a part goes through, or one sentence says what to do."""

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
from tests.faults.plc_and_equipment import running_equipment, wait_for
from tests.unit.equipment.strange_plc import (
    OPERATION_LIMITS,
    Kind,
    StrangePlc,
    fault_says,
    has_triggered,
    strange_plc,
    takes_a_part_through,
)

Codes = ua.StatusCodes


@pytest.fixture(scope="module")
def server() -> Iterator[StrangePlc]:
    with strange_plc() as plc:
        yield plc


@pytest.fixture
def plc(server: StrangePlc) -> StrangePlc:
    server.become()
    return server


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
    plc.become(prepare=at_most(1, tell=True))
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        takes_a_part_through(plc, equipment)
        limits_at_once = [("read", len(OPERATION_LIMITS))]  # the question itself
        assert [found for found in plc.requests if found[1] > 1] == limits_at_once


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
