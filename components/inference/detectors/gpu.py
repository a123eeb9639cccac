"""The GPU as inference uses it: one thread that owns its context, frames on their way, lanes of work.

`pycuda` is loaded when the first TensorRT model is; without a driver its import fails.
"""

import importlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sightline.errors import ModelError

KERNEL = Path(__file__).with_name("uyvy_to_input.cu")
BLOCK = (32, 8, 1)
GREATEST_HALVINGS = 3
T = TypeVar("T")
Bytes = NDArray[np.uint8]


@dataclass
class StagedFrame:
    """A camera's UYVY frame (height, width, 2) in page-locked memory, and its place on the device."""

    host: Bytes
    device: Any
    stream: Any
    uploaded: Any

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.host.shape[1], self.host.shape[0]


@dataclass
class Job:
    """What is asked of the device for one part: each detector on each frame."""

    frames: Sequence[StagedFrame]
    begin: Sequence[Callable[[int, StagedFrame], Callable[[], Any]]] = field(default_factory=list)


class Gpu:
    """Everything that touches the device runs in its one thread."""

    def __init__(self, driver: Any, compile_kernel: Callable[[str], Any]) -> None:
        self.driver = driver
        self._thread = ThreadPoolExecutor(1, "gpu")
        self._staged: dict[tuple[int, tuple[int, ...]], StagedFrame] = {}
        try:
            self.call(self._enter).result()
            self.name = self.call(self._describe).result()
            self._kernel = self.call(lambda: compile_kernel(KERNEL.read_text())).result()
        except BaseException:
            self._thread.shutdown()
            raise

    def call(self, work: Callable[[], T]) -> "Future[T]":
        """Run in the device's thread, after what was asked before; the device's errors as ModelError."""
        return self._thread.submit(self._guarded, work)

    def stage(self, number: int, frame: Bytes) -> StagedFrame:
        """Copy a camera's frame to where the device can fetch it; each camera has one place."""
        key = (number, frame.shape)
        if key not in self._staged:
            self._staged[key] = self.call(lambda: self._place_for(frame.shape)).result()
        staged = self._staged[key]
        np.copyto(staged.host, frame)
        return staged

    def ask(self, job: Job) -> "Future[tuple[list[list[Any]], float]]":
        """All detectors on all frames in flight at once: answers by frame, then detector; milliseconds."""
        return self.call(lambda: self._run(job))

    def launch_resize(
        self, staged: StagedFrame, target: Any, width: int, height: int, stream: Any
    ) -> None:
        """From the staged frame to a model's input; device thread only."""
        stream.wait_for_event(staged.uploaded)
        whole_width, whole_height = staged.size
        numbers = (whole_width, whole_height, halvings(staged.size, (width, height)), width, height)
        grid = (-(-width // BLOCK[0]), -(-height // BLOCK[1]))
        self._kernel(
            *(staged.device, target, *(np.int32(number) for number in numbers)),
            block=BLOCK,
            grid=grid,
            stream=stream,
        )

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except self.driver.Error as error:
            raise ModelError(f"the GPU failed: {error}") from error

    def _run(self, job: Job) -> tuple[list[list[Any]], float]:
        started = time.perf_counter()
        for staged in job.frames:
            self.driver.memcpy_htod_async(staged.device, staged.host, staged.stream)
            staged.uploaded.record(staged.stream)
        finish = [
            [begin(number, staged) for begin in job.begin]
            for number, staged in enumerate(job.frames)
        ]
        answers = [[end() for end in of_frame] for of_frame in finish]
        return answers, (time.perf_counter() - started) * 1000

    def _place_for(self, shape: tuple[int, ...]) -> StagedFrame:
        host = self.driver.pagelocked_empty(shape, np.uint8)
        return StagedFrame(
            host, self.driver.mem_alloc(host.nbytes), self.driver.Stream(), self.driver.Event()
        )

    def _enter(self) -> None:
        self.driver.init()
        self._context = self.driver.Device(0).retain_primary_context()
        self._context.push()

    def _describe(self) -> str:
        device = self.driver.Device(0)
        major, minor = device.compute_capability()
        return f"{device.name()} {major}.{minor}"


def halvings(frame: tuple[int, int], wanted: tuple[int, int]) -> int:
    """How often the frame is halved by area before the rest is resized."""
    count, (width, height) = 0, frame
    while width >= 2 * wanted[0] and height >= 2 * wanted[1] and count < GREATEST_HALVINGS:
        width, height, count = width // 2, height // 2, count + 1
    return count


_lock = threading.Lock()
_shared: list[Gpu] = []


def shared_gpu() -> Gpu:
    """The process's GPU; ModelError where there is none, or nothing to drive it."""
    with _lock:
        if not _shared:
            _shared.append(_open_gpu())
        return _shared[0]


def _open_gpu() -> Gpu:
    try:
        driver = importlib.import_module("pycuda.driver")
        compiler = importlib.import_module("pycuda.compiler")
    except Exception as error:  # libraries that do not fit each other raise more than ImportError
        raise ModelError(f"runtime 'tensorrt' needs pycuda and a GPU's driver: {error}") from error
    return Gpu(driver, lambda source: _compiled(compiler, source))


def _compiled(compiler: Any, source: str) -> Any:
    module = compiler.SourceModule(source, no_extern_c=True)
    return module.get_function("uyvy_to_input")
