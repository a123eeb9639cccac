"""Pictures after a power cut, and after the clock of a station without a battery was set."""

import os
import stat
import time
from pathlib import Path

import pytest

from publisher.evidence.folder_store import FolderEvidenceStore
from publisher.evidence.uploader import DEFAULT_RULES, EvidenceUploader
from publisher.evidence.wall_clock import WallClock
from sightline.backoff import Backoff
from sightline.errors import EvidenceError
from sightline.messaging.messages import Part
from sightline.storage.station_folder import evidence_key
from tests.unit.publisher.publisher_kit import STATION, wait_until
from tests.unit.publisher.test_evidence import KEY, a_health, spool_picture, stored_count

DAY_S = 86_400.0
YEAR_S = 365 * DAY_S


def test_a_picture_and_its_name_are_on_disk_before_it_leaves_the_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, kept = spool_picture(tmp_path / "spool", KEY), tmp_path / "store" / KEY
    synced, fsync = [], os.fsync

    def watched(descriptor: int) -> None:
        of_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append((of_folder, kept.exists(), picture.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    health = a_health()
    uploader = EvidenceUploader(
        tmp_path / "spool", FolderEvidenceStore(tmp_path / "store", 1 << 20), health
    )
    uploader.start()
    wait_until(lambda: stored_count(health) == 1)
    assert uploader.close()
    assert synced == [(False, False, True), (True, True, True)]


class Clocks:
    """A wall clock that is set while the monotonic one goes on."""

    def __init__(self) -> None:
        self.wall_s, self.monotonic_s = 1000.0, 50.0
        self.seen = WallClock(lambda: self.wall_s, lambda: self.monotonic_s)

    def pass_seconds(self, seconds: float) -> None:
        self.wall_s += seconds
        self.monotonic_s += seconds

    def age_s(self, noted_s: float) -> float:
        return self.seen.now_s() - self.seen.to_current_s(noted_s)


def test_the_age_of_a_picture_is_the_time_that_passed_whatever_the_clock_was_set_to() -> None:
    clocks = Clocks()
    clocks.pass_seconds(10)
    first = clocks.wall_s
    clocks.pass_seconds(5)
    clocks.wall_s += 50 * YEAR_S
    assert clocks.age_s(first) == pytest.approx(5)
    clocks.pass_seconds(100)
    second = clocks.wall_s
    clocks.pass_seconds(20)
    clocks.wall_s += 3600
    assert clocks.age_s(first) == pytest.approx(125)
    assert clocks.age_s(second) == pytest.approx(20)


def test_a_clock_that_is_corrected_a_little_or_set_back_makes_nothing_older() -> None:
    clocks = Clocks()
    noted_s = clocks.wall_s
    clocks.wall_s += 59
    assert clocks.age_s(noted_s) == pytest.approx(59)
    clocks.wall_s -= 3600
    assert clocks.age_s(noted_s) < 0
    assert clocks.age_s(clocks.wall_s) == 0


class Away(FolderEvidenceStore):
    """A store that takes nothing."""

    def put(self, key: str, path: Path) -> None:
        raise EvidenceError("away")


def test_pictures_that_wait_are_not_given_up_because_the_clock_was_set(tmp_path: Path) -> None:
    spool, health, jumped_s = tmp_path / "spool", a_health(), [-YEAR_S]
    clock = WallClock(lambda: time.time() + jumped_s[0])
    keys = [evidence_key(STATION, Part(7, number), "cam1") for number in (1, 2)]
    paths = [spool_picture(spool, key) for key in keys]
    for path, age_s in zip(paths, (10.0, 20 * DAY_S), strict=True):
        written_s = time.time() - YEAR_S - age_s
        os.utime(path, (written_s, written_s))
    jumped_s[0] = 0.0
    store = Away(tmp_path / "store", 1)
    uploader = EvidenceUploader(
        spool, store, health, Backoff(0.005, 0.02), rules=DEFAULT_RULES, clock=clock
    )
    uploader.start()
    wait_until(lambda: health.build_report().counters.get("evidence_dropped_age", 0) == 1)
    wait_until(lambda: health.build_report().counters.get("evidence_failed", 0) >= 2)
    assert uploader.close()
    assert [path.exists() for path in paths] == [True, False]
