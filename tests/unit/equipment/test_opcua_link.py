"""The link against a real OPC UA server, well or ill: order of writes, odd values, absence, back-off."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from asyncua import ua

from equipment.configuration import EquipmentConfiguration, OpcuaConfiguration, TagConfiguration
from equipment.links.link import Beat, LinkDown, VerdictOrder, VerdictTooLate
from equipment.links.opcua import OpcuaLink
from sightline.bus import Inbox
from sightline.clock import SystemClock
from sightline.messages import Sample
from tests.faults.factory import RunningEquipment, running_equipment, wait_for
from tests.unit.equipment.odd_plc import OddPlc, odd_plc

S = 1_000_000_000
UINT32, DOUBLE, STRING = ua.VariantType.UInt32, ua.VariantType.Double, ua.VariantType.String


@pytest.fixture(scope="module")
def running() -> Iterator[OddPlc]:
    with odd_plc() as plc:
        yield plc


@pytest.fixture
def plc(running: OddPlc) -> OddPlc:
    running.begin_anew()
    return running


@pytest.fixture
def equipment(plc: OddPlc) -> Iterator[RunningEquipment]:
    with running_equipment(plc.endpoint, sample_interval_s=0.1) as equipment:
        equipment.wait_until_ready()
        yield equipment


def sample(equipment: RunningEquipment, tag: str) -> Sample | None:
    """The latest reading of a tag."""
    for batch in reversed(equipment.samples()):
        return next((found for found in batch.samples if found.tag == tag), None)
    return None


def reads(equipment: RunningEquipment, tag: str, value: object, quality: str) -> None:
    """Wait until a tag reads so."""

    def holds() -> bool:
        found = sample(equipment, tag)
        return found is not None and (found.value, found.quality) == (value, quality)

    wait_for(f"{tag} reads {value} ({quality})", holds)


def test_the_registers_are_written_first_and_the_strobe_last_and_it_counts_on(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    equipment.judge(7, "ok")
    equipment.judge(8, "defect")
    wait_for("two verdicts", lambda: len(plc.writes("Verdict.Strobe")) == 2)
    assert plc.writes("Verdict.") == [
        ("Verdict.PartNumber", 7),
        ("Verdict.Code", 1),
        ("Verdict.Strobe", 1),
        ("Verdict.PartNumber", 8),
        ("Verdict.Code", 2),
        ("Verdict.Strobe", 2),
    ]


def test_after_a_restart_the_strobe_and_the_heartbeat_go_on_from_where_they_stood(
    plc: OddPlc,
) -> None:
    plc.put("Verdict.Strobe", 2**32 - 1, UINT32)
    plc.put("Station.Heartbeat", 2**32 - 1, UINT32)
    plc.written.clear()
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        equipment.judge(7, "ok")
        wait_for("the verdict", lambda: bool(plc.writes("Verdict.Strobe")))
        wait_for("beats", lambda: len(plc.writes("Station.Heartbeat")) >= 3)
    assert plc.writes("Verdict.Strobe") == [("Verdict.Strobe", 0)]
    assert [value for _, value in plc.writes("Station.Heartbeat")][:3] == [0, 1, 2]


def test_a_loop_that_stalls_beats_no_more_and_one_that_goes_on_does(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    wait_for("beats", lambda: len(plc.writes("Station.Heartbeat")) >= 3)
    equipment.hang()
    beats = settled(lambda: len(plc.writes("Station.Heartbeat")))
    equipment.hang(False)
    wait_for("more beats", lambda: len(plc.writes("Station.Heartbeat")) > beats)


def settled(count: Callable[[], int]) -> int:
    """What a number stands at after half a second without change."""
    value, since = count(), time.monotonic()

    def holds() -> bool:
        nonlocal value, since
        if count() != value:
            value, since = count(), time.monotonic()
        return time.monotonic() - since > 0.5

    wait_for("the number settles", holds)
    return value


def test_a_source_time_of_1601_or_9999_is_taken_as_none(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    for year in (1601, 9999):
        plc.put("Machine.Vibration", float(year), DOUBLE, year=year)
        reads(equipment, "vibration", float(year), "good")
        found = sample(equipment, "vibration")
        assert found is not None
        assert abs(found.source_utc_ns - time.time_ns()) < 60 * S


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_bad(
    plc: OddPlc, equipment: RunningEquipment, value: float
) -> None:
    plc.put("Machine.Vibration", value, DOUBLE)
    reads(equipment, "vibration", None, "bad")
    assert not any(b"NaN" in payload for _, payload in equipment.exchange.published)


def test_a_value_of_bad_status_is_bad_and_one_of_a_good_kind_is_good(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    plc.put("Machine.Vibration", 1.5, DOUBLE, ua.StatusCodes.BadSensorFailure)
    reads(equipment, "vibration", None, "bad")
    plc.put("Machine.Vibration", 1.5, DOUBLE, ua.StatusCodes.GoodLocalOverride)
    reads(equipment, "vibration", 1.5, "good")


def test_a_long_text_is_cut(plc: OddPlc, equipment: RunningEquipment) -> None:
    plc.put("Machine.Vibration", "x" * 10_000, STRING)
    reads(equipment, "vibration", "x" * 64, "good")


def test_a_belt_speed_that_is_no_number_is_left_out_of_the_trigger(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    plc.put("Line.BeltSpeed", float("nan"), DOUBLE)
    plc.put("Line.PartCounter", 1, UINT32)
    wait_for("the trigger", lambda: len(equipment.triggered()) == 1)
    assert equipment.triggered()[0].belt_speed_mps is None


@pytest.mark.parametrize("status", ["BadOutOfService", "UncertainLastUsableValue"])
def test_a_counter_whose_status_is_not_good_is_no_part(
    plc: OddPlc, equipment: RunningEquipment, status: str
) -> None:
    plc.put("Line.PartCounter", 5, UINT32)
    plc.put("Line.PartCounter", 0, UINT32, getattr(ua.StatusCodes, status))
    plc.put("Line.PartCounter", 6, UINT32)
    wait_for("the sixth", lambda: [t.counter for t in equipment.triggered()] == [5, 6])
    assert "counter_restarts" not in equipment.health.report().counters


@pytest.mark.parametrize(
    ("node", "value", "kind", "words"),
    [
        (
            "Line.PartCounter",
            "five",
            STRING,
            ["part_counter", "Line.PartCounter", "'five'", "whole"],
        ),
        ("Verdict.Strobe", "x", STRING, ["verdict_strobe", "Verdict.Strobe", "'x'", "whole"]),
        (
            "Outcome.Actions",
            [9],
            ua.VariantType.UInt16,
            ["0 numbers", "1 actions", "all must have as many"],
        ),
    ],
)
def test_a_register_that_holds_nonsense_is_a_fault_that_says_what_where_and_what_is_allowed(
    plc: OddPlc, node: str, value: object, kind: object, words: list[str]
) -> None:
    plc.put(node, value, kind)
    with running_equipment(plc.endpoint, sample_interval_s=0.1) as equipment:
        wait_for(
            f"a fault with {words}",
            lambda: all(
                word in equipment.faults().get("plc-away", "") for word in [plc.endpoint, *words]
            ),
        )


def test_an_unknown_gate_action_is_a_fault_that_lists_the_known_ones(plc: OddPlc) -> None:
    plc.put("Outcome.Numbers", [1], UINT32)
    plc.put("Outcome.Actions", [9], ua.VariantType.UInt16)
    plc.put("Outcome.Times", [1], ua.VariantType.Int64)
    plc.put("Outcome.Causes", [0], ua.VariantType.UInt16)
    with running_equipment(plc.endpoint) as equipment:
        wait_for(
            "the fault",
            lambda: (
                "gate action 9; known are {1: 'passed'" in equipment.faults().get("plc-away", "")
            ),
        )


def test_a_namespace_that_the_server_lacks_is_a_fault_that_lists_those_it_has(plc: OddPlc) -> None:
    tag = TagConfiguration(tag="oil", node_id="nsu=urn:other:plc;s=Oil")
    with running_equipment(plc.endpoint, tags=(tag,)) as equipment:
        wait_for("the fault", lambda: "urn:other:plc" in equipment.faults().get("plc-away", ""))
        assert "urn:sightline:plc" in equipment.faults()["plc-away"]


def test_a_new_configuration_leaves_the_old_plc_for_the_new(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    with odd_plc() as other:
        link = OpcuaConfiguration(endpoint=other.endpoint)
        equipment.reconfigure(EquipmentConfiguration(link=link, equipment_id="conveyor-2"))
        wait_for("beats there", lambda: bool(other.writes("Station.Heartbeat")))
        equipment.wait_until_ready()
        beats = settled(lambda: len(plc.writes("Station.Heartbeat")))
        plc.put("Line.PartCounter", 9, UINT32)
        other.put("Line.PartCounter", 3, UINT32)
        wait_for("its trigger", lambda: [t.counter for t in equipment.triggered()] == [3])
        assert len(plc.writes("Station.Heartbeat")) == beats
        assert equipment.faults() == {}


class DeafServer:
    """Accepts connections and closes them at once; notes when."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.called_at_s: list[float] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.called_at_s.append(time.monotonic())
            connection.close()

    def stop(self) -> None:
        """Listen no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def test_a_server_that_hangs_up_is_called_again_ever_more_seldom() -> None:
    server, inbox = DeafServer(), Inbox()
    endpoint = f"opc.tcp://127.0.0.1:{server.port}/"
    configuration = OpcuaConfiguration(
        endpoint=endpoint, first_retry_s=0.05, longest_retry_s=0.8, request_timeout_s=0.3
    )
    link = OpcuaLink(configuration, (), inbox, SystemClock())
    link.start()
    try:
        wait_for("six calls", lambda: len(server.called_at_s) >= 6)
    finally:
        link.close()
        server.stop()
    pauses = [b - a for a, b in itertools.pairwise(server.called_at_s)]
    assert pauses[4] >= 0.4  # at least half of 0.8 s
    reasons = [e.reason for e in iter(lambda: inbox.take(0), None) if isinstance(e, LinkDown)]
    assert len(reasons) >= 5
    assert all(reason.startswith(endpoint) for reason in reasons)


def test_a_verdict_for_a_plc_that_is_away_comes_back_as_too_late() -> None:
    inbox = Inbox()
    configuration = OpcuaConfiguration(endpoint="opc.tcp://127.0.0.1:9/")
    link = OpcuaLink(configuration, (), inbox, SystemClock())
    link.start()
    order = VerdictOrder(7, "ok", time.monotonic_ns() + S)
    link.request(Beat())
    link.request(order)
    events: list[object] = []

    def came() -> bool:
        events.append(inbox.take(0))
        return any(isinstance(event, VerdictTooLate) and event.order == order for event in events)

    wait_for("the verdict comes back", came)
    link.close()
    link.request(order)  # after the end it is dropped without a word


def test_a_verdict_whose_time_is_over_when_its_turn_comes_is_not_written(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    margin_ns = 20_000_000
    equipment.judge(7, "ok", deadline_monotonic_ns=time.monotonic_ns() + margin_ns)
    wait_for(
        "it is held back",
        lambda: equipment.health.report().counters.get("verdicts_not_forwarded", 0) == 1,
    )
    assert plc.writes("Verdict.Strobe") == []
