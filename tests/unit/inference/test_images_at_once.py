"""Images looked at side by side give the verdict that one after the other gives, and honest times."""

import threading
import time

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sightline.imaging.frame_ring import RingWriter, ring_path
from sightline.kernel.component import NewConfiguration
from sightline.messaging.messages import PartJudged
from sightline.messaging.topics import PART_CAPTURED
from sightline.vision.detector import RawDetections
from sightline.vision.model_outputs import covered_milliseconds
from sightline.vision.onnx_detector import OnnxDetector
from tests.unit.inference.conftest import CAMERAS, FRAME_HEIGHT, FRAME_WIDTH, InferenceUnderTest

RUNS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=8)


def set_images_at_once(bench: InferenceUnderTest, images_at_once: int) -> None:
    bench.configuration = msgspec.structs.replace(
        bench.configuration, images_at_once=images_at_once
    )


def judged_by(bench: InferenceUnderTest, images_at_once: int, number: int) -> PartJudged:
    set_images_at_once(bench, images_at_once)
    bench.start()
    verdict = bench.judge(number, scratches=("cam2", "cam4"))
    bench.stop()
    return verdict


@pytest.mark.parametrize("images_at_once", [2, 4, 8])
def test_the_verdict_is_that_of_one_image_after_the_other(
    images_at_once: int, bench: InferenceUnderTest
) -> None:
    alone, beside = judged_by(bench, 1, 1), judged_by(bench, images_at_once, 2)
    assert alone.verdict == beside.verdict == "defect"
    assert alone.detections == beside.detections
    assert len(beside.timings.per_image_ms) == len(CAMERAS)


def test_all_threads_follow_to_the_new_ring_of_a_capture_that_was_restarted(
    bench: InferenceUnderTest,
) -> None:
    set_images_at_once(bench, 4)
    bench.start()
    for number in range(1, 31):
        bench.ring.close()
        bench.ring = RingWriter(
            ring_path(bench.station), CAMERAS, slots=2, slot_bytes=FRAME_WIDTH * FRAME_HEIGHT * 2
        )
        verdict = bench.judge(number)
        assert verdict.verdict == "ok", verdict.reason


def test_another_number_of_images_is_in_force_from_the_next_part_on(
    bench: InferenceUnderTest,
) -> None:
    inspector = bench.start()
    assert bench.judge(1).verdict == "ok"
    set_images_at_once(bench, 3)
    inspector.handle(NewConfiguration(bench.configuration))
    bench.run_until("the models serve", lambda: bench.health.build_report().ready)
    assert bench.judge(2, scratches=("cam1",)).verdict == "defect"


@given(RUNS)
def test_the_time_of_the_models_counts_each_moment_once(runs: list[tuple[int, int]]) -> None:
    spans = [(float(start), float(start + length)) for start, length in runs]
    moments = {second for start, length in runs for second in range(start, start + length)}
    assert covered_milliseconds(spans) == pytest.approx(1000 * len(moments))


def test_the_stages_of_a_part_take_no_longer_than_the_part(
    bench: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, all_run = OnnxDetector.infer, threading.Barrier(len(CAMERAS), timeout=20.0)

    def run_together(detector: OnnxDetector, image: NDArray[np.uint8]) -> RawDetections:
        all_run.wait()
        time.sleep(0.02)
        return run(detector, image)

    set_images_at_once(bench, len(CAMERAS))
    bench.start()
    captured = bench.capture(1)
    monkeypatch.setattr(OnnxDetector, "infer", run_together)
    began_s = time.perf_counter()
    bench.deliver(PART_CAPTURED, captured)
    whole_ms = 1000 * (time.perf_counter() - began_s)
    timings = bench.verdicts()[-1].timings
    stages_ms = (timings.preprocess_ms, timings.model_ms, timings.decode_ms, timings.commit_ms)
    assert min(stages_ms) > 0
    assert sum(stages_ms) <= whole_ms
