"""Too many parts missed in a row stop the belt until an operator acknowledges it, over both protocols."""

import time
from collections.abc import Iterator

import pytest

from tests.faults.plc_and_equipment import RunningPlc, running_equipment, running_plc, wait_for


@pytest.fixture(scope="module", params=["opcua", "modbus"])
def running(request: pytest.FixtureRequest) -> Iterator[RunningPlc]:
    with running_plc(gate_delay_s=0.4, protocol=request.param) as plc:
        yield plc


@pytest.fixture
def plc(running: RunningPlc) -> RunningPlc:
    running.run(running.plc.acknowledge_line_stop())
    return running


def test_the_belt_stands_after_so_many_missed_in_a_row_until_an_operator_acknowledges(
    plc: RunningPlc,
) -> None:
    with running_equipment(
        plc.plc.endpoint, line_stop_after_missed=3, sample_interval_s=0.1
    ) as equipment:
        equipment.wait_until_ready()
        for number in (1, 2, 3):
            equipment.judge(number, "missed" if number != 2 else "defect")
        for number in (4, 5):
            equipment.judge(number, "missed")
        wait_for("the belt to stand", lambda: plc.plc.line_stop_active)
        assert equipment.health.build_report().counters["line_stops_asked_for"] == 1
        wait_for("the fault", lambda: "3 parts missed in a row" in _fault(equipment.faults()))
        wait_for(
            "the readings say that it stands",
            lambda: any(
                sample.tag == "line_running" and sample.value is False
                for sample in equipment.samples()[-1].samples
            ),
        )
        waiting = plc.count_part()  # it waits with the belt
        equipment.judge(waiting, "ok")
        wait_for("its verdict", lambda: _taken(equipment.health.build_report().counters) == 1)
        due_s = time.monotonic() + 0.5  # the way to the gate takes 0.4 s of running belt
        wait_for("its time to be over, did the belt run", lambda: time.monotonic() > due_s)
        assert waiting not in plc.outcomes
        plc.run(plc.plc.acknowledge_line_stop())
        assert plc.outcome(waiting) == ("passed", "ok")
        wait_for("the fault to end", lambda: "line-stop" not in equipment.faults())


def test_a_station_that_begins_while_the_belt_stands_says_so(plc: RunningPlc) -> None:
    with running_equipment(plc.plc.endpoint, line_stop_after_missed=1) as equipment:
        equipment.wait_until_ready()
        equipment.judge(1, "missed")
        wait_for("the belt to stand", lambda: plc.plc.line_stop_active)
    with running_equipment(plc.plc.endpoint) as equipment:
        wait_for("the fault", lambda: "line-stop" in equipment.faults())


def _fault(faults: dict[str, str]) -> str:
    return faults.get("line-stop", "")


def _taken(counters: dict[str, int]) -> int:
    return counters.get("verdicts_taken_by_plc", 0)
