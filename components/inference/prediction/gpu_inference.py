"""A part's frames on a GPU: all of them and all models in flight at once."""

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from sightline.imaging.frame_ring import RingReader
from sightline.messaging.messages import FrameRef, PixelFormat
from sightline.vision.model_outputs import InferenceTimings, ServingModel, elapsed_milliseconds
from sightline.vision.preprocess import FramePyramid

if TYPE_CHECKING:
    from inference.detectors.gpu_device import GpuDevice
    from sightline.vision.detector import RawDetections

GPU_PIXEL_FORMAT: PixelFormat = "UYVY"  # the kernel's; other formats are prepared by the processor


def find_common_gpu(
    models: Sequence[ServingModel], frames: Sequence[FrameRef]
) -> "GpuDevice | None":
    """The GPU that all models run on, if it can take these frames as they are.

    Where it would make another picture of them than the processor does, the processor prepares them.
    """
    devices = [getattr(model.detector, "gpu", None) for model in models]
    if not devices or any(device is None or device is not devices[0] for device in devices):
        return None
    if any(ref.pixel_format != GPU_PIXEL_FORMAT for ref in frames):
        return None
    if not _are_resizes_exact(models, frames):
        return None
    return devices[0]


def _are_resizes_exact(models: Sequence[ServingModel], frames: Sequence[FrameRef]) -> bool:
    from inference.detectors.gpu_device import is_resize_exact

    inputs = {(m.contract.anchors.width, m.contract.anchors.height) for m in models}
    sizes = {(ref.width, ref.height) for ref in frames}
    return all(is_resize_exact(size, wanted) for size in sizes for wanted in inputs)


def predict_on_gpu(
    gpu: "GpuDevice",
    ring: RingReader,
    frames: Sequence[FrameRef],
    models: Sequence[ServingModel],
    timings: InferenceTimings,
) -> "tuple[list[FramePyramid], list[list[RawDetections]]]":
    """The frames as RGB, and the answers by frame and model; FrameOverwrittenError if a frame is gone."""
    from inference.detectors.gpu_device import GpuJob

    started = time.perf_counter()
    staged = [ring.read(ref, partial(gpu.stage_frame, number)) for number, ref in enumerate(frames)]
    timings.preprocess += elapsed_milliseconds(started)
    begin = [model.detector.begin_frame for model in models]  # type: ignore[attr-defined]
    asked = gpu.submit_job(GpuJob(staged, begin))
    pyramids = [FramePyramid.from_frame(frame.host, GPU_PIXEL_FORMAT) for frame in staged]
    answers, took_ms = gpu.wait_for(asked)
    timings.model += took_ms
    timings.per_image += [elapsed_milliseconds(started) / len(frames)] * len(frames)
    return pyramids, answers
