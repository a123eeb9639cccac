"""How pictures come from the spool into the store."""

import itertools
import os
from pathlib import Path

import pytest

from publisher.configuration import EvidenceStoreConfiguration
from publisher.evidence import folder_store
from publisher.evidence.folder_store import FolderEvidenceStore
from publisher.evidence.picture_spool import remove_old_folder
from publisher.evidence.registry import open_evidence_store
from publisher.evidence.uploader import NOT_STORED_FAULT, EvidenceUploader
from sightline.backoff import Backoff
from sightline.errors import EvidenceError
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import Part
from sightline.messaging.topics import PUBLISHER
from sightline.storage.station_folder import evidence_key
from tests.unit.publisher.publisher_kit import STATION, StandingClock, wait_until

KEY = evidence_key(STATION, Part(7, 1), "cam1")


def spool_picture(spool: Path, key: str, content: bytes = b"picture") -> Path:
    path = spool / key
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_bytes(content)
    return draft.rename(path)


def a_health() -> ComponentHealth:
    return ComponentHealth(PUBLISHER, "0", STATION, StandingClock())


def stored_count(health: ComponentHealth) -> int:
    return health.build_report().counters.get("evidence_stored", 0)


def test_finished_pictures_are_moved_to_the_store_and_drafts_are_left(tmp_path: Path) -> None:
    spool, health = tmp_path / "spool", a_health()
    spool_picture(spool, KEY, b"one")
    draft = spool / evidence_key(STATION, Part(7, 2), "cam1.jpg")
    draft.parent.mkdir(parents=True)
    draft = draft.with_suffix(".new")
    draft.write_bytes(b"half")
    uploader = EvidenceUploader(spool, FolderEvidenceStore(tmp_path / "store", 1 << 20), health)
    uploader.start()
    wait_until(lambda: stored_count(health) == 1)
    assert (tmp_path / "store" / KEY).read_bytes() == b"one"
    assert not (spool / KEY).exists()
    second = evidence_key(STATION, Part(7, 3), "cam2")
    spool_picture(spool, second, b"two")
    wait_until(lambda: stored_count(health) == 2)
    assert (tmp_path / "store" / second).read_bytes() == b"two"
    assert draft.read_bytes() == b"half"
    assert uploader.close()


def test_pictures_wait_in_the_spool_while_the_store_is_away(tmp_path: Path) -> None:
    spool, health = tmp_path / "spool", a_health()
    (tmp_path / "store").write_text("a file where the folder should be")
    pictures = [evidence_key(STATION, Part(7, number), "cam1") for number in range(1, 6)]
    for key in pictures:
        spool_picture(spool, key, key.encode())
    store = FolderEvidenceStore(tmp_path / "store", 1 << 20)
    uploader = EvidenceUploader(spool, store, health, Backoff(0.005, 0.02))
    uploader.start()
    wait_until(lambda: health.build_report().counters.get("evidence_failed", 0) >= 3)
    assert {fault.code for fault in health.build_report().faults} == {NOT_STORED_FAULT}
    assert all((spool / key).exists() for key in pictures)
    (tmp_path / "store").unlink()
    wait_until(lambda: stored_count(health) == 5)
    assert all((tmp_path / "store" / key).read_bytes() == key.encode() for key in pictures)
    wait_until(lambda: not health.build_report().faults)
    assert uploader.close()


def test_a_picture_that_the_store_refuses_does_not_hold_up_the_others(tmp_path: Path) -> None:
    class Choosy(FolderEvidenceStore):
        def put(self, key: str, path: Path) -> None:
            if key == "a.jpg":
                raise EvidenceError("not this one")
            super().put(key, path)

    spool, health = tmp_path / "spool", a_health()
    for key in ("a.jpg", "b.jpg", "c.jpg"):
        spool_picture(spool, key)
    uploader = EvidenceUploader(
        spool, Choosy(tmp_path / "store", 1 << 20), health, Backoff(0.005, 0.02)
    )
    uploader.start()
    wait_until(lambda: stored_count(health) == 2)
    assert [path.name for path in spool.iterdir()] == ["a.jpg"]
    assert uploader.close()


