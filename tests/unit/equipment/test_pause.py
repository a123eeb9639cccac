"""A paused station lets no part through, whatever was restarted meanwhile."""

from pathlib import Path
from typing import Any

import pytest

from equipment.station_mode import MODE_NOT_STORED, NOT_ALLOWED
from sightline.messaging.messages import OperatingMode, Verdict
from tests.unit.equipment.equipment_kit import EquipmentUnderTest, S, a_verdict

PAUSED_FAULT = "station-paused"


def tell(driven: EquipmentUnderTest, mode: OperatingMode) -> None:
    driven.deliver_mode(mode)


def connected(folder: Path, **configuration: Any) -> EquipmentUnderTest:
    driven = EquipmentUnderTest(folder, **configuration)
    driven.clock.now_ns -= S
    driven.connect()
    driven.clock.now_ns += S
    return driven


def test_no_ok_is_forwarded_while_paused_and_again_when_resumed(tmp_path: Path) -> None:
    driven = connected(tmp_path)
    driven.judge(a_verdict(1))
    tell(driven, "paused")
    assert PAUSED_FAULT in driven.faults()
    driven.judge(a_verdict(2))
    tell(driven, "paused")
    driven.judge(a_verdict(3))
    tell(driven, "production")
    assert PAUSED_FAULT not in driven.faults()
    driven.judge(a_verdict(4))
    assert [order.part_number for order in driven.link.verdict_writes()] == [1, 4]
    assert driven.counter("verdicts_not_forwarded") == 2


@pytest.mark.parametrize("verdict", ["defect", "review", "missed", "empty"])
def test_what_is_rejected_anyway_is_told_to_the_plc_as_ever(
    tmp_path: Path, verdict: Verdict
) -> None:
    driven = connected(tmp_path)
    tell(driven, "paused")
    driven.judge(a_verdict(1, verdict=verdict))
    assert [order.verdict for order in driven.link.verdict_writes()] == [verdict]


def test_a_pause_is_known_at_once_after_a_restart_and_so_is_its_end(tmp_path: Path) -> None:
    tell(connected(tmp_path), "paused")
    restarted = connected(tmp_path, mode=None)
    assert PAUSED_FAULT in restarted.faults()
    restarted.judge(a_verdict(1))
    assert restarted.link.verdict_writes() == []
    tell(restarted, "production")
    after = connected(tmp_path, mode=None)
    assert PAUSED_FAULT not in after.faults()


def test_a_pause_that_the_disk_does_not_keep_is_in_force_and_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    driven = connected(tmp_path)
    driven.component._mode._file._path = tmp_path / "file" / "mode.txt"
    tell(driven, "paused")
    driven.judge(a_verdict(1))
    assert driven.link.verdict_writes() == []
    assert MODE_NOT_STORED in driven.faults()


def test_in_maintenance_no_part_passes_and_the_plc_is_told_what_is_rejected_anyway(
    tmp_path: Path,
) -> None:
    driven = connected(tmp_path)
    tell(driven, "maintenance")
    driven.judge(a_verdict(1))
    driven.judge(a_verdict(2, verdict="defect"))
    assert [order.part_number for order in driven.link.verdict_writes()] == [2]
    assert "station-maintenance" in driven.faults()


def test_a_bypass_lets_each_part_through_when_it_is_counted_and_no_verdict_follows(
    tmp_path: Path,
) -> None:
    driven = connected(tmp_path, allow_bypass=True)
    tell(driven, "bypass")
    driven.deliver_counter(1)
    driven.judge(a_verdict(1, verdict="defect"))
    tell(driven, "production")
    driven.deliver_counter(2)
    driven.judge(a_verdict(2, verdict="defect"))
    orders = [(order.part_number, order.verdict) for order in driven.link.verdict_writes()]
    assert orders == [(1, "ok"), (2, "defect")]
    assert driven.counter("parts_bypassed") == 1


def test_a_bypass_that_the_configuration_does_not_allow_changes_nothing_and_is_a_fault(
    tmp_path: Path,
) -> None:
    driven = connected(tmp_path)
    tell(driven, "bypass")
    driven.deliver_counter(1)
    driven.judge(a_verdict(1, verdict="defect"))
    assert [order.verdict for order in driven.link.verdict_writes()] == ["defect"]
    assert NOT_ALLOWED in driven.faults()
    tell(driven, "production")
    assert NOT_ALLOWED not in driven.faults()


def test_a_number_that_the_plc_counts_anew_is_not_taken_for_one_that_was_let_through(
    tmp_path: Path,
) -> None:
    driven = connected(tmp_path, allow_bypass=True)
    tell(driven, "bypass")
    driven.deliver_counter(7)
    tell(driven, "production")
    driven.deliver_counter(1)  # the PLC began anew
    driven.deliver_counter(7)
    driven.judge(a_verdict(7, triggered_monotonic_ns=driven.clock.now_ns))
    assert [order.part_number for order in driven.link.verdict_writes()] == [7, 7]


def test_a_number_that_comes_again_when_the_counter_went_round_is_not_taken_for_one_let_through(
    tmp_path: Path,
) -> None:
    driven = connected(tmp_path, allow_bypass=True)
    tell(driven, "bypass")
    driven.deliver_counter(7)
    driven.deliver_counter(2**16 - 2)
    tell(driven, "production")
    driven.deliver_counter(5)
    driven.judge(a_verdict(2**16 - 2))  # let through just before the top
    driven.deliver_counter(7)
    driven.judge(a_verdict(7))
    assert [order.part_number for order in driven.link.verdict_writes()] == [7, 2**16 - 2, 7]


def test_a_challenge_part_never_passes_whatever_is_found_on_it(tmp_path: Path) -> None:
    driven = connected(tmp_path)
    driven.judge(a_verdict(1, challenge="scratch"))
    driven.judge(a_verdict(2, challenge="scratch", verdict="defect"))
    assert [order.part_number for order in driven.link.verdict_writes()] == [2]
