"""Each part goes where the gate sends it, or somebody is told and the line stops: over both protocols."""

from collections.abc import Iterator
from typing import Any

import pytest

from hil.plant.gate_confirmation import ConfirmationSettings
from sightline.messaging.messages import Verdict
from tests.faults.plc_and_equipment import (
    RunningEquipment,
    RunningPlc,
    behind_the_gate,
    running_equipment,
    running_plc,
    wait_for,
)

BOTH_SENSORS = ConfirmationSettings(has_good_lane_sensor=True, chute_to_s=0.3, good_lane_m=0.1)


@pytest.fixture(scope="module", params=["opcua", "modbus"])
def running(request: pytest.FixtureRequest) -> Iterator[RunningPlc]:
    with running_plc(
        gate_delay_s=0.4, protocol=request.param, confirmation=BOTH_SENSORS, stop_if_bin_full=False
    ) as plc:
        yield plc


@pytest.fixture
def plc(running: RunningPlc) -> RunningPlc:
    running.run(running.plc.set_bin_full(False))
    running.run(running.plc.set_belt_speed(0.5))
    running.run(running.plc.acknowledge_line_stop())
    return running


def station(plc: RunningPlc, **configuration: Any) -> Any:
    """The equipment component, which knows where the PLC tells what it sees behind the gate."""
    endpoint = plc.plc.endpoint
    return running_equipment(endpoint, link=behind_the_gate(endpoint), **configuration)


def send(plc: RunningPlc, equipment: RunningEquipment, verdict: Verdict) -> int:
    """A part is counted, judged and comes to the gate; its number."""
    number = plc.count_part()
    wait_for("the trigger", lambda: any(t.counter == number for t in equipment.triggered()))
    equipment.judge(number, verdict)
    assert plc.outcome(number)[0] == ("passed" if verdict == "ok" else "rejected")
    return number


def seen(equipment: RunningEquipment, number: int) -> str:
    """Where the station says that a part was seen, for the outcome that it told of it."""

    def told() -> list[str]:
        acted = {(a.part_number, a.acted_utc_ns): a for a in equipment.gate_acted()}
        found = [c for c in equipment.gate_confirmed() if c.part_number == number]
        assert all(acted[c.part_number, c.acted_utc_ns].awaits_confirmation for c in found)
        return [c.confirmation for c in found]

    wait_for(f"the confirmation of part {number}", lambda: bool(told()))
    return told()[-1]


def fault(equipment: RunningEquipment, code: str, *texts: str) -> None:
    """Wait for a fault that says all this."""
    wait_for(f"the fault {code}", lambda: code in equipment.faults())
    for text in texts:
        assert text in equipment.faults()[code]


def line_stops(plc: RunningPlc, equipment: RunningEquipment) -> None:
    """The belt stands; an operator looks after it, and the station's faults end."""
    wait_for("the belt to stand", lambda: plc.plc.line_stop_active)
    fault(equipment, "line-stop", "This station requested it: ")
    plc.run(plc.plc.acknowledge_line_stop())
    wait_for("the faults to end", lambda: not equipment.faults())


def test_parts_that_go_where_they_are_sent_are_confirmed(plc: RunningPlc) -> None:
    with station(plc) as equipment:
        equipment.wait_until_ready()
        numbers = [send(plc, equipment, verdict) for verdict in ("ok", "defect", "ok", "missed")]
        assert [seen(equipment, number) for number in numbers] == ["confirmed"] * 4
        assert equipment.faults() == {}


def test_a_chute_that_lets_a_part_fall_back_stops_the_line(plc: RunningPlc) -> None:
    with station(plc, line_stop_if_not_confirmed=True) as equipment:
        equipment.wait_until_ready()
        plc.plc.lanes.falling_back = 1
        number = send(plc, equipment, "defect")
        wait_for("where it is", lambda: seen(equipment, number) in ("unexpected", "not_arrived"))
        wait_for("a fault", lambda: any(code.startswith("reject-") for code in equipment.faults()))
        assert any(f"part {number}" in text for text in equipment.faults().values())
        line_stops(plc, equipment)


def test_an_ok_part_that_is_blown_out_stops_the_line(plc: RunningPlc) -> None:
    with station(plc, line_stop_if_not_confirmed=True) as equipment:
        equipment.wait_until_ready()
        plc.plc.lanes.blown_out = 1
        number = send(plc, equipment, "ok")
        assert seen(equipment, number) == "unexpected"
        fault(equipment, "reject-unexpected", f"part {number}", "did not send it")
        line_stops(plc, equipment)