def test_a_store_that_breaks_in_an_unknown_way_is_a_fault_and_all_goes_on_when_it_is_well(
    tmp_path: Path,
) -> None:
    class Breaking(FolderEvidenceStore):
        is_well = False

        def put(self, key: str, path: Path) -> None:
            if not self.is_well:
                raise LookupError("something that nobody thought of")
            super().put(key, path)

    spool, health = tmp_path / "spool", a_health()
    spool_picture(spool, KEY)
    store = Breaking(tmp_path / "store", 1 << 20)
    uploader = EvidenceUploader(spool, store, health, Backoff(0.005, 0.02))
    uploader.start()
    wait_until(lambda: health.build_report().counters.get("evidence_failed", 0) >= 2)
    (fault,) = health.build_report().faults
    assert (fault.code, fault.text) == (
        NOT_STORED_FAULT,
        "LookupError: something that nobody thought of",
    )
    store.is_well = True
    wait_until(lambda: stored_count(health) == 1)
    wait_until(lambda: not health.build_report().faults)
    assert uploader.close()


def test_the_oldest_pictures_go_when_there_are_too_many(tmp_path: Path) -> None:
    picture = tmp_path / "picture"
    picture.write_bytes(b"x" * 1000)
    keys = [evidence_key(STATION, Part(7, number), "cam1") for number in range(1, 6)]
    first = FolderEvidenceStore(tmp_path / "store", 1 << 20)
    for age, key in enumerate(keys[:3]):
        first.put(key, picture)
        os.utime(tmp_path / "store" / key, ns=(age, age))
    reopened = FolderEvidenceStore(tmp_path / "store", 3000)
    reopened.put(keys[3], picture)
    reopened.put(keys[3], picture)
    reopened.put(keys[4], picture)
    kept = [key for key in keys if (tmp_path / "store" / key).exists()]
    assert kept == keys[2:]
    assert not (tmp_path / "store" / keys[0]).parent.exists()


def test_the_folder_stays_within_its_size_and_memory_holds_no_list_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_store, "MAX_OLDEST_LISTED", 7)
    picture, kept = tmp_path / "picture", tmp_path / "store"
    picture.write_bytes(b"x" * 1000)
    ticks = itertools.count(1_000_000)
    store = FolderEvidenceStore(kept, 10_000, now_s=lambda: float(next(ticks)))
    keys = [evidence_key(STATION, Part(7, number), "cam1") for number in range(1, 101)]
    for key in keys:
        store.put(key, picture)
        assert sum(path.stat().st_size for path in kept.rglob("*.jpg")) <= 10_000
    assert [key for key in keys if (kept / key).exists()] == keys[-10:]
    assert len(store._oldest) <= 7


def test_the_newest_picture_is_kept_however_large_it_is(tmp_path: Path) -> None:
    picture = tmp_path / "picture"
    picture.write_bytes(b"x" * 1000)
    FolderEvidenceStore(tmp_path / "store", 10).put(KEY, picture)
    assert (tmp_path / "store" / KEY).exists()


def test_a_relative_folder_counts_from_the_work_folder(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    store = open_evidence_store(
        EvidenceStoreConfiguration(folder="../evidence"), tmp_path / "work", 1 << 20
    )
    store.put(KEY, spool_picture(tmp_path / "spool", KEY))
    assert (tmp_path / "evidence" / KEY).exists()


@pytest.mark.parametrize(("age_s", "stays"), [(0, True), (3600, False)])
def test_an_empty_folder_goes_when_nobody_writes_to_it_any_more(
    tmp_path: Path, age_s: int, stays: bool
) -> None:
    empty = tmp_path / "part"
    empty.mkdir()
    if age_s:
        os.utime(empty, (1_000_000, 1_000_000))
    remove_old_folder(empty)
    assert empty.exists() == stays
