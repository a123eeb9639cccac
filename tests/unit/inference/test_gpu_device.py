"""The device as a part and a model meet it: as many cameras as there are, and a driver that fails."""

import concurrent.futures.thread
import contextlib
import functools
import gc
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.detectors import gpu_device
from inference.detectors.gpu_device import shared_gpu
from inference.prediction.gpu_inference import find_common_gpu
from inference.prediction.part_inference import PartInference
from sightline.errors import ModelError, RestartNeededError
from sightline.imaging.frame_ring import RingWriter, ring_path
from sightline.messaging.bus import RestartNeeded
from sightline.vision.model_outputs import ServingModel
from sightline.vision.preprocess import FramePyramid
from tests.unit.inference import device_stand_in
from tests.unit.inference.conftest import CAMERAS, FRAME_HEIGHT, FRAME_WIDTH, InferenceUnderTest
from tests.unit.inference.device_stand_in import FakeDriver
from tests.unit.inference.host_kernel import HostKernel
from tests.unit.inference.small_models import HEIGHT, RED, WIDTH, write_model
from tests.unit.inference.test_tensorrt_detector import Factory, needs_compiler


@needs_compiler
@pytest.mark.parametrize("count", [5, 8])
def test_with_more_than_four_cameras_each_has_its_own_detections(
    bench: InferenceUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    cameras = tuple(f"cam{number}" for number in range(1, count + 1))
    bench.ring.close()
    bench.ring = RingWriter(
        ring_path(bench.station), cameras, slots=2, slot_bytes=FRAME_WIDTH * FRAME_HEIGHT * 2
    )
    folder = write_model(tmp_path / "model", "surface", "scratch", RED)
    models = [ServingModel(Factory(tmp_path, monkeypatch).open(folder))]
    examiner = PartInference(bench.station, cameras, images_at_once=1)
    for number, scratched in enumerate(("cam1", "cam5"), start=1):
        captured = bench.capture(number, cameras=cameras, caps=(), scratches=(scratched,))
        found = examiner.predict_part(captured.frames, models, 0.2).detections
        assert [detection.camera for detection in found] == [scratched]
    examiner.close()


class DriverOfNoDevice(FakeDriver):
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
    monkeypatch.setattr(gpu_device, "_shared", [])
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

    monkeypatch.setattr(gpu_device, "importlib", SimpleNamespace(import_module=fail))
    with pytest.raises(ModelError, match="needs pycuda and a GPU's driver"):
        shared_gpu()


def test_where_the_kernel_cannot_be_compiled_the_context_is_left_before_its_thread_ends() -> None:
    """The driver's library aborts the process of a thread that ends within a context."""
    found = FakeDriver()

    def no_compiler(_: str) -> None:
        raise OSError("nvcc was not found on PATH")

    with pytest.raises(OSError, match="nvcc"):
        gpu_device.GpuDevice(found, no_compiler)
    assert found.pushed_by == []


@pytest.mark.parametrize("at_lane", [1, 3])
def test_what_a_refused_model_took_of_the_device_is_freed_by_the_devices_own_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_lane: int
) -> None:
    freed: list[str] = []

    class Watched(device_stand_in.FakeMemory):
        """Notes who frees it."""

        def __del__(self) -> None:
            freed.append(threading.current_thread().name)

    made = 0
    create = device_stand_in._FakeEngine.create_execution_context

    def no_room(engine: Any) -> Any:
        nonlocal made
        made += 1
        return create(engine) if made < at_lane else None

    monkeypatch.setattr(device_stand_in, "FakeMemory", Watched)
    monkeypatch.setattr(device_stand_in._FakeEngine, "create_execution_context", no_room)
    factory = Factory(tmp_path, monkeypatch)
    folder = write_model(tmp_path / "model", "surface", "scratch", RED)

    def load() -> None:
        with contextlib.suppress(ModelError):
            factory.open(folder)

    loader = threading.Thread(target=load, name="model-loader")
    loader.start()
    loader.join()
    gc.collect()
    factory.gpu.wait_for(factory.gpu.submit(lambda: None))
    assert set(freed) <= {"gpu_0"}
    assert len(freed) == 3 * (at_lane - 1)


