"""A GPU's driver and TensorRT as far as the detector sees them, on the processor.

Nothing runs before a stream is waited for, and everything must come from one thread: what forgets to
wait, or calls from elsewhere, is found out. ONNX Runtime stands in for the engine.
"""

import ctypes
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import onnxruntime

from inference.detectors.gpu_device import GpuDevice
from tests.unit.inference.host_kernel import HostKernel


class FakeStream:
    """Work in order; done when someone waits."""

    by_handle: ClassVar[dict[int, "FakeStream"]] = {}

    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []
        self.done = 0
        self.handle = len(FakeStream.by_handle) + 1
        FakeStream.by_handle[self.handle] = self

    def wait_for_event(self, event: "FakeEvent") -> None:
        """What comes later waits for the event's stream to get there."""
        stream, mark = event.stream, event.mark
        self.work.append(lambda: stream.run_to(mark))

    def run_to(self, mark: int) -> None:
        """Do what was put in before."""
        while self.done < mark:
            self.done += 1
            self.work[self.done - 1]()

    def synchronize(self) -> None:
        """Do all."""
        self.run_to(len(self.work))


Lane = FakeStream  # inside `FakeDriver` the name is an attribute


class FakeEvent:
    """A place in a stream."""

    stream: FakeStream
    mark: int

    def record(self, stream: FakeStream) -> None:
        """Here."""
        self.stream, self.mark = stream, len(stream.work)


class FakeMemory:
    """Bytes of the device."""

    def __init__(self, size: int) -> None:
        self.bytes = np.zeros(size, np.uint8)

    def __int__(self) -> int:
        return int(self.bytes.ctypes.data)


class FakeDriver:
    """`pycuda.driver`."""

    Error = RuntimeError
    Stream, Event = FakeStream, FakeEvent

    def __init__(self, name: str = "Stand-in") -> None:
        self.name = name
        self.threads: set[int] = set()
        self.allocated = 0
        self.pushed_by: list[int] = []

    def init(self) -> None:
        """Note the thread."""
        self.threads.add(threading.get_ident())

    def Device(self, number: int) -> Any:
        """The device."""
        self.init()
        context = SimpleNamespace(push=self._push, pop=self._pop)
        return SimpleNamespace(
            name=lambda: self.name,
            compute_capability=lambda: (8, 7),
            retain_primary_context=lambda: context,
        )

    def _push(self) -> None:
        self.pushed_by.append(threading.get_ident())

    def _pop(self) -> None:
        assert self.pushed_by.pop() == threading.get_ident()

    def pagelocked_empty(self, shape: tuple[int, ...], kind: Any) -> np.ndarray:
        """Memory of the host."""
        self.init()
        return np.empty(shape, kind)

    def mem_alloc(self, size: int) -> FakeMemory:
        """Memory of the device."""
        self.init()
        self.allocated += size
        return FakeMemory(size)

    def memcpy_htod_async(self, target: FakeMemory, source: np.ndarray, stream: Lane) -> None:
        """To the device, when the stream gets there."""
        self.init()
        stream.work.append(lambda: np.copyto(target.bytes, source.reshape(-1).view(np.uint8)))

    def memcpy_dtoh_async(self, target: np.ndarray, source: FakeMemory, stream: Lane) -> None:
        """From the device, when the stream gets there."""
        self.init()
        stream.work.append(lambda: np.copyto(target.reshape(-1).view(np.uint8), source.bytes))


class _FakeContext:
    def __init__(self, session: Any) -> None:
        self._session = session
        self._addresses: dict[str, int] = {}

    def set_tensor_address(self, name: str, address: int) -> None:
        self._addresses[name] = address

    def execute_async_v3(self, handle: int) -> bool:
        FakeStream.by_handle[handle].work.append(self._run)
        return True

    def _run(self) -> None:
        shape = self._session.get_inputs()[0].shape
        size = int(np.prod(shape))
        pixels = np.ctypeslib.as_array(
            ctypes.cast(self._addresses["image"], ctypes.POINTER(ctypes.c_uint8)), (size,)
        )
        names = ("boxes", "scores")
        answers = self._session.run(names, {"image": pixels.reshape(shape)})
        for name, answer in zip(names, answers, strict=True):
            answer = np.ascontiguousarray(answer)
            ctypes.memmove(self._addresses[name], answer.ctypes.data, answer.nbytes)


class _FakeEngine:
    def __init__(self, content: bytes) -> None:
        self._session = onnxruntime.InferenceSession(content)

    def get_tensor_shape(self, name: str) -> list[int]:
        return next(o.shape for o in self._session.get_outputs() if o.name == name)

    def create_execution_context(self) -> _FakeContext:
        return _FakeContext(self._session)


class _FakeLogger:
    ERROR = 1

    def __init__(self, level: int) -> None:
        self.level = level


class _FakeRuntime:
    def __init__(self, logger: _FakeLogger) -> None:
        self._logger = logger

    def deserialize_cuda_engine(self, content: bytes) -> _FakeEngine | None:
        try:
            return _FakeEngine(content)
        except Exception:  # noqa: BLE001 - as TensorRT: no word but None
            return None


def library(version: str = "1.0") -> Any:
    """`tensorrt`, the part that runs engines."""
    return SimpleNamespace(
        __name__="stand_in",
        __version__=version,
        Runtime=_FakeRuntime,
        Logger=_FakeLogger,
        Builder=object,
    )


def build_gpu(driver: FakeDriver, kernel: HostKernel) -> GpuDevice:
    """The device with the real kernel, compiled for the processor."""

    def launch(source: FakeMemory, target: FakeMemory, *numbers: int, **how: Any) -> None:
        how["stream"].work.append(
            lambda: kernel(int(source), int(target), *(int(n) for n in numbers))
        )

    return GpuDevice(driver, lambda _: launch)
