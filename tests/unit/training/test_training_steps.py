"""The pure steps of training and evaluation."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import PictureError
from sightline.messaging.messages import Detection
from sightline.storage.products import VerdictPolicy
from sightline.vision.anchor_boxes import AnchorLevel, AnchorSpec, decode_boxes, make_anchors
from training.augmentation.detector_crops import (
    GroundTruth,
    clip_ground_truth,
    cut_random_crop,
    mirror_ground_truth,
)
from training.datasets import load_frame
from training.evaluation.part_figures import EvaluatedPart, compute_verdict_figures
from training.evaluation.wilson_bounds import compute_share_bounds
from training.fitting.anchor_targets import BACKGROUND_ANCHOR, IGNORED_ANCHOR, match_anchors

ANCHORS = make_anchors(AnchorSpec(64, 64, (AnchorLevel(8, (12.0, 24.0), (1.0,)),)))
NONE = np.zeros((0, 4), np.float32)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    """Boxes as corners."""
    return np.array(rows, np.float32).reshape(-1, 4)


def test_each_true_box_has_an_anchor_that_decodes_to_it() -> None:
    truth = boxes((3, 3, 15, 14), (20, 20, 50, 44))
    targets = match_anchors(truth, np.array([0, 1]), NONE, ANCHORS)
    for number, box in enumerate(truth):
        rows = np.nonzero(targets.classes == number)[0]
        assert len(rows) >= 1
        assert np.allclose(decode_boxes(targets.offsets[rows], ANCHORS[rows]), box, atol=1e-3)


def test_without_boxes_all_is_background_and_anchors_at_ignored_boxes_are_ignored() -> None:
    assert (
        match_anchors(NONE, np.zeros(0, np.int64), NONE, ANCHORS).classes == BACKGROUND_ANCHOR
    ).all()
    near = match_anchors(NONE, np.zeros(0, np.int64), boxes((0, 0, 32, 32)), ANCHORS).classes
    assert (near == IGNORED_ANCHOR).any()
    assert (near == BACKGROUND_ANCHOR).any()
    assert not (near >= 0).any()


def test_a_cut_box_counts_if_half_of_it_is_left_and_is_ignored_below() -> None:
    truth = GroundTruth(boxes((10, 0, 30, 10), (0, 0, 12, 10)), np.array([0, 1]), NONE)
    moved = clip_ground_truth(truth, 10, 0, (40, 40))
    assert moved.boxes.tolist() == [[0, 0, 20, 10]]
    assert moved.classes.tolist() == [0]
    assert moved.ignored.tolist() == [[0, 0, 2, 10]]


@given(st.integers(0, 2**32 - 1))
def test_a_crop_shows_in_its_boxes_what_the_picture_had_in_them(seed: int) -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    image[20:40, 30:50] = 200
    truth = GroundTruth(boxes((30, 20, 50, 40)), np.array([0]), NONE)
    crop, moved = cut_random_crop(image, truth, (48, 40), np.random.default_rng(seed))
    assert crop.shape == (40, 48, 3)
    for left, top, right, bottom in moved.boxes.astype(int):
        assert crop[top:bottom, left:right].min() > 100


def test_mirroring_twice_changes_nothing() -> None:
    truth = GroundTruth(boxes((1, 2, 3, 4)), np.array([0]), boxes((5, 6, 7, 8)))
    twice = mirror_ground_truth(mirror_ground_truth(truth, 20), 20)
    assert np.array_equal(twice.boxes, truth.boxes)
    assert np.array_equal(twice.ignored, truth.ignored)


def test_a_share_lies_within_its_bounds_and_nothing_tells_nothing() -> None:
    low, high = compute_share_bounds(5, 500)
    assert low < 0.01 < high < 0.025
    assert compute_share_bounds(0, 0) == (0.0, 1.0)
    assert compute_share_bounds(0, 500)[0] == 0.0


def part(
    number: int, planted: tuple[tuple[str, str, bool], ...], label: str = "", score: float = 0.9
) -> EvaluatedPart:
    """A part seen by one camera with its cap, and perhaps one more detection."""
    found = [("cap_present", 0.9), *([(label, score)] if label else [])]
    detections = tuple(
        Detection(camera="cam1", label=name, score=value, x=0, y=0, width=1, height=1, model="m")
        for name, value in found
    )
    return EvaluatedPart(number, ("cam1",), frozenset(planted), detections)


def test_escapes_overkill_and_review_are_shares_of_the_right_parts() -> None:
    fine, faint = ("scratch", "fine", True), ("scratch", "faint", False)
    found = compute_verdict_figures(
        [
            part(1, (fine,), "scratch"),
            part(2, (fine,)),
            part(3, (faint,)),
            part(4, ()),
            part(5, (), "dent"),
            part(6, (), "dent", VerdictPolicy().defects["dent"].review),
        ],
        VerdictPolicy(),
    )
    assert (found["escapes"]["count"], found["escapes"]["of"]) == (1, 2)
    assert (found["overkill"]["count"], found["overkill"]["of"]) == (1, 3)
    assert (found["review"]["count"], found["review"]["of"]) == (1, 6)
    assert found["recall_by_band"]["scratch fine"]["share"] == 0.5
    assert found["recall_by_band"]["scratch faint"]["visible"] is False


def test_training_sees_pictures_as_the_station_does(tmp_path: Path) -> None:
    picture = np.full((90, 160, 3), (40, 120, 200), np.uint8)
    cv2.imwrite(str(tmp_path / "p.png"), picture)
    small = load_frame(tmp_path / "p.png").at_size(80, 45)
    assert small.shape == (45, 80, 3)
    assert np.abs(small[20, 40].astype(int) - (200, 120, 40)).max() <= 3
    with pytest.raises(PictureError, match="cannot be read"):
        load_frame(tmp_path / "none.png")