def test_where_no_line_stop_is_configured_the_fault_says_it_alone(plc: RunningPlc) -> None:
    with station(plc) as equipment:
        equipment.wait_until_ready()
        plc.plc.lanes.blown_out = 1
        number = send(plc, equipment, "ok")
        fault(equipment, "reject-unexpected", f"part {number}")
        assert not plc.plc.line_stop_active
        assert seen(equipment, send(plc, equipment, "ok")) == "confirmed"
        assert "reject-unexpected" in equipment.faults()


def test_a_full_bin_stops_the_line_until_it_is_emptied(plc: RunningPlc) -> None:
    with station(plc) as equipment:
        equipment.wait_until_ready()
        plc.run(plc.plc.set_bin_full(True))
        fault(equipment, "reject-bin-full", "Empty it")
        wait_for("the belt to stand", lambda: plc.plc.line_stop_active)
        fault(equipment, "line-stop", "the reject bin is full")
        plc.run(plc.plc.acknowledge_line_stop())
        wait_for("it stands again", lambda: _stops(equipment) >= 2 and plc.plc.line_stop_active)
        plc.run(plc.plc.set_bin_full(False))
        wait_for("room", lambda: "reject-bin-full" not in equipment.faults())
        line_stops(plc, equipment)


def test_a_bin_that_is_full_when_the_station_begins_is_told_at_once(plc: RunningPlc) -> None:
    plc.run(plc.plc.set_bin_full(True))
    with station(plc, line_stop_if_bin_full=False) as equipment:
        fault(equipment, "reject-bin-full")
        assert not plc.plc.line_stop_active


def test_so_many_rejects_in_a_row_stop_the_line_whatever_their_cause(plc: RunningPlc) -> None:
    with station(plc, max_rejects_in_row=3, line_stop_if_rejects_in_row=True) as equipment:
        equipment.wait_until_ready()
        send(plc, equipment, "ok")
        for verdict in ("defect", "missed"):
            send(plc, equipment, verdict)
        send(plc, equipment, "ok")
        assert not plc.plc.line_stop_active
        send(plc, equipment, "defect")
        send(plc, equipment, "review")
        unjudged = plc.count_part()
        assert plc.outcome(unjudged) == ("rejected", "no_verdict")
        fault(equipment, "rejects-in-a-row", "3 parts in a row", f"{unjudged}", "no_verdict")
        line_stops(plc, equipment)


def test_three_parts_between_trigger_and_gate_meet_their_verdicts_over_a_stopped_belt(
    plc: RunningPlc,
) -> None:
    verdicts: tuple[Verdict, ...] = ("ok", "defect", "ok")
    with station(plc) as equipment:
        equipment.wait_until_ready()
        plc.run(plc.plc.set_belt_speed(0.2))
        numbers = [plc.count_part() for _ in verdicts]
        plc.run(plc.plc.set_belt_speed(0.0))
        wait_for("the triggers", lambda: numbers[-1] in _counters(equipment))
        for number, verdict in zip(numbers, verdicts, strict=True):
            equipment.judge(number, verdict)
        wait_for("the verdicts", lambda: plc.plc.last_echo == numbers[-1])
        assert not any(number in plc.outcomes for number in numbers)
        plc.run(plc.plc.set_belt_speed(0.8))
        outcomes = [plc.outcome(number) for number in numbers]
        assert outcomes == [("passed", "ok"), ("rejected", "not_ok"), ("passed", "ok")]
        acted = [plc.outcomes[number].outcome.arrived_ns for number in numbers]
        assert acted == sorted(acted)


def test_a_plc_without_sensors_is_asked_for_nothing(plc: RunningPlc) -> None:
    with running_equipment(plc.plc.endpoint) as equipment:
        equipment.wait_until_ready()
        number = send(plc, equipment, "defect")
        wait_for("the outcome", lambda: number in [a.part_number for a in equipment.gate_acted()])
        assert equipment.gate_confirmed() == []
        assert not any(acted.awaits_confirmation for acted in equipment.gate_acted())


def test_a_publisher_that_begins_is_told_again_where_parts_were_seen(plc: RunningPlc) -> None:
    with station(plc) as equipment:
        equipment.wait_until_ready()
        number = send(plc, equipment, "defect")
        assert seen(equipment, number) == "confirmed"
        before = len(equipment.gate_confirmed())
        equipment.start_publisher()
        wait_for("it again", lambda: len(equipment.gate_confirmed()) >= 2 * before)


def _counters(equipment: RunningEquipment) -> list[int]:
    return [trigger.counter for trigger in equipment.triggered()]


def _stops(equipment: RunningEquipment) -> int:
    return equipment.health.build_report().counters.get("line_stops_asked_for", 0)
