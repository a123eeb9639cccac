"""What the station adds to the bare models: four frames from the ring, both demo models, the ledger."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from hil.plant.bottles.part import PartPlan, render_part
from inference.configuration import VerdictPolicy
from inference.ledger.verdict_ledger import Ledger
from inference.prediction.part_inference import PartInference, PartPredictions
from inference.verdicts.verdict_messages import build_verdict
from sightline.clock import boot_id
from sightline.imaging.frame_ring import RingWriter, ring_path
from sightline.imaging.pixels import bgr_to_uyvy
from sightline.messaging.messages import FrameRef, Part, PartCaptured
from sightline.vision.model_outputs import ServingModel
from sightline.vision.onnx_detector import OnnxDetector
from sightline.vision.part_judging import ViewCoverage, judge_detections

MODELS = Path(__file__).resolve().parents[2] / "components" / "models"
CAMERAS = ("cam1", "cam2", "cam3", "cam4")


@pytest.fixture
def models() -> list[ServingModel]:
    cv2.setNumThreads(1)
    return [ServingModel(OnnxDetector(MODELS / name, threads=1)) for name in ("surface", "cap")]


@pytest.fixture
def frames() -> Iterator[tuple[str, list[FrameRef]]]:
    """Four pictures of a good bottle in the ring of a station; its name."""
    station_id = f"bench-{uuid.uuid4().hex[:8]}"
    ring = RingWriter(ring_path(station_id), CAMERAS, slots=2, slot_bytes=1280 * 720 * 2)
    refs = [
        ring.write(
            CAMERAS[view.camera],
            bgr_to_uyvy(view.picture),
            "UYVY",
            width=1280,
            height=720,
            sequence=1,
            captured_monotonic_ns=0,
        )
        for view in render_part(PartPlan(1, "good"), 1)
    ]
    yield station_id, refs
    ring.close()


def test_the_bare_models_on_four_images(
    benchmark: BenchmarkFixture, models: list[ServingModel]
) -> None:
    sizes = [(model, model.contract.anchors) for model in models]
    images = [(m, np.zeros((size.height, size.width, 3), np.uint8)) for m, size in sizes]

    def run() -> None:
        for _ in CAMERAS:
            for model, image in images:
                model.detector.infer(image)

    benchmark(run)


@pytest.mark.parametrize("images_at_once", [1, 2])
def test_a_part_from_the_ring_to_its_detections(
    images_at_once: int,
    benchmark: BenchmarkFixture,
    models: list[ServingModel],
    frames: tuple[str, list[FrameRef]],
) -> None:
    station_id, refs = frames
    examiner = PartInference(station_id, CAMERAS, images_at_once)
    examined: PartPredictions = benchmark(
        examiner.predict_part, refs, models, VerdictPolicy().min_score()
    )
    examiner.close()
    timings = examined.timings
    shares = {
        "preprocess_ms": timings.preprocess,
        "model_ms": timings.model,
        "decode_ms": timings.decode,
    }
    benchmark.extra_info.update({name: round(value, 3) for name, value in shares.items()})
    assert {found.label for found in examined.detections} >= {"cap_present"}


def test_a_verdict_from_detections_to_the_disk(
    benchmark: BenchmarkFixture,
    models: list[ServingModel],
    frames: tuple[str, list[FrameRef]],
    tmp_path: Path,
) -> None:
    station_id, refs = frames
    examined = PartInference(station_id, CAMERAS, 1).predict_part(
        refs, models, VerdictPolicy().min_score()
    )
    ledger = Ledger(tmp_path / "ledger.sqlite", 1000)
    numbers = iter(range(1, 1_000_000))

    def run() -> None:
        captured = PartCaptured(
            station_id="bench",
            part=Part(1, next(numbers)),
            triggered_utc_ns=0,
            triggered_monotonic_ns=0,
            captured_monotonic_ns=0,
            deadline_monotonic_ns=0,
            boot_id=boot_id(),
            frames=tuple(refs),
        )
        judgement = judge_detections(examined.detections, ViewCoverage(CAMERAS), VerdictPolicy())
        verdict = build_verdict(
            captured,
            judgement,
            examined,
            models,
            policy=VerdictPolicy(),
            evidence=(),
            queue_ms=0.0,
            now_utc_ns=0,
        )
        ledger.commit([verdict])

    benchmark(run)
    ledger.close()
