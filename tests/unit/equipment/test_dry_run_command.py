"""The command `gate_dry_run`: carried out once, its reply with all trials, and nobody waits for the cloud."""

import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from equipment.configuration import LinkConfiguration
from equipment.dry_run import ECHO_TIMEOUT_NS
from equipment.links.link import (
    GateRecord,
    OutcomesRead,
    VerdictEchoed,
    WriteHeartbeat,
    WriteVerdict,
)
from equipment.links.opcua_configuration import OpcuaConfiguration, PlcNodes
from sightline.messaging.messages import CommandAccepted, CommissioningStep
from sightline.messaging.topics import COMMAND_ACCEPTED, COMMISSIONING_STEP, MessageStream
from tests.faults.plc_and_equipment import wait_for
from tests.unit.equipment.equipment_kit import NOW, STATION, EquipmentUnderTest, S

LINK = LinkConfiguration(opcua=OpcuaConfiguration(nodes=PlcNodes(dry_run="ns=2;s=DryRun")))


@pytest.fixture
def driven() -> Iterator[EquipmentUnderTest]:
    driven = EquipmentUnderTest(link=LINK)
    driven.connect(40)
    yield driven
    driven.component.close()


def send(driven: EquipmentUnderTest, name: str = "dry-1", **arguments: Any) -> None:
    """The publisher sends an accepted command, perhaps again."""
    command = CommandAccepted(
        station_id=STATION,
        command_id=name,
        kind="gate_dry_run",
        arguments=arguments,
        issued_by="maria",
        sequence=1,
        accepted_utc_ns=NOW,
        expires_utc_ns=NOW + 60 * S,
    )
    driven.deliver(COMMAND_ACCEPTED, command)


def steps(driven: EquipmentUnderTest, count: int) -> list[CommissioningStep]:
    """The replies, once there are so many."""
    found = driven.exchange.messages_on
    wait_for(f"{count} replies", lambda: len(found(COMMISSIONING_STEP)) >= count)
    return [step for step in found(COMMISSIONING_STEP) if isinstance(step, CommissioningStep)]


def trials(driven: EquipmentUnderTest) -> list[WriteVerdict]:
    return [order for order in driven.link.verdict_writes() if order.dry_run]


def go_through(driven: EquipmentUnderTest, order: WriteVerdict, outcomes: int) -> None:
    """The PLC echoes a trial and its gate does what it was ordered."""
    driven.component.handle(VerdictEchoed(order.part_number))
    action: Any = "passed" if order.verdict == "ok" else "rejected"
    record = GateRecord(order.part_number, action, driven.clock.now_ns, "")
    driven.component.handle(OutcomesRead(outcomes, (record,)))
    driven.advance(0.1)


def test_the_reply_follows_the_last_trial_and_a_repeat_gets_it_again(
    driven: EquipmentUnderTest,
) -> None:
    for _ in range(2):  # the second comes while the run is under way
        send(driven, parts=2)
        driven.advance(0.1)
    go_through(driven, trials(driven)[0], 1)
    go_through(driven, trials(driven)[1], 2)
    send(driven, parts=2)
    first, again = steps(driven, 2)
    assert first == again
    assert (first.result, first.kind) == ("done", "gate_dry_run")
    assert [trial.acted for trial in first.trials] == ["passed", "rejected"]
    assert len(trials(driven)) == 2
    assert driven.counter("verdicts_taken_by_plc") == 0


def test_another_dry_run_is_refused_while_one_runs(driven: EquipmentUnderTest) -> None:
    send(driven, "dry-1")
    send(driven, "dry-2")
    (step,) = steps(driven, 1)
    assert (step.command_id, step.result, step.trials) == ("dry-2", "failed", ())
    assert "already running" in step.text


def test_a_run_that_the_plc_does_not_take_fails_with_its_trial(driven: EquipmentUnderTest) -> None:
    send(driven)
    driven.advance(0.1)
    driven.advance(ECHO_TIMEOUT_NS / S + 0.1)
    (step,) = steps(driven, 1)
    assert (step.result, len(step.trials)) == ("failed", 1)
    assert "the PLC did not take it" in step.text


def test_a_connection_that_is_lost_ends_the_run(driven: EquipmentUnderTest) -> None:
    send(driven)
    driven.disconnect()
    driven.connect(40)
    send(driven, "dry-2")
    driven.advance(0.1)
    (step,) = steps(driven, 1)
    assert (step.command_id, step.result) == ("dry-1", "failed")
    assert len(trials(driven)) == 1


def test_while_the_cloud_takes_no_reply_the_heartbeat_goes_on(
    driven: EquipmentUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, whole = threading.Event(), driven.bus.publish

    def publish(stream: MessageStream, message: msgspec.Struct) -> None:
        if stream.route == "cloud":
            assert cloud.wait(20)
        whole(stream, message)

    monkeypatch.setattr(driven.bus, "publish", publish)
    driven.disconnect()
    send(driven)
    for _ in range(5):
        driven.advance(0.1)
    assert driven.link.count_requests(WriteHeartbeat) == 5
    assert driven.exchange.messages_on(COMMISSIONING_STEP) == []
    cloud.set()
    (step,) = steps(driven, 1)
    assert "not connected" in step.text
