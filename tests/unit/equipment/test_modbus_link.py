"""The link against a real Modbus server: order of writes, few requests, refusals and silence in words."""

import socket
import time
from collections.abc import Iterator

import pytest
from pymodbus.constants import ExcCodes

from equipment.links.modbus_configuration import PlcRegisters
from hil.plant.register_map import OUTCOME_ADDRESSES, WordOrder, encode_words
from sightline.messaging.messages import TagSample
from tests.faults.plc_and_equipment import RunningEquipment, running_equipment, wait_for
from tests.unit.equipment.odd_modbus import ROWS, OddModbusPlc, odd_modbus_plc


@pytest.fixture
def plc() -> Iterator[OddModbusPlc]:
    with odd_modbus_plc() as plc:
        yield plc


@pytest.fixture
def equipment(plc: OddModbusPlc) -> Iterator[RunningEquipment]:
    with running_equipment(plc.endpoint, sample_interval_s=0.1) as equipment:
        equipment.wait_until_ready()
        yield equipment


def reading(equipment: RunningEquipment, tag: str) -> TagSample | None:
    batches = equipment.samples()
    samples = batches[-1].samples if batches else ()
    return next((sample for sample in samples if sample.tag == tag), None)


def reads(equipment: RunningEquipment, tag: str, value: float | None, quality: str) -> None:
    def holds() -> bool:
        found = reading(equipment, tag)
        if found is None or found.quality != quality:
            return False
        return found.value == (value if value is None else pytest.approx(value))

    wait_for(f"{tag} reads {value} ({quality})", holds)


def test_the_registers_are_written_first_and_the_strobe_last_in_a_request_of_its_own(
    plc: OddModbusPlc, equipment: RunningEquipment
) -> None:
    equipment.judge(70_000, "ok")
    equipment.judge(70_001, "defect")
    wait_for("two verdicts", lambda: len(plc.writes_to("Verdict.Strobe")) == 2)
    heartbeat = ROWS["Station.Heartbeat"].address
    assert [write for write in plc.written if write[0] != heartbeat] == [
        (22, [1, 70_000 - 65_536, 1]),
        (26, [0, 1]),
        (22, [1, 70_001 - 65_536, 2]),
        (26, [0, 2]),
    ]


@pytest.mark.parametrize("order", ["high-first", "low-first"])
def test_strobe_and_heartbeat_go_on_from_where_they_stood_in_either_word_order(
    order: WordOrder,
) -> None:
    with odd_modbus_plc(order) as plc:
        plc.put("Verdict.Strobe", 65_535)
        plc.put("Station.Heartbeat", 2**32 - 1)
        plc.put("Machine.Vibration", 1.25)
        with running_equipment(
            plc.endpoint, link={"word_order": order}, sample_interval_s=0.1
        ) as equipment:
            equipment.wait_until_ready()
            equipment.judge(7, "ok")
            wait_for("the strobe", lambda: bool(plc.writes_to("Verdict.Strobe")))
            wait_for("beats", lambda: len(plc.writes_to("Station.Heartbeat")) >= 2)
            reads(equipment, "vibration", 1.25, "good")
            plc.put("Line.PartCounter", 65_536 * 3 + 2)
            wait_for("the trigger", lambda: len(equipment.triggered()) == 1)
            assert equipment.triggered()[0].counter == 65_536 * 3 + 2
        assert plc.writes_to("Verdict.Strobe") == [encode_words("uint32", 65_536, order)]
        assert plc.writes_to("Station.Heartbeat")[:2] == [[0, 0], encode_words("uint32", 1, order)]


def test_a_trigger_carries_the_time_that_the_plc_counted_and_the_speed_of_the_belt(
    plc: OddModbusPlc, equipment: RunningEquipment
) -> None:
    plc.put("Line.BeltSpeed", 0.25)
    plc.put("Line.CountedAt", 1_700_000_000_123_456_789)
    plc.put("Line.PartCounter", 1)
    wait_for("the trigger", lambda: len(equipment.triggered()) == 1)
    trigger = equipment.triggered()[0]
    assert (trigger.counted_utc_ns, trigger.belt_speed_mps) == (1_700_000_000_123_456_789, 0.25)


