"""The device as a part meets it, with as many cameras as there are."""

from pathlib import Path

import pytest

from inference.answers import ServingModel
from inference.examiner import Examiner
from sightline.frames import RingWriter, ring_path
from tests.unit.inference.conftest import FRAME_HEIGHT, FRAME_WIDTH, Bench
from tests.unit.inference.small_models import RED, write_model
from tests.unit.inference.test_tensorrt import Factory, needs_compiler


@needs_compiler
@pytest.mark.parametrize("count", [5, 8])
def test_with_more_than_four_cameras_each_has_its_own_detections(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    cameras = tuple(f"cam{number}" for number in range(1, count + 1))
    bench.ring.close()
    bench.ring = RingWriter(
        ring_path(bench.station), cameras, slots=2, slot_bytes=FRAME_WIDTH * FRAME_HEIGHT * 2
    )
    folder = write_model(tmp_path / "model", "surface", "scratch", RED)
    models = [ServingModel(Factory(tmp_path, monkeypatch).open(folder))]
    examiner = Examiner(bench.station, cameras, images_at_once=1)
    for number, scratched in enumerate(("cam1", "cam5"), start=1):
        captured = bench.capture(number, cameras=cameras, caps=(), scratches=(scratched,))
        found = examiner.examine(captured.frames, models, 0.2).detections
        assert [detection.camera for detection in found] == [scratched]
    examiner.close()
