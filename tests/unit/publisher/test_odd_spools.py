"""Whatever lies in the spool: the pictures of parts are stored, and the uploader goes on."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.evidence.folder_store import FolderEvidenceStore
from publisher.evidence.picture_spool import parse_picture_part, scan_spool
from publisher.evidence.uploader import EvidenceUploader
from sightline.kernel.health import ComponentHealth
from sightline.messaging.codec import encode
from sightline.messaging.messages import Part
from sightline.messaging.topics import PUBLISHER
from tests.unit.publisher.publisher_kit import (
    STATION,
    PublisherUnderTest,
    StandingClock,
    wait_until,
)

BEYOND = "9" * 23
NOT_UTF_8 = os.fsdecode(b"cam\xff.jpg")


def put(spool: Path, *keys: str) -> None:
    for key in keys:
        (spool / key).parent.mkdir(parents=True, exist_ok=True)
        (spool / key).write_bytes(b"x")


def test_numbers_beyond_all_parts_and_odd_files_keep_no_picture_in_the_spool(
    desk: PublisherUnderTest,
) -> None:
    spool = desk.folder / "station" / "evidence-spool"
    put(spool, "s/1/1/cam1.jpg", f"s/{BEYOND}/4/cam1.jpg", f"s/1/{BEYOND}/cam1.jpg", "s/x/y/z.jpg")
    put(spool, f"s/1/{2**63}/cam1.jpg", "s/1/-5/cam1.jpg", "s/1/\u0663/cam1.jpg", "loose.jpg")
    (spool / "s/1/2").mkdir()
    (spool / "s/1/2/cam2.jpg").symlink_to("/nonexistent")
    (spool / "s/1/2/loop").symlink_to(spool / "s/1/2/loop")
    os.mkfifo(spool / "s/1/2/pipe.jpg")
    put(spool, "s/1/3/cam1.jpg")
    put(spool, "s/1/3/" + NOT_UTF_8)
    kept = desk.folder / "evidence"
    wait_until(lambda: len(list(kept.rglob("*.jpg"))) == 10)
    wait_until(lambda: {path.name for path in spool.rglob("*.jpg")} == {"cam2.jpg", "pipe.jpg"})
    assert (kept / "s/1/3/cam\\udcff.jpg").exists()
    assert desk.recorder._uploader.is_alive()
    assert desk.counter("evidence_failed") == 0


def test_a_picture_that_cannot_be_stored_is_told_in_words_that_a_message_can_hold(
    tmp_path: Path,
) -> None:
    spool = tmp_path / "spool"
    put(spool, NOT_UTF_8)

    class Refusing(FolderEvidenceStore):
        def put(self, key: str, path: Path) -> None:
            if "udcff" in key:
                raise OSError(5, "input/output error", str(path))
            super().put(key, path)

    health = ComponentHealth(PUBLISHER, "0", STATION, StandingClock())
    uploader = EvidenceUploader(spool, Refusing(tmp_path / "store", 1 << 20), health)
    uploader.start()
    wait_until(lambda: bool(health.build_report().faults))
    put(spool, "good.jpg")
    wait_until(lambda: (tmp_path / "store" / "good.jpg").exists())
    assert encode(health.build_report())
    assert uploader.close()


@given(st.text(max_size=40), st.text(max_size=40) | st.integers().map(str))
def test_any_place_in_the_spool_names_a_part_that_the_outbox_can_be_asked_for_or_none(
    epoch: str, number: str
) -> None:
    part = parse_picture_part(f"s/{epoch}/{number}/cam1.jpg")
    assert part is None or max(part.epoch, part.part_number) < 2**63


@pytest.mark.parametrize("folder", ["no-such-folder", "a-file"])
def test_a_spool_that_is_no_folder_is_empty(tmp_path: Path, folder: str) -> None:
    (tmp_path / "a-file").write_bytes(b"x")
    assert scan_spool(tmp_path / folder, lambda seconds: seconds) == ([], [])


def test_a_part_is_read_from_its_place() -> None:
    assert parse_picture_part("s/17/4/cam1.jpg") == Part(17, 4)