def test_an_echo_is_counted_when_it_changes_but_not_where_it_stood(plc: OddModbusPlc) -> None:
    plc.put("Verdict.Echo", 41)
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        plc.put("Line.PartCounter", 42)
        wait_for("the trigger", lambda: len(equipment.triggered()) == 1)
        assert "verdicts_taken_by_plc" not in equipment.health.build_report().counters
        plc.put("Verdict.Echo", 42)
        wait_for(
            "the echo", lambda: "verdicts_taken_by_plc" in equipment.health.build_report().counters
        )
        assert equipment.health.build_report().counters["verdicts_taken_by_plc"] == 1


def test_a_whole_number_is_scaled_and_what_no_sensor_gives_is_bad(
    plc: OddModbusPlc, equipment: RunningEquipment
) -> None:
    plc.put("Machine.MotorTemperature", 473)
    reads(equipment, "motor_temperature", 47.3, "good")
    plc.put("Machine.MotorTemperature", -32_768)
    reads(equipment, "motor_temperature", None, "bad")
    plc.put("Machine.Vibration", float("nan"))
    reads(equipment, "vibration", None, "bad")


def test_a_register_that_the_plc_has_not_is_missing_and_costs_no_other_reading(
    plc: OddModbusPlc, equipment: RunningEquipment
) -> None:
    plc.put("Machine.Vibration", 2.0)
    plc.refused = {704: ExcCodes.ILLEGAL_ADDRESS, 700: ExcCodes.DEVICE_FAILURE}
    reads(equipment, "air_pressure", None, "missing")
    reads(equipment, "motor_current", None, "bad")
    reads(equipment, "vibration", 2.0, "good")
    plc.refused = {}
    reads(equipment, "air_pressure", 0.0, "good")


def test_one_request_polls_one_reads_the_machine_and_five_read_all_outcomes(
    plc: OddModbusPlc,
) -> None:
    fill_outcomes(plc, 100)
    with running_equipment(plc.endpoint, sample_interval_s=0.1) as equipment:
        wait_for("64 outcomes", lambda: len(equipment.gate_acted()) == 64)
        assert [acted.part_number for acted in equipment.gate_acted()] == list(range(37, 101))
        wait_for("readings", lambda: len(equipment.samples()) >= 5)
    reads = [read for read in plc.reads() if read[0] < 100]
    assert (0, 14) in reads  # counter, its time, speed, echo, outcomes and line-stop together
    ring = [read for read in plc.reads() if 100 <= read[0] < 612]
    assert len(ring) == 5
    assert {read for read in plc.reads() if read[0] >= 612} == {(700, 7)}


def polls_in(plc: OddModbusPlc, seconds: float) -> int:
    """How often the counter is read in so many seconds."""
    before, until_s = plc.reads().count((0, 14)), time.monotonic() + seconds
    wait_for("the time to pass", lambda: time.monotonic() > until_s)
    return plc.reads().count((0, 14)) - before


def test_a_belt_at_rest_is_looked_at_less_often(plc: OddModbusPlc) -> None:
    link = {"polling_interval_ms": 5.0, "resting_interval_ms": 250.0}
    with running_equipment(plc.endpoint, link=link) as equipment:
        equipment.wait_until_ready()
        assert polls_in(plc, 0.4) <= 3
        plc.put("Line.BeltSpeed", 0.5)
        wait_for("faster polls", lambda: polls_in(plc, 0.2) >= 6)


def fill_outcomes(plc: OddModbusPlc, total: int, action: int = 2) -> None:
    """The ring as it is after so many outcomes, part numbers from 1."""
    for number in range(1, total + 1):
        words = [
            *encode_words("uint32", number, plc.order),
            *encode_words("uint64", number, plc.order),
        ]
        plc.put_words(OUTCOME_ADDRESSES[(number - 1) % 64], [*words, action, 1])
    plc.put("Outcome.Counter", total)


