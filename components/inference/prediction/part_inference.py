"""What the models see on a part's frames: all of them through all models.

A processor takes one image after the other, as many processors as there are side by side; a GPU all at once.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from inference.prediction.gpu_inference import find_common_gpu, predict_on_gpu
from sightline.imaging.frame_ring import RingReader, ring_path
from sightline.kernel.pinned_pool import PinnedThreadPool
from sightline.messaging.messages import Detection, FrameRef
from sightline.vision.model_outputs import (
    DetectionOverflow,
    InferenceTimings,
    ModelOutput,
    ServingModel,
    covered_milliseconds,
    decode_with_overflows,
    elapsed_milliseconds,
    run_model,
)
from sightline.vision.preprocess import FramePyramid


@dataclass(frozen=True)
class PartPredictions:
    """A part's detections, its frames as RGB by camera, and how many of them were looked at at once.

    `overflows`: where there was more to be found than is examined.
    """

    detections: tuple[Detection, ...]
    frames: dict[str, FramePyramid]
    timings: InferenceTimings
    images_at_once: int
    overflows: tuple[DetectionOverflow, ...] = ()


@dataclass(frozen=True)
class FramePredictions:
    """What the models answered to one frame."""

    pyramid: FramePyramid
    outputs: list[ModelOutput]
    timings: InferenceTimings


class PartInference:
    """Reads a station's ring; at most so many images of a part are looked at side by side."""

    def __init__(self, station_id: str, cameras: Sequence[str], images_at_once: int) -> None:
        self._ring = RingReader(ring_path(station_id), cameras)
        self._thread_pool = PinnedThreadPool(images_at_once)

    @property
    def ring(self) -> RingReader:
        """The ring that it reads."""
        return self._ring

    def predict_part(
        self,
        frames: Sequence[FrameRef],
        models: Sequence[ServingModel],
        score_threshold: float,
    ) -> PartPredictions:
        """Run all models on all frames; FrameOverwrittenError if one is gone, ModelError if one fails."""
        timings, at_once = InferenceTimings(), len(frames)
        gpu = find_common_gpu(models, frames)
        if gpu is None:
            at_once = min(self._thread_pool.max_workers, len(frames))
            seen, answers = self._predict_on_cpu(frames, models, timings)
        else:
            pyramids, raw = predict_on_gpu(gpu, self._ring, frames, models, timings)
            seen = {ref.camera: pyramid for ref, pyramid in zip(frames, pyramids, strict=True)}
            answers = [
                ModelOutput(model, ref.camera, seen[ref.camera].size, answer)
                for ref, of_frame in zip(frames, raw, strict=True)
                for model, answer in zip(models, of_frame, strict=True)
            ]
        started = time.perf_counter()
        reading = decode_with_overflows(answers, score_threshold)
        timings.decode = elapsed_milliseconds(started)
        timings.per_image = [
            image_ms + timings.decode / len(timings.per_image) for image_ms in timings.per_image
        ]
        detections = sorted(reading.detections, key=lambda detection: -detection.score)
        return PartPredictions(tuple(detections), seen, timings, at_once, reading.overflows)

    def close(self) -> None:
        """End the threads."""
        self._thread_pool.close()

    def _predict_on_cpu(
        self, frames: Sequence[FrameRef], models: Sequence[ServingModel], timings: InferenceTimings
    ) -> tuple[dict[str, FramePyramid], list[ModelOutput]]:
        started = time.perf_counter()
        looks = self._thread_pool.map(partial(_predict_frame, self._ring, models), frames)
        whole_ms = elapsed_milliseconds(started)
        timings.model = covered_milliseconds([run for look in looks for run in look.timings.runs])
        timings.preprocess = whole_ms - timings.model
        timings.per_image = [image_ms for look in looks for image_ms in look.timings.per_image]
        seen = {ref.camera: look.pyramid for ref, look in zip(frames, looks, strict=True)}
        return seen, [answer for look in looks for answer in look.outputs]


def _predict_frame(
    ring: RingReader, models: Sequence[ServingModel], ref: FrameRef
) -> FramePredictions:
    timings, started = InferenceTimings(), time.perf_counter()
    pyramid = ring.read(ref, partial(FramePyramid.from_frame, pixel_format=ref.pixel_format))
    answers = [run_model(model, pyramid, ref.camera, timings) for model in models]
    timings.per_image.append(elapsed_milliseconds(started))
    return FramePredictions(pyramid, answers, timings)
