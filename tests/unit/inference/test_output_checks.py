"""A model that answers nonsense has not said "nothing found": no such part is ok.

And whatever a model answers that can be true: a defect that nobody puts up with is never lost.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import ModelError
from sightline.messaging.messages import CaptureConditions, Detection
from sightline.messaging.topics import PART_CAPTURED
from sightline.storage.products import InspectionZone, LabelTiers, VerdictPolicy
from sightline.vision.anchor_boxes import (
    MAX_BOXES,
    MAX_CANDIDATES,
    AnchorLevel,
    AnchorSpec,
    compute_iou,
    decode_boxes,
)
from sightline.vision.detector import ModelContract, RawDetections
from sightline.vision.model_outputs import (
    ModelOutput,
    ServingModel,
    decode_with_overflows,
    scale_to_frame,
)
from sightline.vision.part_judging import ReasonedVerdict, ViewCoverage, measure_and_judge
from sightline.vision.tolerances import is_tolerated
from tests.unit.inference.conftest import InferenceUnderTest

CAMERAS = ("cam1",)
FRAME = (640, 384)
SIGHT = ViewCoverage(CAMERAS, frame_sizes={"cam1": FRAME})
SMALL = AnchorSpec(320, 192, (AnchorLevel(32, (24.0,), (1.0,)),))
LARGE = AnchorSpec(320, 192, (AnchorLevel(4, (12.0,), (0.5, 1.0)),))


@dataclass
class Silent:
    """A detector's contract, as far as reading answers needs it."""

    contract: ModelContract
    digest: str = "0" * 64

    def infer(self, image: np.ndarray) -> RawDetections:
        """Nobody asks."""
        raise NotImplementedError


def model_of(name: str, labels: tuple[str, ...], anchors: AnchorSpec = SMALL) -> ServingModel:
    return ServingModel(
        Silent(
            ModelContract(
                contract_version=1,
                name=name,
                labels=labels,
                anchors=anchors,
                preprocessing="area-halves-1",
            )
        )
    )


SURFACE = model_of("surface", ("scratch", "dent"))
CAP = model_of("cap", ("cap_present", "cap_missing"))
COUNT = len(SURFACE.anchors)
CROWDED = model_of("one", ("scratch", "bottle", "other"), LARGE)


def silence(model: ServingModel) -> RawDetections:
    """Nothing found."""
    count, labels = len(model.anchors), len(model.contract.labels)
    return RawDetections(np.zeros((count, 4), np.float32), np.zeros((count, labels), np.float32))


def cap_there() -> RawDetections:
    raw = silence(CAP)
    raw.scores[20, 0] = 0.95
    return raw


def verdict_on(
    answers: Sequence[tuple[ServingModel, RawDetections]],
    policy: VerdictPolicy,
    scales: dict[str, float] | None = None,
) -> ReasonedVerdict | None:
    """What the station makes of the answers; None: the part is missed."""
    try:
        given = [ModelOutput(model, "cam1", FRAME, raw) for model, raw in answers]
        reading = decode_with_overflows(given, policy.min_score())
    except ModelError:
        return None
    ranked = sorted(reading.detections, key=lambda found: -found.score)
    return measure_and_judge(
        ranked, reading.overflows, coverage=SIGHT, policy=policy, scales=scales or {}
    )


NOT_NUMBERS = [np.nan, np.inf, -np.inf]
MODELS = [SURFACE, CAP]


def with_surface_or_cap(spoilt: ServingModel, raw: RawDetections) -> ReasonedVerdict | None:
    """A good part, but for what one of the models answers."""
    healthy = (CAP, cap_there()) if spoilt is SURFACE else (SURFACE, silence(SURFACE))
    return verdict_on([(spoilt, raw), healthy], VerdictPolicy())


@pytest.mark.parametrize("value", [*NOT_NUMBERS, -0.5, 1.5, 3.4e38])
@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize("model", MODELS, ids=["surface", "cap"])
def test_scores_that_are_none_make_the_part_missed(
    model: ServingModel, everywhere: bool, value: float
) -> None:
    raw = cap_there() if model is CAP else silence(model)
    raw.scores[... if everywhere else (7, 1)] = value
    assert with_surface_or_cap(model, raw) is None


