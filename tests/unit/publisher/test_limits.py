"""The limits of spool and folder store in a publisher that runs."""

import os
import time
from pathlib import Path

import pytest

from publisher.configuration import (
    EvidenceStoreConfiguration,
    KeepConfiguration,
    PublisherConfiguration,
    RecordsConfiguration,
    SpoolConfiguration,
)
from publisher.evidence.folder_store import FolderEvidenceStore
from publisher.evidence.uploader import GIVEN_UP_FAULT, PRESSURE_FAULT, EvidenceUploader
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import (
    EvidencePicture,
    InspectionRecord,
    Part,
    PartJudged,
    Verdict,
)
from sightline.messaging.topics import GATE_ACTED, PART_JUDGED, PUBLISHER
from sightline.storage.station_folder import evidence_key
from tests.unit.publisher.conftest import MakeDesk
from tests.unit.publisher.publisher_kit import (
    EPOCH,
    STATION,
    PublisherUnderTest,
    StandingClock,
    a_verdict,
    an_outcome,
    wait_until,
)

QUICK = RecordsConfiguration(rate_hz=1000.0)


def judged_with_picture(
    desk: PublisherUnderTest, number: int, verdict: Verdict, size: int = 1000, age_s: float = 0.0
) -> PartJudged:
    key = evidence_key(STATION, Part(EPOCH, number), "cam1")
    path = desk.folder / "station" / "evidence-spool" / key
    path.parent.mkdir(parents=True)
    path.with_suffix(".new").write_bytes(b"x" * size)
    written_s = time.time() - age_s
    os.utime(path.with_suffix(".new"), (written_s, written_s))
    path.with_suffix(".new").rename(path)
    pictures = (EvidencePicture(camera="cam1", key=key),)
    return a_verdict(number, verdict=verdict, evidence=pictures)


def spool_of(desk: PublisherUnderTest) -> list[Path]:
    return sorted((desk.folder / "station" / "evidence-spool").rglob("*.jpg"))


def numbers_in(folder: Path) -> set[int]:
    return {int(path.parent.name) for path in folder.rglob("*.jpg")}


def names_evidence(records: list[InspectionRecord]) -> set[int]:
    return {record.partNumber for record in records if record.evidence}


def tell(desk: PublisherUnderTest, *verdicts: PartJudged) -> None:
    desk.deliver(PART_JUDGED, *verdicts)
    desk.deliver(GATE_ACTED, *(an_outcome(judged.part.part_number) for judged in verdicts))


def test_only_the_wanted_verdicts_pictures_reach_the_store_and_the_record_names_no_others(
    make_desk: MakeDesk,
) -> None:
    configuration = PublisherConfiguration(
        station_folder="station", records=QUICK, keep=KeepConfiguration(each_ok=2, empty=False)
    )
    desk = make_desk(configuration=configuration)
    kinds: list[Verdict] = ["ok", "ok", "defect", "empty", "review"]
    tell(desk, *(judged_with_picture(desk, n, kind) for n, kind in enumerate(kinds, start=1)))
    wait_until(lambda: desk.counter("evidence_not_wanted") == 2)
    wait_until(lambda: not spool_of(desk))
    assert numbers_in(desk.folder / "evidence") == {2, 3, 5}
    assert names_evidence(desk.records(5)) == {2, 3, 5}


def test_a_backlog_of_records_costs_ok_pictures_and_no_record(make_desk: MakeDesk) -> None:
    records = RecordsConfiguration(rate_hz=0.1, max_backlog=2)
    configuration = PublisherConfiguration(station_folder="station", records=records)
    desk = make_desk(configuration=configuration)
    tell(desk, *(a_verdict(number) for number in range(1, 5)))
    kinds: list[Verdict] = ["ok", "defect", "ok"]
    tell(desk, *(judged_with_picture(desk, n, kind) for n, kind in enumerate(kinds, start=5)))
    wait_until(lambda: not spool_of(desk))
    assert numbers_in(desk.folder / "evidence") <= {5, 6, 7}
    assert 6 in numbers_in(desk.folder / "evidence")
    assert PRESSURE_FAULT in desk.faults()
    assert desk.counter("records_committed") == 7


