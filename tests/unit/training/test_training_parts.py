"""The parts of the methods: blots, thresholds and calibration."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")

import torch

from sightline.vision.anchor_boxes import AnchorLevel, AnchorSpec, encode_boxes, make_anchors
from tests.unit.training.small_data_sets import read_pictures
from training.augmentation.detector_crops import GroundTruth, cut_zoomed_crop
from training.augmentation.image_transforms import add_blots
from training.datasets import ANOMALY, TrueBox
from training.evaluation.average_precision import compute_ap50, match_boxes_by_label
from training.evaluation.box_thresholds import compute_mean_union_f1, find_matched_threshold
from training.evaluation.predictions import PicturePrediction, PredictedBox
from training.fitting.detector_losses import compute_overlap_loss
from training.methods.anomaly_map import find_anomaly_threshold
from training.methods.classifier_method import (
    compute_draw_odds,
    compute_f1,
    find_best_threshold,
    fit_calibration,
)
from training.models.classifier_network import ClassifierNetwork, MirrorMean

NO_BOXES = np.zeros((0, 4), np.float32)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_a_zoomed_crop_shows_in_its_boxes_what_the_picture_had_in_them(seed: int) -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    image[20:40, 30:50] = 200
    truth = GroundTruth(np.array([(30, 20, 50, 40)], np.float32), np.array([0]), NO_BOXES)
    crop, moved = cut_zoomed_crop(image, truth, (64, 48), (0.6, 1.3), np.random.default_rng(seed))
    assert crop.shape == (48, 64, 3)
    for left, top, right, bottom in moved.boxes.round().astype(int):
        inside = crop[top + 2 : bottom - 2, left + 2 : right - 2]
        assert not inside.size or inside.min() > 90


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_a_blot_changes_the_picture_within_its_mask_only(seed: int) -> None:
    image = np.full((64, 64, 3), 120, np.uint8)
    changed, where = add_blots(image, np.random.default_rng(seed), 3)
    far = np.abs(changed.astype(int) - 120).max(axis=2)
    assert far[~where].max(initial=0) <= 3 * 110 * 0.26
    assert not where.any() or far[where].max() >= 5


def test_boxes_that_agree_lose_nothing_and_boxes_apart_lose_more_than_one() -> None:
    anchors = make_anchors(AnchorSpec(32, 32, (AnchorLevel(16, (12.0,), (1.0,)),)))
    true = np.array([(2, 2, 14, 14)] * len(anchors), np.float32)
    apart = true + 16
    encoded = [torch.from_numpy(encode_boxes(boxes, anchors)) for boxes in (true, apart)]
    tensor = torch.from_numpy(anchors)
    assert float(compute_overlap_loss(encoded[0], encoded[0], tensor)) == pytest.approx(0, abs=1e-4)
    assert float(compute_overlap_loss(encoded[1], encoded[0], tensor)) / len(anchors) > 1


def test_the_box_threshold_is_the_one_with_the_best_matched_boxes() -> None:
    picture = read_pictures("train", "a", ANOMALY, 1)[0]
    right, wrong = (
        PredictedBox("spot", 0.6, (1, 1, 5, 5)),
        PredictedBox("spot", 0.3, (20, 20, 8, 8)),
    )
    prediction = PicturePrediction((right, wrong), 0.6)
    by_label = match_boxes_by_label([picture], [prediction], ("spot",))
    assert find_matched_threshold(by_label, (0.1, 0.5, 0.9)) == (0.5, 1.0)
    assert compute_mean_union_f1([picture], [prediction], 0.9) == 0.0


def test_one_box_over_the_whole_picture_and_boxes_with_the_wrong_label_count_for_nothing() -> None:
    whole, true = (0.0, 0.0, 40.0, 30.0), (1.0, 1.0, 30.0, 25.0)
    bare = read_pictures("train", "a", ANOMALY, 1)[0]
    picture = replace(bare, boxes=(TrueBox("spot", true), TrueBox("hole", (0, 26, 8, 4))))
    by_whole, by_wrong, right = (
        match_boxes_by_label(
            [picture], [PicturePrediction((PredictedBox(label, 0.9, box),), 0.9)], ("spot", "hole")
        )
        for label, box in (("hole", whole), ("hole", true), ("spot", true))
    )
    for wrong in (by_whole, by_wrong):
        assert (compute_ap50(wrong), find_matched_threshold(wrong, (0.5,))) == (0.0, (0.5, 0.0))
    assert (compute_ap50(right), find_matched_threshold(right, (0.5,))) == (0.5, (0.5, 0.5))


def test_the_threshold_is_where_the_map_s_regions_cover_the_true_boxes_best() -> None:
    pictures = read_pictures("train", "a", ANOMALY, 4)
    anomaly_map = np.full((30, 40), 0.1, np.float32)
    anomaly_map[1:6, 1:6] = 0.8
    best = find_anomaly_threshold(pictures, [anomaly_map] * 4, [])
    assert best.union_f1 == pytest.approx(1.0)
    assert 0.1 < best.threshold < 0.81
    plain = [replace(picture, boxes=()) for picture in pictures]
    assert (
        0.1
        < find_anomaly_threshold(
            plain, [anomaly_map] * 4, [np.full((30, 40), 0.1, np.float32)]
        ).threshold
        < 0.8
    )


def test_calibrated_scores_are_as_often_right_as_they_say() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 3, 4000)
    flags = random.random(4000) < 1 / (1 + np.exp(-(0.5 * logits - 1)))
    found = fit_calibration(logits, flags)
    assert found.slope == pytest.approx(0.5, abs=0.06)
    assert found.offset == pytest.approx(-1, abs=0.15)


def test_perfectly_separated_pictures_get_a_threshold_between_them() -> None:
    logits, flags = np.array([-3.0, -2.0, 2.0, 4.0]), np.array([False, False, True, True])
    found = fit_calibration(logits, flags)
    assert compute_f1(found.to_probability(logits) >= found.threshold, flags) == 1.0
    assert find_best_threshold(np.array([0.1, 0.9]), np.array([False, True])) == pytest.approx(0.5)


def test_normal_pictures_are_drawn_as_often_as_anomalous_ones_and_large_groups_not_as_often() -> (
    None
):
    kinds = [(False, "many")] * 100 + [(False, "few")] * 4 + [(True, "x")] * 10
    odds = compute_draw_odds(kinds)
    assert odds[:104].sum() == pytest.approx(0.5)
    assert odds[:100].sum() / odds[100:104].sum() == pytest.approx(10 / 2)


@pytest.mark.parametrize("height", [64, 48])
def test_a_mirrored_picture_gets_the_same_score_and_a_mirrored_map(height: int) -> None:
    torch.manual_seed(1)
    network = MirrorMean(ClassifierNetwork((8, 8, 8, 16))).eval()
    image = torch.randint(0, 256, (1, height, 64, 3), dtype=torch.uint8)
    logits, cells = network(image)
    turned = [(image.flip(2), cells.flip(2)), (image.flip(1), cells.flip(1))]
    if height == 64:
        turned.append((image.rot90(1, (1, 2)), cells.rot90(1, (1, 2))))
    for shown, expected in turned:
        again, found = network(shown)
        assert torch.allclose(logits, again, atol=1e-5)
        assert torch.allclose(expected, found, atol=1e-5)
