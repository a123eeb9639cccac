"""A paused station lets no part through, whatever was restarted meanwhile."""

from pathlib import Path

import pytest

from equipment.pausing import DISK, PAUSED_FAULT
from sightline.bus import Delivery
from sightline.messages import Mode, StationMode, Verdict
from sightline.topics import STATION_MODE
from tests.unit.equipment.driven import NOW, STATION, Driven, S, a_verdict


def tell(driven: Driven, mode: Mode) -> None:
    told = StationMode(station_id=STATION, mode=mode, since_utc_ns=NOW, command_id="c-1")
    driven.component.handle(Delivery(STATION_MODE, told, driven.clock.now_ns))


def connected(folder: Path) -> Driven:
    driven = Driven(folder)
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
    assert [order.part_number for order in driven.link.orders()] == [1, 4]
    assert driven.counter("verdicts_not_forwarded") == 2


@pytest.mark.parametrize("verdict", ["defect", "review", "missed", "empty"])
def test_what_is_rejected_anyway_is_told_to_the_plc_as_ever(
    tmp_path: Path, verdict: Verdict
) -> None:
    driven = connected(tmp_path)
    tell(driven, "paused")
    driven.judge(a_verdict(1, verdict=verdict))
    assert [order.verdict for order in driven.link.orders()] == [verdict]


def test_a_pause_is_known_at_once_after_a_restart_and_so_is_its_end(tmp_path: Path) -> None:
    tell(connected(tmp_path), "paused")
    restarted = connected(tmp_path)
    assert PAUSED_FAULT in restarted.faults()
    restarted.judge(a_verdict(1))
    assert restarted.link.orders() == []
    tell(restarted, "production")
    after = connected(tmp_path)
    after.judge(a_verdict(2))
    assert [order.part_number for order in after.link.orders()] == [2]


def test_a_pause_that_the_disk_does_not_keep_is_in_force_and_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    driven = connected(tmp_path)
    driven.component._pausing._file._path = tmp_path / "file" / "mode.txt"
    tell(driven, "paused")
    driven.judge(a_verdict(1))
    assert driven.link.orders() == []
    assert DISK in driven.faults()