def test_outcomes_are_told_once_each_as_they_come_and_all_anew_when_the_plc_began_anew(
    plc: OddModbusPlc, equipment: RunningEquipment
) -> None:
    fill_outcomes(plc, 3)
    wait_for("three outcomes", lambda: len(equipment.gate_acted()) == 3)
    fill_outcomes(plc, 5)
    wait_for("five outcomes", lambda: len(equipment.gate_acted()) == 5)
    fill_outcomes(plc, 1)
    wait_for("the first again", lambda: len(equipment.gate_acted()) == 6)
    numbers = [acted.part_number for acted in equipment.gate_acted()]
    assert numbers == [1, 2, 3, 4, 5, 1]


def test_an_unknown_gate_action_is_a_fault_that_lists_the_known_ones(plc: OddModbusPlc) -> None:
    fill_outcomes(plc, 1, action=9)
    with running_equipment(plc.endpoint) as equipment:
        wait_for("the fault", lambda: "gate action 9; known are" in fault_of(equipment))


def fault_of(equipment: RunningEquipment) -> str:
    return equipment.faults().get("plc-away", "")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (0, "refuses to read 2 holding registers from 0: it has no such register"),
        (26, "refuses to read 2 holding registers from 26: it has no such register"),
        (100, "refuses to read 8 holding registers from 100: it has no such register"),
    ],
)
def test_a_register_of_the_handshake_that_the_plc_has_not_is_a_fault_that_names_it(
    plc: OddModbusPlc, address: int, words: str
) -> None:
    fill_outcomes(plc, 1)
    plc.refused = {address: ExcCodes.ILLEGAL_ADDRESS}
    with running_equipment(plc.endpoint) as equipment:
        wait_for("the fault", lambda: words in fault_of(equipment))
        assert plc.endpoint in fault_of(equipment)


def test_a_write_that_the_plc_refuses_is_a_fault_that_names_it(
    plc: OddModbusPlc, equipment: RunningEquipment
) -> None:
    plc.refused = {22: ExcCodes.DEVICE_BUSY}
    equipment.judge(7, "ok")
    words = "refuses to write 3 holding registers from 22: it is busy (Modbus exception 6, "
    wait_for("the fault", lambda: words in fault_of(equipment))


def test_a_connection_that_is_closed_is_a_loss_even_when_the_next_one_comes_at_once(
    plc: OddModbusPlc, equipment: RunningEquipment
) -> None:
    plc.put("Line.PartCounter", 1)
    wait_for("the trigger", lambda: len(equipment.triggered()) == 1)
    known = equipment.triggered()[0].received_monotonic_ns
    plc.hang_up()
    wait_for("the loss", lambda: "closed the connection" in fault_of(equipment))
    equipment.wait_until_ready()
    equipment.judge(1, "ok", triggered_monotonic_ns=known)
    wait_for(
        "the verdict is held back",
        lambda: equipment.health.build_report().counters.get("verdicts_not_forwarded", 0) == 1,
    )
    assert plc.writes_to("Verdict.Strobe") == []


def test_a_server_that_takes_calls_and_says_nothing_is_a_fault_with_the_time_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"modbus-tcp://127.0.0.1:{silent.getsockname()[1]}"
        with running_equipment(endpoint, link={"request_timeout_s": 0.2}) as equipment:
            wait_for(
                "the fault",
                lambda: (
                    "no answer to a request to read" in fault_of(equipment)
                    and "within 0.2 s (requestTimeoutS)" in fault_of(equipment)
                ),
            )


def test_other_registers_may_be_configured(plc: OddModbusPlc) -> None:
    registers = PlcRegisters(verdict_part_number=650, verdict_code=660, verdict_strobe=670)
    with running_equipment(plc.endpoint, link={"registers": registers}) as equipment:
        equipment.wait_until_ready()
        equipment.judge(7, "ok")
        wait_for("the strobe", lambda: plc.words[671] == 1)
    own = [write for write in plc.written if write[0] >= 650]
    # the old code first of all: the PLC never sees it beside the new number
    assert own == [(660, [0]), (650, [0, 7]), (660, [1]), (670, [0, 1])]
