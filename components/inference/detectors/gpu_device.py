"""The GPU as inference uses it: one thread that owns its context, frames on their way, lanes of work.

`pycuda` is loaded when the first TensorRT model is; without a driver its import fails.
"""

import importlib
import queue
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sightline.errors import ModelError, RestartNeededError, SightlineError

KERNEL_FILE = Path(__file__).with_name("uyvy_to_input.cu")
KERNEL_BLOCK = (32, 8, 1)
MAX_HALVINGS = 3
MAX_RESPONSE_S = 10.0  # of what parts wait for; a GPU that takes longer answers nothing any more
MAX_LOADING_S = 300.0
MAX_FAILURES = 5  # in a row: an error that stays, as after an illegal access to memory
T = TypeVar("T")
ByteArray = NDArray[np.uint8]


@dataclass
class StagedFrame:
    """A camera's UYVY frame (height, width, 2) in page-locked memory, and its place on the device."""

    host: ByteArray
    device: Any
    stream: Any
    uploaded: Any

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.host.shape[1], self.host.shape[0]


@dataclass
class GpuJob:
    """What is asked of the device for one part: each detector on each frame."""

    frames: Sequence[StagedFrame]
    begin_functions: Sequence[Callable[[int, StagedFrame], Callable[[], Any]]] = field(
        default_factory=list
    )


