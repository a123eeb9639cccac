"""The detector on TensorRT: an engine built from the model file on this device, and cached.

The executing half (`Lane`) has not run on a GPU of this project yet; see docs/serving.md.
"""

import logging
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.detectors.build_engine import Report, build_apart, load_tensorrt, version_of
from inference.detectors.detector import ModelContract, RawDetections
from inference.detectors.engine_cache import EngineCache, EngineKey
from inference.detectors.gpu import MAX_LOADING_S, Gpu, StagedFrame, shared_gpu
from inference.detectors.onnx import checked_contract
from sightline.errors import ModelError
from sightline.model_store import digest_of

log = logging.getLogger(__name__)
FIRST_LANES = 4  # one for each camera of most stations
OUTPUTS = ("boxes", "scores")


class TensorRtDetector:
    """An engine with its lanes; all of it lives in the GPU's thread."""

    def __init__(
        self, folder: Path, cache: EngineCache, report: Report, gpu: Gpu | None = None
    ) -> None:
        file = folder / "model.onnx"
        self.digest = digest_of(file)
        self.contract: ModelContract = checked_contract(file)
        self.gpu = gpu or shared_gpu()
        self._library = load_tensorrt()
        lanes = self._lanes = Lanes(self.gpu, self.contract)
        # What it takes of the device is freed by the thread that took it, also where it is refused below.
        freed = weakref.finalize(self, self.gpu.free_later, lanes.clear)
        freed.atexit = False  # at the end of the process that thread is gone, and so is the context
        self._load_engine(file, cache, report)
        self.gpu.wait(self.gpu.call(lambda: lanes.prepare(FIRST_LANES)), MAX_LOADING_S)

    def infer(self, image: NDArray[np.uint8]) -> RawDetections:
        """Run the bare model on (height, width, 3) uint8 RGB."""
        lanes = self._lanes
        return self.gpu.wait(self.gpu.call(lambda: lanes.of_frame(0).begin_image(image)()))

    def begin_frame(self, number: int, staged: StagedFrame) -> Callable[[], RawDetections]:
        """Put the work on a frame into its lane's stream; the result waits for it. GPU's thread only."""
        return self._lanes.of_frame(number).begin_frame(staged)

    def _load_engine(self, file: Path, cache: EngineCache, report: Report) -> None:
        key = EngineKey(
            model_digest=self.digest,
            tensorrt=version_of(self._library),
            gpu=self.gpu.name,
            precision=self.contract.precision,
        )
        content = cache.load(key)
        if content is not None and self._takes(content):
            return
        cache.drop(key)
        log.info("building an engine", extra={"model": self.contract.name, "key": repr(key)})
        with tempfile.TemporaryDirectory() as folder:
            content = build_apart(file, Path(folder) / "engine", report)
        if not self._takes(content):
            raise ModelError(f"{file}: the GPU {self.gpu.name} does not take its own engine")
        cache.store(key, content)

    def _takes(self, content: bytes) -> bool:
        library, lanes = self._library, self._lanes
        return self.gpu.wait(
            self.gpu.call(lambda: lanes.take_engine(library, content)), MAX_LOADING_S
        )


class Lanes:
    """An engine with a lane for each frame of a part: all are on their way at once. GPU's thread only."""

    def __init__(self, gpu: Gpu, contract: ModelContract) -> None:
        self._gpu, self._contract = gpu, contract
        self._runtime: Any = None
        self._engine: Any = None
        self._lanes: list[Lane] = []

    def take_engine(self, library: Any, content: bytes) -> bool:
        """Whether the device takes this engine."""
        self._runtime = library.Runtime(library.Logger(library.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(content)
        return self._engine is not None

    def prepare(self, count: int) -> None:
        """Make so many lanes."""
        self.of_frame(count - 1)

    def of_frame(self, number: int) -> "Lane":
        """The lane of the frame of this number, from 0; made when a part first has so many."""
        while len(self._lanes) <= number:
            self._lanes.append(Lane(self._gpu, self._engine, self._contract))
        return self._lanes[number]

    def clear(self) -> None:
        """Give all of it back."""
        self._lanes.clear()
        self._engine = self._runtime = None


class Lane:
    """An execution context with its stream and buffers, made once; GPU's thread only."""

    def __init__(self, gpu: Gpu, engine: Any, contract: ModelContract) -> None:
        driver, size = gpu.driver, contract.anchors
        self._gpu, self._size = gpu, (size.width, size.height)
        self._context = engine.create_execution_context()
        if self._context is None:
            raise ModelError(f"model {contract.name}: the GPU has no room for another context")
        self._stream = driver.Stream()
        self._image = driver.pagelocked_empty((size.height, size.width, 3), np.uint8)
        self._input = driver.mem_alloc(self._image.nbytes)
        self._context.set_tensor_address("image", int(self._input))
        self._answers = {}
        for name in OUTPUTS:
            shape = tuple(engine.get_tensor_shape(name))
            host = driver.pagelocked_empty(shape, np.float32)
            device = driver.mem_alloc(host.nbytes)
            self._context.set_tensor_address(name, int(device))
            self._answers[name] = (host, device)

    def begin_image(self, image: NDArray[np.uint8]) -> Callable[[], RawDetections]:
        """From an image at model size."""
        np.copyto(self._image, image)
        self._gpu.driver.memcpy_htod_async(self._input, self._image, self._stream)
        return self._begin()

    def begin_frame(self, staged: StagedFrame) -> Callable[[], RawDetections]:
        """From a camera's frame on its way to the device."""
        self._gpu.launch_resize(staged, self._input, *self._size, self._stream)
        return self._begin()

    def _begin(self) -> Callable[[], RawDetections]:
        if not self._context.execute_async_v3(int(self._stream.handle)):
            raise ModelError("TensorRT refused to run the engine")
        for host, device in self._answers.values():
            self._gpu.driver.memcpy_dtoh_async(host, device, self._stream)
        return self._finish

    def _finish(self) -> RawDetections:
        self._stream.synchronize()
        boxes, scores = (self._answers[name][0][0].copy() for name in OUTPUTS)
        return RawDetections(boxes, scores)
