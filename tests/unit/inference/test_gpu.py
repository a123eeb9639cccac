"""The device as a part and a model meet it: as many cameras as there are, and a driver that fails."""

import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from inference.answers import ServingModel
from inference.detectors import gpu
from inference.detectors.gpu import shared_gpu
from inference.examiner import Examiner
from sightline.errors import ModelError
from sightline.frames import RingWriter, ring_path
from tests.unit.inference.conftest import FRAME_HEIGHT, FRAME_WIDTH, Bench
from tests.unit.inference.device_stand_in import Driver
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


class DriverOfNoDevice(Driver):
    """A driver that finds no device until one is there."""

    is_there = False

    def init(self) -> None:
        """As on a machine whose GPU fell off the bus."""
        if not self.is_there:
            raise self.Error("no CUDA-capable device is detected")
        super().init()


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> DriverOfNoDevice:
    """What is loaded as pycuda; no GPU was opened yet."""
    found: Any = DriverOfNoDevice()
    module = SimpleNamespace(get_function=lambda _: None)
    compiler: Any = SimpleNamespace(SourceModule=lambda *_, **__: module)
    monkeypatch.setitem(sys.modules, "pycuda.driver", found)
    monkeypatch.setitem(sys.modules, "pycuda.compiler", compiler)
    monkeypatch.setattr(gpu, "_shared", [])
    return found  # type: ignore[no-any-return]


def test_a_driver_that_finds_no_device_is_a_refusal_and_the_next_try_may_find_it(
    driver: DriverOfNoDevice,
) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(ModelError, match="the GPU failed: no CUDA-capable device"):
        shared_gpu()
    assert set(threading.enumerate()) <= threads
    driver.is_there = True
    assert shared_gpu().name == "Stand-in 8.7"


def test_a_pycuda_that_does_not_fit_the_other_libraries_is_a_refusal(
    driver: DriverOfNoDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> None:
        raise SystemError("initialization of _driver raised unreported exception")

    monkeypatch.setattr(gpu, "importlib", SimpleNamespace(import_module=fail))
    with pytest.raises(ModelError, match="needs pycuda and a GPU's driver"):
        shared_gpu()