def test_a_spool_over_its_limit_gives_up_ok_pictures_then_others_and_says_so(
    make_desk: MakeDesk, tmp_path: Path
) -> None:
    (tmp_path / "away").write_text("no folder: the store is away")
    configuration = PublisherConfiguration(
        station_folder="station",
        records=QUICK,
        evidence=EvidenceStoreConfiguration(folder="away"),
        spool=SpoolConfiguration(max_mib=1),
        pressure_share=0.5,
    )
    desk = make_desk(configuration=configuration)
    kinds: list[Verdict] = ["ok", "review", "defect", "defect"]
    tell(desk, *(a_verdict(number, verdict=kind) for number, kind in enumerate(kinds, start=1)))
    for number, kind in enumerate(kinds, start=1):
        judged_with_picture(desk, number, kind, 400_000)
    wait_until(lambda: desk.counter("evidence_dropped_size") == 1)
    wait_until(lambda: desk.counter("evidence_dropped_ok") == 1)
    assert numbers_in(desk.folder / "station") == {3, 4}
    assert {GIVEN_UP_FAULT, PRESSURE_FAULT} <= desk.faults()
    assert len(desk.records(4)) == 4


def test_the_spool_keeps_no_picture_longer_than_configured(make_desk: MakeDesk) -> None:
    desk = make_desk()
    tell(desk, judged_with_picture(desk, 1, "defect", age_s=15 * 86_400))
    wait_until(lambda: desk.counter("evidence_dropped_age") == 1)
    assert spool_of(desk) == []
    assert numbers_in(desk.folder / "evidence") == set()


def test_the_limits_hold_while_a_slow_store_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = tmp_path / "spool"
    stored: list[tuple[str, bool]] = []
    late = spool / "late.jpg"

    class Slow(FolderEvidenceStore):
        def put(self, key: str, path: Path) -> None:
            if not stored:
                late.write_bytes(b"x")
                os.utime(late, (1_000_000, 1_000_000))
            stored.append((key, late.exists()))
            super().put(key, path)

    spool.mkdir()
    for number in range(3):
        (spool / f"{number}.jpg").write_bytes(b"x")
    monkeypatch.setattr("publisher.evidence.uploader.MAX_SWEEP_S", 0.0)
    health = ComponentHealth(PUBLISHER, "0", STATION, StandingClock())
    uploader = EvidenceUploader(spool, Slow(tmp_path / "store", 1 << 20), health)
    uploader.start()
    wait_until(lambda: not list(spool.iterdir()))
    assert uploader.close()
    assert stored == [("0.jpg", True), ("1.jpg", False), ("2.jpg", False)]


def test_the_folder_keeps_no_picture_longer_than_configured(tmp_path: Path) -> None:
    picture = tmp_path / "picture"
    picture.write_bytes(b"x")
    now_s = time.time()
    first = FolderEvidenceStore(tmp_path / "store", 1 << 20, keep_s=3600.0)
    for number in (1, 2):
        first.put(f"{number}.jpg", picture)
    os.utime(tmp_path / "store" / "1.jpg", (now_s - 3700, now_s - 3700))
    later = FolderEvidenceStore(tmp_path / "store", 1 << 20, keep_s=3600.0, now_s=lambda: now_s)
    later.put("3.jpg", picture)
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == ["2.jpg", "3.jpg"]


def test_verdicts_are_known_again_after_a_restart(make_desk: MakeDesk) -> None:
    configuration = PublisherConfiguration(
        station_folder="station", records=QUICK, keep=KeepConfiguration(each_ok=0)
    )
    desk = make_desk(configuration=configuration)
    tell(desk, a_verdict(1), a_verdict(2, verdict="defect"))
    desk.records(2)
    desk.kill()
    for number in (1, 2):
        judged_with_picture(desk, number, "ok")
    desk.start()
    wait_until(lambda: not spool_of(desk))
    assert numbers_in(desk.folder / "evidence") == {2}
