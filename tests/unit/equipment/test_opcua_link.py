"""The link against a real OPC UA server: order of writes, restart, a stalled loop."""

import time
from collections.abc import Callable

from asyncua import ua

from equipment.configuration import EquipmentConfiguration
from tests.faults.plc_and_equipment import RunningEquipment, link_to, running_equipment, wait_for
from tests.unit.equipment.odd_plc import OddPlc, odd_plc

UINT32 = ua.VariantType.UInt32


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
    equipment.hang_link()
    beats = settled(lambda: len(plc.writes("Station.Heartbeat")))
    equipment.hang_link(False)
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


def test_a_new_configuration_leaves_the_old_plc_for_the_new(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    with odd_plc() as other:
        link = link_to(other.endpoint)
        equipment.reconfigure(EquipmentConfiguration(link=link, equipment_id="conveyor-2"))
        wait_for("beats there", lambda: bool(other.writes("Station.Heartbeat")))
        equipment.wait_until_ready()
        beats = settled(lambda: len(plc.writes("Station.Heartbeat")))
        plc.put("Line.PartCounter", 9, UINT32)
        other.put("Line.PartCounter", 3, UINT32)
        wait_for("its trigger", lambda: [t.counter for t in equipment.triggered()] == [3])
        assert len(plc.writes("Station.Heartbeat")) == beats
        assert equipment.faults() == {}


def test_a_verdict_whose_time_is_over_when_its_turn_comes_is_not_written(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    margin_ns = 20_000_000
    equipment.judge(7, "ok", deadline_monotonic_ns=time.monotonic_ns() + margin_ns)
    wait_for(
        "it is held back",
        lambda: equipment.health.build_report().counters.get("verdicts_not_forwarded", 0) == 1,
    )
    assert plc.writes("Verdict.Strobe") == []
