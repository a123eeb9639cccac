"""The gate stays shut unless a fresh OK of this very part came in time: real PLC (over OPC UA and
Modbus), real equipment code."""

import time
from collections.abc import Iterator

import pytest

from sightline.messaging.messages import Verdict
from tests.faults.plc_and_equipment import (
    RunningEquipment,
    RunningPlc,
    running_equipment,
    running_plc,
    wait_for,
)


@pytest.fixture(scope="module", params=["opcua", "modbus"])
def plc(request: pytest.FixtureRequest) -> Iterator[RunningPlc]:
    with running_plc(gate_delay_s=0.65, protocol=request.param) as plc:
        yield plc


@pytest.fixture
def equipment(plc: RunningPlc) -> Iterator[RunningEquipment]:
    with running_equipment(plc.plc.endpoint) as equipment:
        equipment.wait_until_ready()
        yield equipment


def triggered(plc: RunningPlc, equipment: RunningEquipment) -> int:
    """Count a part and wait until the station knows of it."""
    number = plc.count_part()
    wait_for(
        f"the trigger of part {number}",
        lambda: any(trigger.counter == number for trigger in equipment.triggered()),
    )
    return number


def test_an_ok_in_time_opens_it(plc: RunningPlc, equipment: RunningEquipment) -> None:
    number = triggered(plc, equipment)
    equipment.judge(number, "ok")
    assert plc.outcome(number) == ("passed", "ok")


def test_no_verdict_keeps_it_shut(plc: RunningPlc, equipment: RunningEquipment) -> None:
    assert plc.outcome(triggered(plc, equipment)) == ("rejected", "no_verdict")


@pytest.mark.parametrize("verdict", ["defect", "review", "missed", "empty"])
def test_every_verdict_but_ok_keeps_it_shut(
    plc: RunningPlc, equipment: RunningEquipment, verdict: Verdict
) -> None:
    number = triggered(plc, equipment)
    equipment.judge(number, verdict)
    assert plc.outcome(number) == ("rejected", "not_ok")


def test_the_verdict_of_another_part_keeps_it_shut(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    number = triggered(plc, equipment)
    equipment.judge(number + 1, "ok")
    assert plc.outcome(number) == ("rejected", "wrong_part")


def test_a_verdict_past_its_deadline_is_not_even_forwarded(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    number = triggered(plc, equipment)
    equipment.judge(number, "ok", deadline_monotonic_ns=time.monotonic_ns() - 1)
    assert plc.outcome(number) == ("rejected", "no_verdict")
    assert equipment.health.build_report().counters["verdicts_not_forwarded"] == 1


def test_a_verdict_too_late_for_the_flap_keeps_it_shut(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    number = triggered(plc, equipment)
    arrives = plc.run(_next_arrival(plc))
    wait_for("the flap's last moment to pass", lambda: time.monotonic_ns() > arrives - 45_000_000)
    equipment.judge(number, "ok")
    assert plc.outcome(number)[0] == "rejected"


def test_a_deadline_of_another_boot_keeps_it_shut(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    number = triggered(plc, equipment)
    equipment.judge(number, "ok", boot_id="another boot")
    assert plc.outcome(number) == ("rejected", "no_verdict")


def test_a_replayed_ok_keeps_it_shut_though_its_deadline_is_not_over(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    number = triggered(plc, equipment)
    equipment.judge(number, "ok", replayed=True)
    assert plc.outcome(number) == ("rejected", "no_verdict")
    assert equipment.health.build_report().counters["verdicts_not_forwarded"] == 1


def test_a_replayed_ok_takes_nothing_from_the_fresh_one_before_it(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    number = triggered(plc, equipment)
    equipment.judge(number, "ok")
    equipment.judge(number, "ok", replayed=True)
    assert plc.outcome(number) == ("passed", "ok")


def test_a_part_that_a_camera_missed_is_for_review_and_keeps_it_shut(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    number = triggered(plc, equipment)
    equipment.judge(number, "review", missing_cameras=("cam3",))
    assert plc.outcome(number) == ("rejected", "not_ok")


def test_a_main_loop_that_hangs_stops_the_heartbeat_and_shuts_it(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    number = triggered(plc, equipment)
    equipment.judge(number, "ok")
    wait_for("the PLC to take the OK", lambda: _taken(equipment) == 1)
    equipment.hang_link()
    assert plc.outcome(number) == ("rejected", "heartbeat")
    equipment.hang_link(False)
    number = triggered(plc, equipment)
    equipment.judge(number, "ok")
    assert plc.outcome(number) == ("passed", "ok")


def test_a_heartbeat_that_the_plc_does_not_see_shuts_it(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    plc.plc.heartbeat_frozen = True
    try:
        number = triggered(plc, equipment)
        equipment.judge(number, "ok")
        assert plc.outcome(number) == ("rejected", "heartbeat")
    finally:
        plc.plc.heartbeat_frozen = False


def test_a_part_counted_before_the_connection_is_not_opened_for(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    number = triggered(plc, equipment)
    equipment.judge(number, "ok", triggered_monotonic_ns=0)
    assert plc.outcome(number) == ("rejected", "no_verdict")


def test_the_gate_tells_the_station_what_it_did_with_each_part(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    good, bad = triggered(plc, equipment), triggered(plc, equipment)
    equipment.judge(good, "ok")
    equipment.judge(bad, "defect")
    told = {good: "passed", bad: "rejected"}
    wait_for(
        "both outcomes to be told",
        lambda: told.items() <= {a.part_number: a.action for a in equipment.gate_acted()}.items(),
    )


def _taken(equipment: RunningEquipment) -> int:
    return equipment.health.build_report().counters.get("verdicts_taken_by_plc", 0)


async def _next_arrival(plc: RunningPlc) -> int:
    arrival = plc.plc._gate.next_arrival_ns()
    assert arrival is not None
    return arrival
