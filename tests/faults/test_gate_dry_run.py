"""A dry run exercises the whole hand-shake and counts no part, over both protocols; never in production."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from equipment.dry_run import FIRST_TRIAL_NUMBER
from equipment.links.modbus_configuration import PlcRegisters
from equipment.links.opcua_configuration import PlcNodes
from sightline.messaging.messages import (
    CommandAccepted,
    CommissioningStep,
    OperatingMode,
    StationMode,
)
from sightline.messaging.topics import COMMAND_ACCEPTED, COMMISSIONING_STEP, STATION_MODE
from tests.faults.plc_and_equipment import (
    STATION,
    RunningEquipment,
    RunningPlc,
    running_equipment,
    running_plc,
    wait_for,
)

NODES = PlcNodes(dry_run="nsu=urn:sightline:plc;s=Station.DryRun")
REGISTERS = PlcRegisters(dry_run=28)


@pytest.fixture(scope="module", params=["opcua", "modbus"])
def plc(request: pytest.FixtureRequest) -> Iterator[RunningPlc]:
    with running_plc(gate_delay_s=0.3, protocol=request.param) as plc:
        yield plc


@pytest.fixture
def equipment(plc: RunningPlc, tmp_path: Path) -> Iterator[RunningEquipment]:
    wait_for("the belt to be empty", lambda: not plc.plc.parts_under_way)
    is_modbus = plc.plc.endpoint.startswith("modbus")
    link: dict[str, Any] = {"registers": REGISTERS} if is_modbus else {"nodes": NODES}
    with running_equipment(plc.plc.endpoint, link=link, work_folder=tmp_path) as equipment:
        equipment.wait_until_ready()
        yield equipment


def set_mode(equipment: RunningEquipment, mode: OperatingMode) -> None:
    """The publisher announces a mode, and the component has heard it."""
    told = StationMode(station_id=STATION, mode=mode, since_utc_ns=1)
    equipment.exchange.publish(STATION_MODE, msgspec.json.encode(told))
    wait_for("the mode", lambda: any(mode in code for code in equipment.faults()))


def order(equipment: RunningEquipment, sequence: int, **arguments: float) -> None:
    """A command as the publisher tells it."""
    now = time.time_ns()
    command = CommandAccepted(
        station_id=STATION,
        command_id=f"c-{sequence}",
        kind="gate_dry_run",
        issued_by="engineer",
        sequence=sequence,
        accepted_utc_ns=now,
        expires_utc_ns=now + 60_000_000_000,
        arguments={**arguments},
    )
    equipment.exchange.publish(COMMAND_ACCEPTED, msgspec.json.encode(command))


def answer(equipment: RunningEquipment, sequence: int) -> CommissioningStep:
    """What became of it."""

    def told() -> list[CommissioningStep]:
        steps = equipment.published(COMMISSIONING_STEP, CommissioningStep)
        return [step for step in steps if step.command_id == f"c-{sequence}"]

    wait_for("the answer", lambda: bool(told()))
    return told()[0]


def run(equipment: RunningEquipment, sequence: int, **arguments: float) -> CommissioningStep:
    """Order a dry run and wait for what became of it."""
    order(equipment, sequence, **arguments)
    return answer(equipment, sequence)


def test_each_trial_is_echoed_and_the_gate_opens_for_ok_only(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    counted = dict(plc.outcomes)
    step = run(equipment, 1, parts=4)
    assert step.result == "done", step.text
    assert [trial.ordered for trial in step.trials] == ["ok", "reject", "ok", "reject"]
    assert [trial.acted for trial in step.trials] == ["passed", "rejected", "passed", "rejected"]
    assert [trial.echoed for trial in step.trials] == [1, 2, 3, 4]
    for trial in step.trials:
        assert trial.order_to_echo_ms is not None
        assert trial.order_to_act_ms is not None
        assert trial.order_to_act_ms > 300 * 0.9
    assert plc.outcomes == counted
    assert all(acted.part_number < FIRST_TRIAL_NUMBER for acted in equipment.gate_acted())
    assert equipment.triggered() == []
    assert equipment.health.build_report().counters.get("verdicts_taken_by_plc", 0) == 0


def test_in_production_it_is_refused_and_in_maintenance_it_is_not(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    number = plc.count_part()
    wait_for("the trigger", lambda: bool(equipment.triggered()))
    step = run(equipment, 2)
    assert (step.result, step.trials) == ("failed", ())
    assert "production runs" in step.text
    plc.outcome(number)
    set_mode(equipment, "maintenance")
    assert run(equipment, 3, parts=2).result == "done"


def test_a_plc_with_parts_under_way_takes_no_trial(
    plc: RunningPlc, equipment: RunningEquipment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipment.dry_run.ECHO_TIMEOUT_NS", 400_000_000)
    set_mode(equipment, "paused")
    number = plc.count_part()
    step = run(equipment, 4, parts=6)
    assert len(step.trials) == 1
    assert step.result == "failed"
    assert "the PLC did not take it; are parts on the belt" in step.text
    assert plc.outcome(number)[0] == "rejected"


def test_a_part_that_comes_in_production_ends_the_run(
    plc: RunningPlc, equipment: RunningEquipment
) -> None:
    order(equipment, 5, parts=20)
    plc.count_part()
    assert "a part was counted meanwhile" in answer(equipment, 5).text


@pytest.mark.parametrize(
    ("more", "word"), [({"parts": 21}, "parts"), ({"part": 1}, "part")], ids=["many", "other"]
)
def test_wrong_arguments_are_refused_in_words(
    equipment: RunningEquipment, more: dict[str, float], word: str
) -> None:
    order(equipment, 6, **more)
    step = answer(equipment, 6)
    assert step.result == "failed"
    assert word in step.text


def test_a_plc_without_the_register_is_asked_for_nothing(plc: RunningPlc) -> None:
    with running_equipment(plc.plc.endpoint) as equipment:
        equipment.wait_until_ready()
        assert "no register for the dry run is configured" in run(equipment, 7).text