class GpuDevice:
    """Everything that touches the device runs in its one thread.

    RestartNeededError where the device answers nothing, or fails again and again: no other context helps
    then, for the process keeps the broken one.
    """

    def __init__(
        self,
        driver: Any,
        compile_kernel: Callable[[str], Any],
        max_response_s: float = MAX_RESPONSE_S,
    ) -> None:
        self.driver = driver
        self._max_response_s = max_response_s
        self._failures = 0
        self._context: Any = None
        self._thread = ThreadPoolExecutor(1, "gpu")
        self._to_free: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._staged: dict[tuple[int, tuple[int, ...]], StagedFrame] = {}
        try:
            self.wait_for(self.submit(self._enter))
            self.name = self.wait_for(self.submit(self._describe))
            self._kernel = self.wait_for(
                self.submit(lambda: compile_kernel(KERNEL_FILE.read_text())), MAX_LOADING_S
            )
        except BaseException as error:
            self.submit(self._exit)
            self._thread.shutdown(wait=not isinstance(error, RestartNeededError))
            raise

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Run in the device's thread, after what was asked before; the device's errors as ModelError."""
        return self._thread.submit(self._run_guarded, work)

    def free_later(self, free: Callable[[], None]) -> None:
        """Let the device's thread free something before its next work; takes no lock.

        For finalizers: garbage is collected in any thread, also in one that `call` of another waits for.
        """
        self._to_free.put(free)

    def wait_for(self, asked: "Future[T]", at_most_s: float | None = None) -> T:
        """What was asked of the device; RestartNeededError if it does not answer in time."""
        limit_s = self._max_response_s if at_most_s is None else at_most_s
        try:
            return asked.result(limit_s)
        except TimeoutError as error:
            raise RestartNeededError(
                f"The GPU did not respond within {limit_s:g} s. Inference starts again."
            ) from error

    def stage_frame(self, number: int, frame: ByteArray) -> StagedFrame:
        """Copy a camera's frame to where the device can fetch it; each camera has one place."""
        key = (number, frame.shape)
        if key not in self._staged:
            self._staged[key] = self.wait_for(
                self.submit(lambda: self._allocate_frame(frame.shape))
            )
        staged = self._staged[key]
        np.copyto(staged.host, frame)
        return staged

    def submit_job(self, job: GpuJob) -> "Future[tuple[list[list[Any]], float]]":
        """All detectors on all frames in flight at once: answers by frame, then detector; milliseconds."""
        return self.submit(lambda: self._run_job(job))

    def launch_resize(
        self, staged: StagedFrame, target: Any, width: int, height: int, stream: Any
    ) -> None:
        """From the staged frame to a model's input; device thread only."""
        stream.wait_for_event(staged.uploaded)
        whole_width, whole_height = staged.size
        numbers = (
            whole_width,
            whole_height,
            count_halvings(staged.size, (width, height)),
            width,
            height,
        )
        grid = (-(-width // KERNEL_BLOCK[0]), -(-height // KERNEL_BLOCK[1]))
        self._kernel(
            *(staged.device, target, *(np.int32(number) for number in numbers)),
            block=KERNEL_BLOCK,
            grid=grid,
            stream=stream,
        )

    def _run_guarded(self, work: Callable[[], T]) -> T:
        try:
            while not self._to_free.empty():
                self._to_free.get()()
            result = work()
        except Exception as error:
            # What the work had taken of the device goes back here: no other thread may free it.
            traceback.clear_frames(error.__traceback__)
            if not isinstance(error, self.driver.Error):
                raise
            raise self._count_failure(error) from error
        self._failures = 0
        return result

    def _count_failure(self, error: Exception) -> SightlineError:
        self._failures += 1
        if self._failures < MAX_FAILURES:
            return ModelError(f"the GPU failed: {error}")
        return RestartNeededError(
            f"The GPU failed {self._failures} times in a row: {error}. Inference starts again."
        )

    def _run_job(self, job: GpuJob) -> tuple[list[list[Any]], float]:
        started = time.perf_counter()
        for staged in job.frames:
            self.driver.memcpy_htod_async(staged.device, staged.host, staged.stream)
            staged.uploaded.record(staged.stream)
        finish = [
            [begin(number, staged) for begin in job.begin_functions]
            for number, staged in enumerate(job.frames)
        ]
        answers = [[end() for end in of_frame] for of_frame in finish]
        return answers, (time.perf_counter() - started) * 1000

    def _allocate_frame(self, shape: tuple[int, ...]) -> StagedFrame:
        host = self.driver.pagelocked_empty(shape, np.uint8)
        return StagedFrame(
            host, self.driver.mem_alloc(host.nbytes), self.driver.Stream(), self.driver.Event()
        )

    def _enter(self) -> None:
        self.driver.init()
        context = self.driver.Device(0).retain_primary_context()
        context.push()
        self._context = context

    def _exit(self) -> None:
        """Leave the context: a thread that ends within it makes the driver's library abort the process."""
        if self._context is not None:
            self._context.pop()
            self._context = None

    def _describe(self) -> str:
        device = self.driver.Device(0)
        major, minor = device.compute_capability()
        return f"{device.name()} {major}.{minor}"


def count_halvings(frame: tuple[int, int], wanted: tuple[int, int]) -> int:
    """How often the frame is halved by area before the rest is resized."""
    count, (width, height) = 0, frame
    while width >= 2 * wanted[0] and height >= 2 * wanted[1] and count < MAX_HALVINGS:
        width, height, count = width // 2, height // 2, count + 1
    return count


def is_resize_exact(frame: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """Whether the kernel makes the same input of a frame as the processor does.

    It halves three times at most, even sides only, and makes no frame larger.
    """
    width, height = frame
    if width < wanted[0] or height < wanted[1]:
        return False
    for _ in range(count_halvings(frame, wanted)):
        if width % 2 or height % 2:
            return False
        width, height = width // 2, height // 2
    return not (width >= 2 * wanted[0] and height >= 2 * wanted[1])


_shared_lock = threading.Lock()
_shared: list[GpuDevice] = []


def shared_gpu() -> GpuDevice:
    """The process's GPU; ModelError where there is none, or nothing to drive it."""
    with _shared_lock:
        if not _shared:
            _shared.append(_open_gpu())
        return _shared[0]


def _open_gpu() -> GpuDevice:
    try:
        driver = importlib.import_module("pycuda.driver")
        compiler = importlib.import_module("pycuda.compiler")
    except Exception as error:  # libraries that do not fit each other raise more than ImportError
        raise ModelError(f"runtime 'tensorrt' needs pycuda and a GPU's driver: {error}") from error
    return GpuDevice(driver, lambda source: _compile_kernel(compiler, source))


def _compile_kernel(compiler: Any, source: str) -> Any:
    module = compiler.SourceModule(source, no_extern_c=True)
    return module.get_function("uyvy_to_input")
