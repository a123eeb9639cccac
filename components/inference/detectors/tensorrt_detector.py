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

from inference.detectors.build_engine import (
    BuildProgressCallback,
    build_in_subprocess,
    load_tensorrt,
    read_library_version,
)
from inference.detectors.engine_cache import EngineCache, EngineKey
from inference.detectors.gpu_device import MAX_LOADING_S, GpuDevice, StagedFrame, shared_gpu
from sightline.errors import ModelError
from sightline.storage.model_folder import compute_digest
from sightline.vision.detector import ModelContract, RawDetections
from sightline.vision.onnx_detector import load_contract

log = logging.getLogger(__name__)
INITIAL_LANES = 4  # one for each camera of most stations
OUTPUTS = ("boxes", "scores")


class TensorRtDetector:
    """An engine with its lanes; all of it lives in the GPU's thread."""

    def __init__(
        self,
        folder: Path,
        cache: EngineCache,
        report: BuildProgressCallback,
        gpu: GpuDevice | None = None,
    ) -> None:
        file = folder / "model.onnx"
        self.digest = compute_digest(file)
        self.contract: ModelContract = load_contract(file)
        self.gpu = gpu or shared_gpu()
        self._library = load_tensorrt()
        lanes = self._lanes = ExecutionLanePool(self.gpu, self.contract)
        # What it takes of the device is freed by the thread that took it, also where it is refused below.
        freed = weakref.finalize(self, self.gpu.free_later, lanes.release)
        freed.atexit = False  # at the end of the process that thread is gone, and so is the context
        self._load_engine(file, cache, report)
        self.gpu.wait_for(self.gpu.submit(lambda: lanes.create_lanes(INITIAL_LANES)), MAX_LOADING_S)

    def infer(self, image: NDArray[np.uint8]) -> RawDetections:
        """Run the bare model on (height, width, 3) uint8 RGB."""
        lanes = self._lanes
        return self.gpu.wait_for(
            self.gpu.submit(lambda: lanes.lane_for_frame(0).begin_image(image)())
        )

    def begin_frame(self, number: int, staged: StagedFrame) -> Callable[[], RawDetections]:
        """Put the work on a frame into its lane's stream; the result waits for it. GPU's thread only."""
        return self._lanes.lane_for_frame(number).begin_frame(staged)

    def _load_engine(self, file: Path, cache: EngineCache, report: BuildProgressCallback) -> None:
        key = EngineKey(
            model_digest=self.digest,
            tensorrt=read_library_version(self._library),
            gpu=self.gpu.name,
            precision=self.contract.precision,
        )
        content = cache.load(key)
        if content is not None and self._accepts_engine(content):
            return
        cache.remove(key)
        log.info("building an engine", extra={"model": self.contract.name, "key": repr(key)})
        with tempfile.TemporaryDirectory() as folder:
            content = build_in_subprocess(file, Path(folder) / "engine", report)
        if not self._accepts_engine(content):
            raise ModelError(f"{file}: the GPU {self.gpu.name} does not take its own engine")
        cache.store(key, content)

    def _accepts_engine(self, content: bytes) -> bool:
        library, lanes = self._library, self._lanes
        return self.gpu.wait_for(
            self.gpu.submit(lambda: lanes.load_engine(library, content)), MAX_LOADING_S
        )


class ExecutionLanePool:
    """An engine with a lane for each frame of a part: all are on their way at once. GPU's thread only."""

    def __init__(self, gpu: GpuDevice, contract: ModelContract) -> None:
        self._gpu, self._contract = gpu, contract
        self._runtime: Any = None
        self._engine: Any = None
        self._lanes: list[ExecutionLane] = []

    def load_engine(self, library: Any, content: bytes) -> bool:
        """Whether the device takes this engine."""
        self._runtime = library.Runtime(library.Logger(library.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(content)
        return self._engine is not None

    def create_lanes(self, count: int) -> None:
        """Make so many lanes."""
        self.lane_for_frame(count - 1)

    def lane_for_frame(self, number: int) -> "ExecutionLane":
        """The lane of the frame of this number, from 0; made when a part first has so many."""
        while len(self._lanes) <= number:
            self._lanes.append(ExecutionLane(self._gpu, self._engine, self._contract))
        return self._lanes[number]

    def release(self) -> None:
        """Give all of it back."""
        self._lanes.clear()
        self._engine = self._runtime = None


class ExecutionLane:
    """An execution context with its stream and buffers, made once; GPU's thread only."""

    def __init__(self, gpu: GpuDevice, engine: Any, contract: ModelContract) -> None:
        driver, size = gpu.driver, contract.anchors
        self._gpu, self._size = gpu, (size.width, size.height)
        self._context = engine.create_execution_context()
        if self._context is None:
            raise ModelError(f"model {contract.name}: the GPU has no room for another context")
        self._stream = driver.Stream()
        self._image = driver.pagelocked_empty((size.height, size.width, 3), np.uint8)
        self._input = driver.mem_alloc(self._image.nbytes)
        self._context.set_tensor_address("image", int(self._input))
        self._outputs = {}
        for name in OUTPUTS:
            shape = tuple(engine.get_tensor_shape(name))
            host = driver.pagelocked_empty(shape, np.float32)
            device = driver.mem_alloc(host.nbytes)
            self._context.set_tensor_address(name, int(device))
            self._outputs[name] = (host, device)

    def begin_image(self, image: NDArray[np.uint8]) -> Callable[[], RawDetections]:
        """From an image at model size."""
        np.copyto(self._image, image)
        self._gpu.driver.memcpy_htod_async(self._input, self._image, self._stream)
        return self._begin_execution()

    def begin_frame(self, staged: StagedFrame) -> Callable[[], RawDetections]:
        """From a camera's frame on its way to the device."""
        self._gpu.launch_resize(staged, self._input, *self._size, self._stream)
        return self._begin_execution()

    def _begin_execution(self) -> Callable[[], RawDetections]:
        if not self._context.execute_async_v3(int(self._stream.handle)):
            raise ModelError("TensorRT refused to run the engine")
        for host, device in self._outputs.values():
            self._gpu.driver.memcpy_dtoh_async(host, device, self._stream)
        return self._finish_execution

    def _finish_execution(self) -> RawDetections:
        self._stream.synchronize()
        boxes, scores = (self._outputs[name][0][0].copy() for name in OUTPUTS)
        return RawDetections(boxes, scores)
