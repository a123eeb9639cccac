"""Boxes, sizes and policy: what holds for any input."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from inference.configuration import InferenceConfiguration, LabelTiers, VerdictPolicy
from inference.verdicts.verdict_messages import shrink_verdict, with_commit_time
from sightline.configuration import load_configuration
from sightline.errors import ConfigurationError, PictureError
from sightline.messaging.codec import encode as encode_message
from sightline.messaging.messages import Detection, HoldRange, Part, PartJudged
from sightline.vision.anchor_boxes import (
    AnchorLevel,
    AnchorSpec,
    decode_boxes,
    encode_boxes,
    find_boxes,
    find_boxes_in_images,
    make_anchors,
)
from sightline.vision.part_judging import ViewCoverage, judge_detections
from sightline.vision.preprocess import FramePyramid

CAMERAS = ("cam1", "cam2")
FIRST = Part(1, 1)
SPEC = AnchorSpec(
    64, 48, (AnchorLevel(8, (10.0, 20.0), (0.5, 1.0)), AnchorLevel(16, (30.0,), (1.0,)))
)


def test_anchors_lie_in_the_middle_of_their_cells_row_by_row() -> None:
    anchors = make_anchors(SPEC)
    assert anchors.shape == (8 * 6 * 4 + 4 * 3, 4)
    assert anchors[0][:2].tolist() == [4, 4]
    assert anchors[4][:2].tolist() == [12, 4]
    assert anchors[-1].tolist() == [56, 40, 30, 30]
    assert np.allclose(anchors[0][2] * anchors[0][3], 100)


@given(st.floats(1, 60), st.floats(1, 40), st.floats(2, 60), st.floats(2, 40), st.integers(0, 100))
def test_decoding_gives_back_the_box_that_was_encoded(
    x: float, y: float, width: float, height: float, anchor: int
) -> None:
    box = np.array([[x, y, x + width, y + height]], np.float32)
    anchors = make_anchors(SPEC)[anchor : anchor + 1]
    assert np.allclose(decode_boxes(encode_boxes(box, anchors), anchors), box, atol=1e-2)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_found_boxes_are_above_the_threshold_best_first_and_do_not_overlap(
    seed: int, threshold: float
) -> None:
    random = np.random.default_rng(seed)
    anchors = make_anchors(SPEC)
    scores = random.random((len(anchors), 2), dtype=np.float32)
    raw = random.normal(0, 1, (len(anchors), 4)).astype(np.float32)
    found = find_boxes(raw, scores, anchors, score_threshold=threshold, max_boxes=20)
    assert max(np.bincount(found.classes, minlength=1)) <= 20
    assert (found.scores >= threshold).all()
    assert (np.diff(found.scores) <= 0).all()


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 1)), min_size=1, max_size=5))
def test_images_read_together_give_what_each_gives_alone(images: list[tuple[int, float]]) -> None:
    anchors = make_anchors(SPEC)
    answers = []
    for seed, loudness in images:
        random = np.random.default_rng(seed)
        scores = (loudness * random.random((len(anchors), 2))).astype(np.float32)
        answers.append((random.normal(0, 1, (len(anchors), 4)).astype(np.float32), scores))
    together = find_boxes_in_images(answers, anchors, score_threshold=0.4, max_boxes=9)
    for (raw, scores), found in zip(answers, together, strict=True):
        alone = find_boxes(raw, scores, anchors, score_threshold=0.4, max_boxes=9)
        np.testing.assert_array_equal(found.boxes, alone.boxes)
        np.testing.assert_array_equal(found.scores, alone.scores)
        np.testing.assert_array_equal(found.classes, alone.classes)


def test_a_pyramid_halves_by_area_and_never_lets_a_fine_line_vanish() -> None:
    picture = np.full((720, 1280, 3), 100, np.uint8)
    picture[:, 640:643] = 40
    small = FramePyramid(picture).at_size(640, 360)
    assert small.shape == (360, 640, 3)
    assert small[100, 320, 0] == 40
    assert FramePyramid(picture).at_size(320, 180)[50, 160].min() < 60


def test_an_unknown_pixel_format_is_refused_by_name() -> None:
    with pytest.raises(PictureError, match="MJPG"):
        FramePyramid.from_frame(np.zeros((4, 4, 2), np.uint8), "MJPG")  # type: ignore[arg-type]


def found(label: str, score: float, camera: str = "cam1") -> Detection:
    """A detection somewhere."""
    return Detection(
        camera=camera, label=label, score=score, x=1, y=2, width=3, height=4, model="m"
    )


CAPS = [found("cap_present", 0.9, camera) for camera in CAMERAS]


@given(st.floats(0, 1))
def test_the_tiers_of_a_label_decide(score: float) -> None:
    judgement = judge_detections(
        [*CAPS, found("scratch", score)], ViewCoverage(CAMERAS), VerdictPolicy()
    )
    tiers = LabelTiers()
    expected = "defect" if score >= tiers.reject else "review" if score >= tiers.review else "ok"
    assert judgement.verdict == expected
    assert judgement.keep_pictures == (score >= tiers.keep)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["scratch", "dent", "cap_present", "cap_missing", "other"]),
            st.floats(0, 1),
            st.sampled_from(CAMERAS),
        )
    ),
    st.sets(st.sampled_from(CAMERAS)),
    st.booleans(),
)
def test_ok_needs_every_camera_good_conditions_and_a_product_on_each(
    detections: list[tuple[str, float, str]], missing: set[str], dark: bool
) -> None:
    sight = ViewCoverage(CAMERAS, tuple(missing), ("cam1 brightness",) if dark else ())
    seen = [found(*detection) for detection in detections]
    judgement = judge_detections(seen, sight, VerdictPolicy())
    if judgement.verdict == "ok":
        assert not missing
        assert not dark
        product = {d.camera for d in seen if d.label.startswith("cap_") and d.score >= 0.5}
        assert product == set(CAMERAS)
        assert not any(d.score >= 0.5 for d in seen if d.label in VerdictPolicy().defects)
    if judgement.verdict == "empty":
        assert not missing
        assert not dark


def test_detections_that_do_not_fit_into_a_message_are_cut_by_rank_and_counted() -> None:
    many = tuple(found("scratch", 1 - rank / 1000) for rank in range(200))
    verdict = shrink_verdict(
        PartJudged(
            station_id="s",
            part=Part(1, 1),
            verdict="defect",
            reason="",
            product_detected=True,
            triggered_utc_ns=0,
            triggered_monotonic_ns=0,
            deadline_monotonic_ns=0,
            boot_id="",
            judged_utc_ns=0,
            detections=many,
        )
    )
    encode_message(verdict)
    assert verdict.detections == many[: len(verdict.detections)]
    assert len(verdict.detections) + verdict.detections_omitted == 200
    assert len(verdict.detections) > 20


@pytest.mark.parametrize("filling", range(0, 150, 5))
def test_a_verdict_that_is_as_large_as_may_be_can_still_be_told_with_its_hold(filling: int) -> None:
    last = Part(1_764_534_599, 2**32 - 2)
    part = Part(last.epoch, 2**32 - 1)
    hold = f"{part.epoch}-{part.part_number}"
    verdict = replace(
        shrink_verdict(
            a_verdict(
                part, detections=tuple(found("scratch", 0.5) for _ in range(64)), lot="x" * filling
            )
        ),
        follows=last,
        hold=hold,
        held_back=HoldRange(hold=hold, first=last, last=part),
        challenge_result="undecided",
    )
    encode_message(with_commit_time(verdict, 12_345.6789))


def test_labels_that_do_not_fit_into_a_message_are_left_out_where_nothing_of_them_was_found() -> (
    None
):
    labels = ("cap_present", *(f"label_{number:0>50}" for number in range(100)))
    verdict = shrink_verdict(
        a_verdict(detections=(found("cap_present", 0.9),), product_labels=labels, reason="ok")
    )
    encode_message(verdict)
    assert (verdict.product_labels, len(verdict.detections)) == (("cap_present",), 1)


def test_a_reason_that_does_not_fit_into_a_message_is_cut() -> None:
    verdict = shrink_verdict(a_verdict(reason="\a" * 1000))
    encode_message(verdict)
    assert verdict.reason.startswith("\a")


def a_verdict(part: Part = FIRST, **more: Any) -> PartJudged:
    values: dict[str, Any] = {
        "station_id": "s",
        "part": part,
        "verdict": "defect",
        "reason": "",
        "product_detected": True,
        "triggered_utc_ns": 0,
        "triggered_monotonic_ns": 0,
        "deadline_monotonic_ns": 0,
        "boot_id": "",
        "judged_utc_ns": 0,
    }
    return PartJudged(**{**values, **more})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"policy": {"defects": {"dent": {"reject": "much"}}}}, "/policy/defects/dent/reject"),
        (
            {"policy": {"defects": {"scratch": {"reject": 0.3, "review": 0.3, "keep": 0.6}}}},
            "must not rise",
        ),
        ({"policy": {"defects": {"dent": {"reject": "nan"}}}}, "/policy/defects/dent/reject"),
        ({"models": [{"runtime": "onnx"}]}, "missing required field `name`"),
        ({"models": [{"name": "a", "runtime": "magic"}]}, "/models/0/runtime"),
        ({"threads": 0}, "/threads"),
        ({"evidence": {"jpegQuality": 101}}, "/evidence/jpegQuality"),
        ({"speed": 1}, "speed"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_configuration(InferenceConfiguration, values)


def test_numbers_written_as_text_are_taken() -> None:
    values = {"threads": "1", "policy": {"productScore": "0.4"}}
    configuration = load_configuration(InferenceConfiguration, values)
    assert configuration.threads == 1
    assert configuration.policy.product_score == 0.4
    assert msgspec.to_builtins(configuration)["evidence"]["jpegQuality"] == 85
