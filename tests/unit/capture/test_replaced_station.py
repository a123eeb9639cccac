"""A machine that takes the place of another gives no part the number of another, and says where it begins."""

import shutil
from pathlib import Path

import pytest

from capture.component import NUMBERING_FILE
from capture.numbering import IDENTITY_FILE
from inference.ledger.part_sequence import NumberGap, find_gaps_before
from sightline.messaging.messages import Part
from tests.unit.capture.capture_kit import CaptureUnderTest, ManualClock
from tests.unit.capture.conftest import StartStation

FILES = (NUMBERING_FILE, IDENTITY_FILE, "numbering.epoch")


def restore_backup(folder: Path, backup: Path) -> None:
    """The files as they were, on another disk: with the same content, and each another file."""
    for name in FILES:
        copy = folder / f"{name}.copy"
        shutil.copyfile(backup / name, copy)
        copy.replace(folder / name)


@pytest.fixture
def backed_up(start_station: StartStation, pictures: Path, tmp_path: Path) -> CaptureUnderTest:
    """A station that counted to 3, was saved, and counted on to 6."""
    station = start_station()
    station.trigger(1, 2, 3)
    backup = tmp_path / "backup"
    backup.mkdir()
    for name in FILES:
        shutil.copyfile(tmp_path / name, backup / name)
    station.trigger(4, 5, 6)
    return station


def test_a_restored_backup_gives_no_number_again_and_records_none_as_missed_under_an_old_id(
    backed_up: CaptureUnderTest, start_station: StartStation, tmp_path: Path
) -> None:
    restore_backup(tmp_path, tmp_path / "backup")
    restored = start_station()
    assert "came with a copy of this folder" in restored.faults["part-counter"]
    restored.trigger(9)
    (captured,) = restored.captured
    assert captured.part.epoch > backed_up.captured[-1].part.epoch
    judged_last = Part(backed_up.captured[0].part.epoch, 3)  # by the ledger of the same backup
    assert find_gaps_before(judged_last, captured.part, captured) == [
        NumberGap(captured.part.epoch, 4, 8)
    ]


def test_after_it_the_station_goes_on_as_any_other(
    backed_up: CaptureUnderTest, start_station: StartStation, tmp_path: Path
) -> None:
    restore_backup(tmp_path, tmp_path / "backup")
    restored = start_station()
    restored.trigger(9)
    again = start_station()
    assert again.faults == {}
    again.trigger(10)
    assert again.captured[0].part == Part(restored.captured[0].part.epoch, 10)


def test_a_backup_restored_twice_gives_no_number_twice(
    backed_up: CaptureUnderTest, start_station: StartStation, tmp_path: Path
) -> None:
    given: list[Part] = [captured.part for captured in backed_up.captured]
    for seconds in (60, 120, 180):
        restore_backup(tmp_path, tmp_path / "backup")
        clock = ManualClock()
        clock.advance(seconds)
        station = start_station(clock=clock)
        station.trigger(9)
        given += [captured.part for captured in station.captured]
    assert len(set(given)) == len(given)


def test_a_station_of_the_last_release_goes_on_without_a_new_epoch(
    backed_up: CaptureUnderTest, start_station: StartStation, tmp_path: Path
) -> None:
    (tmp_path / IDENTITY_FILE).unlink()
    updated = start_station()
    updated.trigger(7)
    assert updated.captured[0].part == Part(backed_up.captured[0].part.epoch, 7)
    assert updated.faults == {}
    assert (tmp_path / IDENTITY_FILE).is_file()


def test_an_empty_disk_at_a_line_that_runs_says_which_epoch_begins(
    station: CaptureUnderTest,
) -> None:
    station.trigger(5000)
    epoch = station.captured[0].part.epoch
    words = station.faults["part-counter"]
    assert "no memory of its parts, and the PLC has counted to 5000" in words
    assert f"Epoch {epoch} begins with part 5000" in words
    (fault,) = station.health.build_report().faults
    assert fault.level == "warning"
    assert station.health.build_report().facts["first_epoch"] in words
    station.advance(61)
    assert "part-counter" not in station.faults


def test_a_new_line_begins_without_a_word_of_warning(station: CaptureUnderTest) -> None:
    station.trigger(1)
    assert "part-counter" not in station.faults
    assert "begins with part 1" in station.health.build_report().facts["first_epoch"]
