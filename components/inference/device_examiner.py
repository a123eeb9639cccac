"""A part's frames on a GPU: all of them and all models in flight at once."""

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from inference.answers import ServingModel, Timings, milliseconds_since
from inference.preprocess import FramePyramid
from sightline.frames import RingReader
from sightline.messages import FrameRef, PixelFormat

if TYPE_CHECKING:
    from inference.detectors.detector import RawDetections
    from inference.detectors.gpu import Gpu

FORMAT_ON_DEVICE: PixelFormat = "UYVY"  # the kernel's; other formats are prepared by the processor


def device_of(models: Sequence[ServingModel], frames: Sequence[FrameRef]) -> "Gpu | None":
    """The GPU that all models run on, if it can take these frames as they are.

    Where it would make another picture of them than the processor does, the processor prepares them.
    """
    devices = [getattr(model.detector, "gpu", None) for model in models]
    if not devices or any(device is None or device is not devices[0] for device in devices):
        return None
    if any(ref.pixel_format != FORMAT_ON_DEVICE for ref in frames):
        return None
    if not _are_exact(models, frames):
        return None
    return devices[0]


def _are_exact(models: Sequence[ServingModel], frames: Sequence[FrameRef]) -> bool:
    from inference.detectors.gpu import is_exact

    inputs = {(m.contract.anchors.width, m.contract.anchors.height) for m in models}
    sizes = {(ref.width, ref.height) for ref in frames}
    return all(is_exact(size, wanted) for size in sizes for wanted in inputs)


def look_on_device(
    gpu: "Gpu",
    ring: RingReader,
    frames: Sequence[FrameRef],
    models: Sequence[ServingModel],
    timings: Timings,
) -> "tuple[list[FramePyramid], list[list[RawDetections]]]":
    """The frames as RGB, and the answers by frame and model; FrameOverwrittenError if a frame is gone."""
    from inference.detectors.gpu import Job

    started = time.perf_counter()
    staged = [ring.read(ref, partial(gpu.stage, number)) for number, ref in enumerate(frames)]
    timings.preprocess += milliseconds_since(started)
    begin = [model.detector.begin_frame for model in models]  # type: ignore[attr-defined]
    asked = gpu.ask(Job(staged, begin))
    pyramids = [FramePyramid.of_frame(frame.host, FORMAT_ON_DEVICE) for frame in staged]
    answers, took_ms = gpu.wait(asked)
    timings.model += took_ms
    timings.per_image += [milliseconds_since(started) / len(frames)] * len(frames)
    return pyramids, answers