@pytest.mark.parametrize("value", [*NOT_NUMBERS, 3.4e38, -3.4e38, 1e5])
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("score", [0.0, 0.97])
def test_offsets_that_are_none_make_the_part_missed(place: int, score: float, value: float) -> None:
    raw = silence(SURFACE)
    raw.boxes[30, place] = value
    raw.scores[30, 0] = score
    zone: dict[str, tuple[InspectionZone, ...]] = {"cam1": (InspectionZone(),)}
    policy = VerdictPolicy(defects={"scratch": LabelTiers(zones=zone, max_ok_mm=5)})
    assert verdict_on([(SURFACE, raw), (CAP, cap_there())], policy, {"cam1": 0.1}) is None


@pytest.mark.parametrize(
    "offsets", [(900, 0, 0, 0), (0, -900, 0, 0), (0, 0, -900, 0), (0, 0, 0, -900)]
)
def test_a_box_far_outside_or_without_extent_makes_the_part_missed(
    offsets: tuple[float, ...],
) -> None:
    raw = silence(SURFACE)
    raw.boxes[30] = offsets
    raw.scores[30, 0] = 0.97
    assert with_surface_or_cap(SURFACE, raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        RawDetections(np.zeros((COUNT, 4), np.float64), np.zeros((COUNT, 2), np.float32)),
        RawDetections(np.zeros((COUNT, 4), np.float32), np.zeros((COUNT, 2), np.int64)),
        RawDetections(np.zeros((COUNT - 1, 4), np.float32), np.zeros((COUNT, 2), np.float32)),
        RawDetections(np.zeros((COUNT, 4), np.float32), np.zeros((COUNT, 1), np.float32)),
        RawDetections(np.zeros((0, 4), np.float32), np.zeros((0, 2), np.float32)),
        RawDetections(None, np.zeros((COUNT, 2), np.float32)),  # type: ignore[arg-type]
    ],
)
def test_an_answer_of_another_kind_or_shape_makes_the_part_missed(raw: RawDetections) -> None:
    assert with_surface_or_cap(SURFACE, raw) is None


def test_rounding_of_sixteen_bits_is_no_fault_and_no_score_is_told_above_one() -> None:
    raw = silence(SURFACE)
    raw.scores[30, 0] = 1.0005
    judgement = with_surface_or_cap(SURFACE, raw)
    assert judgement is not None
    assert judgement.verdict == "defect"
    assert max(found.score for found in judgement.relevant_detections) == 1.0


numbers = st.one_of(
    st.sampled_from([*NOT_NUMBERS, -3.4e38, 3.4e38, -1000.0, 1000.0, 0.0]),
    st.floats(-40, 40, width=32),
)
scores = st.one_of(st.sampled_from([*NOT_NUMBERS, -0.1, 1.1, 0.5, 0.35]), st.floats(0, 1, width=32))
spots = st.lists(
    st.tuples(st.integers(0, COUNT - 1), st.integers(0, 1), scores, st.tuples(*[numbers] * 4)),
    max_size=6,
)
tiers = st.builds(
    LabelTiers,
    reject=st.just(0.5),
    review=st.sampled_from([0.35, 0.5]),
    keep=st.sampled_from([0.2, 0.35]),
    max_ok_mm=st.sampled_from([0.0, 2.0, 20.0]),
    zones=st.sampled_from([{}, {"cam1": (InspectionZone(left=0.3, right=0.7),)}]),
)


@settings(deadline=None)
@given(spots, tiers, st.sampled_from(MODELS))
def test_whatever_a_model_answers_no_part_is_ok_that_is_not_known_to_be_good(
    given_spots: list[tuple[int, int, float, tuple[float, ...]]],
    tier: LabelTiers,
    model: ServingModel,
) -> None:
    raw = cap_there() if model is CAP else silence(model)
    for row, label, score, offsets in given_spots:
        raw.boxes[row], raw.scores[row, label] = offsets, score
    policy = VerdictPolicy(defects={"scratch": tier, "dent": tier, "cap_missing": tier})
    healthy = (CAP, cap_there()) if model is SURFACE else (SURFACE, silence(SURFACE))
    judgement = verdict_on([(model, raw), healthy], policy, {"cam1": 0.1})
    outputs = np.concatenate([raw.boxes.reshape(-1), raw.scores.reshape(-1)])
    if not np.isfinite(outputs).all() or raw.scores.max() > 1.01 or raw.scores.min() < -0.01:
        assert judgement is None
    elif judgement is not None and judgement.verdict in ("ok", "empty"):
        assert all(
            is_tolerated(found, policy.defects[found.label], SIGHT.frame_sizes)
            for found in everything(model, raw, 0.5)
            if found.label in policy.defects
        )