def test_a_detector_that_is_collected_while_another_thread_asks_for_something_blocks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage is collected in any thread: here in one that an executor, its locks held, waits for."""
    factory = Factory(tmp_path, monkeypatch)
    detector = [factory.open(write_model(tmp_path / "model", "surface", "scratch", RED))]

    def collect() -> None:
        detector.clear()
        gc.collect()

    collecting = threading.Thread(target=collect, daemon=True)
    with concurrent.futures.thread._global_shutdown_lock:
        collecting.start()
        collecting.join(20)
        assert not collecting.is_alive()
    factory.gpu.wait_for(factory.gpu.submit(lambda: None))


@needs_compiler
def test_a_lane_that_fails_midway_gives_its_memory_back_in_the_devices_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed: list[str] = []

    class Watched(device_stand_in.FakeMemory):
        """Notes who frees it."""

        def __del__(self) -> None:
            freed.append(threading.current_thread().name)

    monkeypatch.setattr(device_stand_in, "FakeMemory", Watched)
    factory = Factory(tmp_path, monkeypatch)
    allocate = factory.driver.mem_alloc
    sizes: list[int] = []

    def until_full(size: int) -> Any:
        sizes.append(size)
        if len(sizes) == 2:
            raise factory.driver.Error("out of memory")
        return allocate(size)

    monkeypatch.setattr(factory.driver, "mem_alloc", until_full)
    folder = write_model(tmp_path / "model", "surface", "scratch", RED)
    with pytest.raises(ModelError, match="out of memory"):
        factory.open(folder)
    gc.collect()
    assert freed == ["gpu_0"]


@needs_compiler
def test_a_device_that_answers_nothing_makes_inference_start_again(
    tmp_path: Path, bench: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = Factory(tmp_path, monkeypatch)
    detector = factory.open(write_model(tmp_path / "model", "surface", "scratch", RED))
    monkeypatch.setattr(factory.gpu, "_max_response_s", 0.05)
    answer = threading.Event()
    factory.gpu.submit(answer.wait)
    with pytest.raises(RestartNeededError, match=r"did not respond within 0\.05 s"):
        detector.infer(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    examiner = PartInference(bench.station, CAMERAS, images_at_once=1)
    with pytest.raises(RestartNeededError):
        examiner.predict_part(bench.capture(1).frames, [ServingModel(detector)], 0.2)
    answer.set()
    examiner.close()


@needs_compiler
def test_an_error_that_stays_makes_inference_start_again_and_one_that_passes_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = Factory(tmp_path, monkeypatch)
    detector = factory.open(write_model(tmp_path / "model", "surface", "scratch", RED))
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    copy = factory.driver.memcpy_htod_async

    def fail(*_: object) -> None:
        raise factory.driver.Error("an illegal memory access was encountered")

    for _ in range(3):
        monkeypatch.setattr(factory.driver, "memcpy_htod_async", fail)
        for _ in range(gpu_device.MAX_FAILURES - 1):
            with pytest.raises(ModelError, match="illegal memory access"):
                detector.infer(image)
        monkeypatch.setattr(factory.driver, "memcpy_htod_async", copy)
        detector.infer(image)
    monkeypatch.setattr(factory.driver, "memcpy_htod_async", fail)
    for _ in range(gpu_device.MAX_FAILURES - 1):
        with pytest.raises(ModelError):
            detector.infer(image)
    with pytest.raises(RestartNeededError, match="5 times in a row"):
        detector.infer(image)


def test_a_lost_device_makes_the_part_missed_and_the_process_leave(
    running: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise RestartNeededError("The GPU did not respond within 10 s.")

    monkeypatch.setattr(PartInference, "predict_part", lost)
    with pytest.raises(RestartNeededError):
        running.judge(1)
    assert [(v.part.part_number, v.verdict) for v in running.verdicts()] == [(1, "missed")]


def test_a_device_that_is_lost_while_a_model_loads_makes_the_process_leave(
    bench: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise RestartNeededError("The GPU did not respond within 10 s.")

    monkeypatch.setattr("inference.models.model_loader.open_detector", lost)
    bench.start(wait_for_models=False)
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        if isinstance(bench.inbox.next_event(0.05), RestartNeeded):
            return
    pytest.fail("the loop hears nothing")


@pytest.mark.parametrize(
    ("frame", "wanted", "exact"),
    [
        ((1280, 720), (640, 360), True),
        ((1280, 720), (320, 180), True),
        ((1280, 720), (160, 90), True),
        ((1280, 720), (300, 300), True),
        ((1280, 720), (1280, 720), True),
        ((1366, 768), (341, 192), False),  # 683 pixels cannot be halved
        ((4208, 3120), (192, 192), False),  # four halvings
        ((1280, 720), (64, 36), False),
        ((320, 192), (640, 360), False),  # smaller than the input
        ((1280, 300), (640, 360), False),
        ((1282, 722), (320, 180), False),
    ],
)
def test_the_device_prepares_frames_only_where_it_does_so_as_the_processor_does(
    frame: tuple[int, int], wanted: tuple[int, int], exact: bool
) -> None:
    assert gpu_device.is_resize_exact(frame, wanted) == exact


@needs_compiler
@given(st.integers(2, 160), st.integers(2, 100), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=150, deadline=None)
def test_whatever_frame_the_device_prepares_differs_by_rounding_only(
    half_width: int, height: int, wanted_width: int, wanted_height: int
) -> None:
    frame_size, wanted = (2 * half_width, height), (wanted_width, wanted_height)
    if not gpu_device.is_resize_exact(frame_size, wanted):
        return
    shape = (height, 2 * half_width, 2)
    frame = np.random.default_rng(half_width).integers(0, 256, shape).astype(np.uint8)
    expected = FramePyramid.from_frame(frame, "UYVY").at_size(*wanted).astype(int)
    found = (
        kernel().resized(frame, *wanted, gpu_device.count_halvings(frame_size, wanted)).astype(int)
    )
    assert np.abs(found - expected).max() <= 1


@functools.cache
def kernel() -> HostKernel:
    """The kernel, compiled once."""
    return HostKernel(Path(tempfile.mkdtemp(prefix="sightline-kernel-")))


@needs_compiler
def test_frames_that_the_device_would_prepare_otherwise_are_prepared_by_the_processor(
    bench: InferenceUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(tmp_path / "model", "surface", "scratch", RED)
    on_device = ServingModel(Factory(tmp_path, monkeypatch).open(model))
    frames = bench.capture(1).frames
    assert find_common_gpu([on_device], frames) is not None
    odd = tuple(msgspec.structs.replace(ref, width=1366, height=768) for ref in frames)
    small = tuple(msgspec.structs.replace(ref, width=100, height=60) for ref in frames)
    assert find_common_gpu([on_device], odd) is None
    assert find_common_gpu([on_device], small) is None
