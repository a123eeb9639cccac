"""Pictures of parts are kept, beside the critical path."""

import threading
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from inference.configuration import EvidencePictureConfiguration
from inference.evidence_writer import EvidenceWriter
from inference.prediction.part_inference import PartInference
from sightline.imaging.frame_ring import RingWriter, ring_path
from sightline.kernel.component import NewConfiguration
from sightline.storage.model_store import find_model
from sightline.storage.station_folder import StationFolder
from sightline.vision.model_outputs import ServingModel
from sightline.vision.onnx_detector import OnnxDetector
from tests.unit.inference.conftest import CAMERAS, FRAME_HEIGHT, FRAME_WIDTH, InferenceUnderTest


def spool(bench: InferenceUnderTest) -> StationFolder:
    """The station's folder of the bench."""
    return StationFolder(bench.folder / "station")


def read(file: Path) -> np.ndarray:
    """A picture that must be there."""
    picture = cv2.imread(str(file))
    assert picture is not None, file
    return np.asarray(picture)


def test_the_pictures_that_a_verdict_names_are_in_the_spool_and_show_the_part(
    running: InferenceUnderTest,
) -> None:
    verdict = running.judge(1, scratches=("cam2",))
    running.stop()
    assert [picture.camera for picture in verdict.evidence] == ["cam1", "cam2", "cam3", "cam4"]
    picture = read(spool(running).evidence_spool / verdict.evidence[1].key)
    assert picture.shape == (FRAME_HEIGHT, FRAME_WIDTH, 3)
    blue, green, red = picture[104, 72]
    assert (red > 180, green < 80, blue < 80) == (True, True, True)
    assert not list(spool(running).evidence_spool.rglob("*.new"))


def test_pictures_of_ok_parts_are_half_as_large(running: InferenceUnderTest) -> None:
    verdict = running.judge(1)
    running.stop()
    picture = read(spool(running).evidence_spool / verdict.evidence[0].key)
    assert picture.shape == (FRAME_HEIGHT // 2, FRAME_WIDTH // 2, 3)


def test_only_each_nth_ok_part_is_kept_where_so_configured(bench: InferenceUnderTest) -> None:
    evidence = EvidencePictureConfiguration(keep_each_ok=3)
    bench.configuration = msgspec.structs.replace(bench.configuration, evidence=evidence)
    bench.start()
    kept = [bool(bench.judge(number).evidence) for number in range(1, 7)]
    assert kept == [False, False, True, False, False, True]
    assert bench.judge(7, scratches=("cam1",)).evidence


def test_a_spool_that_cannot_be_written_is_told_and_parts_go_on(
    running: InferenceUnderTest,
) -> None:
    folder = spool(running).evidence_spool
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("no folder")
    assert running.judge(1).verdict == "ok"
    running.run_until(
        "the fault",
        lambda: "evidence-spool" in {f.code for f in running.health.build_report().faults},
    )
    assert running.judge(2).verdict == "ok"


def test_pictures_of_a_camera_that_delivers_rgb_stay_as_they_were_judged_when_the_ring_goes_on(
    bench: InferenceUnderTest,
) -> None:
    shape = (FRAME_HEIGHT, FRAME_WIDTH, 3)
    bench.ring.close()
    bench.ring = RingWriter(
        ring_path(bench.station), CAMERAS, slots=2, slot_bytes=int(np.prod(shape))
    )
    refs = (
        bench.ring.write(
            "cam1",
            np.full(shape, brightness, np.uint8),
            "RGB24",
            width=FRAME_WIDTH,
            height=FRAME_HEIGHT,
            sequence=brightness,
            captured_monotonic_ns=0,
        )
        for brightness in (50, 100, 150)
    )
    model = ServingModel(OnnxDetector(find_model(bench.store, "surface"), 1))
    examiner = PartInference(bench.station, CAMERAS, images_at_once=1)
    judged = examiner.predict_part([next(refs)], [model], 0.2).frames["cam1"]
    assert [ref.sequence for ref in refs] == [100, 150]  # two slots: the first frame is gone
    np.testing.assert_array_equal(judged.at_size(FRAME_WIDTH, FRAME_HEIGHT), np.full(shape, 50))
    examiner.close()


def test_a_new_configuration_does_not_wait_for_pictures_that_a_slow_disk_has_not_taken(
    running: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = threading.Event()
    written: list[str] = []

    def write(writer: EvidenceWriter, work: object) -> None:
        disk.wait(20)
        written.append(work.key)  # type: ignore[attr-defined]

    monkeypatch.setattr(EvidenceWriter, "_write_picture", write)
    running.judge(1)
    assert running.inspector is not None
    running.inspector.handle(NewConfiguration(running.configuration))
    assert written == []
    assert running.judge(2).verdict == "ok"
    disk.set()
    running.stop()
    assert len(written) == 8  # of both parts, before the component ends


def test_pictures_are_written_on_after_an_error_that_nobody_foresaw(
    running: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = EvidenceWriter._write_picture
    failures = iter([True])

    def fail_once(writer: EvidenceWriter, work: object) -> None:
        if next(failures, False):
            raise RuntimeError("nobody foresaw this")
        write(writer, work)  # type: ignore[arg-type]

    monkeypatch.setattr(EvidenceWriter, "_write_picture", fail_once)
    running.judge(1)

    def codes() -> list[str]:
        return [fault.code for fault in running.health.build_report().faults]

    running.run_until("the fault", lambda: "thread-evidence" in codes())
    assert not running.health.build_report().ready
    verdict = running.judge(2)
    assert verdict.verdict == "ok"
    running.stop()
    pictures = list(spool(running).evidence_spool.rglob("*.jpg"))
    assert len(pictures) == 7  # the one that failed is lost