def everything(model: ServingModel, raw: RawDetections, threshold: float) -> list[Detection]:
    """All boxes of all classes, with no limit but that of those that overlap the best one stays."""
    found = []
    for number, label in enumerate(model.contract.labels):
        rows = [r for r in np.argsort(-raw.scores[:, number]) if raw.scores[r, number] >= threshold]
        boxes = decode_boxes(raw.boxes[rows], model.anchors[rows])
        kept: list[int] = []
        for place in range(len(rows)):
            if not any(compute_iou(boxes[[k]], boxes[[place]])[0, 0] > 0.45 for k in kept):
                kept.append(place)
        size = (model.contract.anchors.width, model.contract.anchors.height)
        for x, y, right, bottom in scale_to_frame(boxes[kept], size, FRAME).tolist():
            width, height = right - x, bottom - y
            size_mm = float(np.hypot(width, height)) * 0.1
            found.append(
                Detection(
                    camera="cam1",
                    label=label,
                    score=0.9,
                    x=x,
                    y=y,
                    width=width,
                    height=height,
                    model="",
                    size_mm=size_mm,
                )
            )
    return found


def crowd(**rows_of: tuple[slice | int, float]) -> RawDetections:
    """Scores of a label on rows of the model of many anchors."""
    raw = silence(CROWDED)
    for label, (rows, score) in rows_of.items():
        raw.scores[rows, CROWDED.contract.labels.index(label)] = score
    return raw


ONE = VerdictPolicy(defects={"scratch": LabelTiers()}, product_labels=("bottle",))
TOLERANT = VerdictPolicy(
    defects={"scratch": LabelTiers(zones={"cam1": (InspectionZone(top=0.8),)})},
    product_labels=("bottle",),
)


@pytest.mark.parametrize("label", ["bottle", "other"])
@pytest.mark.parametrize("count", [220, 3000])
def test_no_other_label_crowds_out_a_defect(label: str, count: int) -> None:
    raw = crowd(scratch=(-100, 0.8), bottle=(-1, 0.99))
    raw.scores[:count, CROWDED.contract.labels.index(label)] = 0.9
    judgement = verdict_on([(CROWDED, raw)], ONE)
    assert judgement is not None
    assert judgement.verdict == "defect"


def apart(raw: RawDetections) -> RawDetections:
    """So small that no box overlaps another one."""
    raw.boxes[:, 2:] = -12.0
    return raw


@pytest.mark.parametrize(
    ("count", "verdict"), [(50, "defect"), (180, "defect"), (800, "review"), (3000, "review")]
)
def test_marks_outside_of_the_zones_never_hide_the_one_within(count: int, verdict: str) -> None:
    raw = apart(crowd(scratch=(slice(0, count), 0.9), bottle=(-1, 0.99)))
    raw.scores[-200, 0] = 0.63
    judgement = verdict_on([(CROWDED, raw)], TOLERANT)
    assert judgement is not None
    assert judgement.verdict == verdict
    if verdict == "review":
        assert "more scratch on cam1 than are examined" in judgement.reason


def test_more_marks_than_are_still_ok_are_never_cut_down_to_what_is_ok() -> None:
    raw = apart(crowd(scratch=(slice(0, 600), 0.9), bottle=(-1, 0.99)))
    policy = VerdictPolicy(
        defects={"scratch": LabelTiers(max_ok_count=500)}, product_labels=("bottle",)
    )
    judgement = verdict_on([(CROWDED, raw)], policy)
    assert judgement is not None
    assert judgement.verdict == "review"


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 5000),
    st.sampled_from([-12.0, -4.0, 0.0]),
    st.floats(0.25, 1),
)
def test_among_any_number_of_marks_one_within_the_zone_closes_the_gate(
    seed: int, count: int, extent: float, loudness: float
) -> None:
    random = np.random.default_rng(seed)
    raw = crowd(bottle=(-1, 0.99))
    rows = random.permutation(len(CROWDED.anchors) - 2000)[:count]
    raw.scores[rows, 0] = random.uniform(0.2, loudness, len(rows))
    raw.boxes[:, 2:] = extent
    raw.scores[-300, 0] = 0.5
    judgement = verdict_on([(CROWDED, raw)], TOLERANT)
    assert judgement is not None
    assert judgement.verdict in ("defect", "review")


@pytest.mark.parametrize("score", [0.5, 0.35, 0.2])
def test_a_score_exactly_at_the_lowest_tier_is_read(score: float) -> None:
    policy = VerdictPolicy(
        defects={"scratch": LabelTiers(reject=score, review=score, keep=score)},
        product_labels=("bottle",),
        product_score=0.9,
    )
    judgement = verdict_on([(CROWDED, crowd(scratch=(100, score)))], policy)
    assert judgement is not None
    assert judgement.verdict == "defect"


def test_reading_takes_no_more_than_its_limits_however_much_a_model_sees() -> None:
    """All anchors of all classes: the time is bounded, for what is looked at is."""
    answers = []
    for camera in ("cam1", "cam2", "cam3", "cam4"):
        raw = apart(silence(CROWDED))
        raw.scores[:] = np.random.default_rng(1).uniform(0.5, 1, raw.scores.shape)
        answers.append(ModelOutput(CROWDED, camera, FRAME, raw))
    started = time.process_time()
    reading = decode_with_overflows(answers, 0.2)
    assert time.process_time() - started < 10  # minutes without the limits
    assert len(reading.detections) == 4 * 3 * MAX_BOXES
    assert {(found.camera, found.label) for found in reading.overflows} == {
        (answer.camera, label) for answer in answers for label in CROWDED.contract.labels
    }
    assert len(CROWDED.anchors) > MAX_CANDIDATES


def test_a_part_with_more_marks_than_are_looked_at_goes_to_review_and_that_is_told(
    running: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert running.judge(1).verdict == "ok"
    monkeypatch.setattr("sightline.vision.anchor_boxes.MAX_CANDIDATES", 0)
    verdict = running.judge(2)
    monkeypatch.undo()
    assert verdict.verdict == "review"
    assert "more cap present on cam1 than are examined" in verdict.reason
    report = running.health.build_report()
    assert [fault.code for fault in report.faults] == ["too-many-detections"]
    assert report.counters["parts_with_more_than_is_looked_at"] == 1
    assert running.judge(3).verdict == "ok"
    assert running.health.build_report().faults == ()


@pytest.mark.parametrize("name", ["brightness", "sharpness", "saturation", "shift_px"])
@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_conditions_that_are_no_numbers_are_out_of_range(
    running: InferenceUnderTest, name: str, value: float
) -> None:
    captured = running.capture(1)
    seen = {"brightness": 100.0, "sharpness": 9.0, name: value}
    conditions = (CaptureConditions(camera="cam2", **seen),)  # type: ignore[arg-type]
    running.deliver(PART_CAPTURED, msgspec.structs.replace(captured, conditions=conditions))
    verdict = running.verdicts()[-1]
    assert verdict.verdict == "review"
    assert f"cam2 {name}" in verdict.reason


def test_what_a_serving_model_answers_amiss_makes_its_parts_missed_with_a_fault(
    running: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sightline.vision.onnx_detector import OnnxDetector

    infer = OnnxDetector.infer

    def spoilt(detector: OnnxDetector, image: np.ndarray) -> RawDetections:
        raw = infer(detector, image)
        raw.scores[3] = np.nan
        return raw

    monkeypatch.setattr(OnnxDetector, "infer", spoilt)
    verdict = running.judge(1)
    assert verdict.verdict == "missed"
    assert "its scores go from nan" in verdict.reason
    assert [fault.code for fault in running.health.build_report().faults] == ["model-run"]
    monkeypatch.undo()
    assert running.judge(2).verdict == "ok"
