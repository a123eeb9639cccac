"""The steps that the methods are made of: who is held out, what is painted, thresholds and calibration."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")

import torch

from inference.ssd import AnchorLevel, AnchorSpec, encode, make_anchors
from sightline.errors import PictureError
from training.augment import painted, relit, turned
from training.boxes import best_box_threshold, mean_union_f1
from training.crops import Truth, zoomed_crop
from training.datasets import ANOMALY, NORMAL, DataSet, ImageLabel, Picture, Split, TrueBox
from training.evaluation.answers import Answer, FoundBox
from training.holdout import hold_out, mixes_groups, training_part
from training.losses import overlap_loss
from training.methods.classifier import best_threshold, calibrated, f1_of, odds_of
from training.methods.heat import best_cut, normals_and_validation
from training.models.classifier import Classifier, MirrorMean
from training.place_losses import UNKNOWN_PLACE, by_place, quiet_loss, quiet_weight

NO_BOXES = np.zeros((0, 4), np.float32)


def pictures_of(
    split: Split, group: str, label: ImageLabel, count: int, first: int = 0
) -> list[Picture]:
    """Pictures that are only named."""
    return [
        Picture(
            Path(f"{group}-{label}-{number}.png"),
            40,
            30,
            (TrueBox("spot", (1, 1, 5, 5)),) if label == ANOMALY else (),
            group=group,
            split=split,
            label=label,
            name=f"{split}/{group}-{label}-{number}.png",
        )
        for number in range(first, first + count)
    ]


def data_set(*parts: Sequence[Picture]) -> DataSet:
    """A data set of these pictures."""
    return DataSet("data", "coco", tuple(picture for part in parts for picture in part), ("spot",))


def test_groups_stay_on_one_side_where_the_test_part_has_groups_of_its_own() -> None:
    groups = [pictures_of("train", f"g{n}", ANOMALY if n % 2 else NORMAL, 5) for n in range(20)]
    found = data_set(*groups, pictures_of("test", "h", NORMAL, 5))
    assert not mixes_groups(found)
    part = training_part(found).pictures
    held = {part[row].name for row in hold_out(found, 0.2, 1)}
    for group in groups:
        assert len({picture.name in held for picture in group}) == 1
    assert {picture.label for picture in part if picture.name in held} == {NORMAL, ANOMALY}


def test_a_share_of_each_group_is_held_out_where_the_test_part_mixes_groups() -> None:
    groups = [pictures_of("train", f"g{n}", ANOMALY, 10) for n in range(4)]
    found = data_set(*groups, pictures_of("test", "g1", ANOMALY, 2, first=50))
    part = training_part(found).pictures
    held = [part[row].group for row in hold_out(found, 0.2, 1)]
    assert sorted(held) == [f"g{n}" for n in range(4) for _ in range(2)]


def test_no_test_picture_is_ever_held_out_or_learned_from() -> None:
    found = data_set(
        pictures_of("train", "a", ANOMALY, 30),
        pictures_of("", "n", NORMAL, 10),
        pictures_of("test", "a", ANOMALY, 5, first=50),
        pictures_of("test", "a", NORMAL, 5, first=50),
    )
    parts = normals_and_validation(found, 1)
    used = {
        picture.split for part in (parts.normals, parts.validation) for picture in part.pictures
    }
    assert used == {"", "train"}
    assert all(picture.split == "train" for picture in training_part(found).pictures)


def test_too_few_pictures_are_refused_with_what_was_found() -> None:
    with pytest.raises(PictureError, match="too few"):
        hold_out(data_set(pictures_of("train", "a", NORMAL, 1)), 0.1, 1)
    with pytest.raises(PictureError, match="found are 0 and 9"):
        normals_and_validation(data_set(pictures_of("train", "a", ANOMALY, 9)), 1)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_a_zoomed_crop_shows_in_its_boxes_what_the_picture_had_in_them(seed: int) -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    image[20:40, 30:50] = 200
    truth = Truth(np.array([(30, 20, 50, 40)], np.float32), np.array([0]), NO_BOXES)
    crop, moved = zoomed_crop(image, truth, (64, 48), (0.6, 1.3), np.random.default_rng(seed))
    assert crop.shape == (48, 64, 3)
    for left, top, right, bottom in moved.boxes.round().astype(int):
        inside = crop[top + 2 : bottom - 2, left + 2 : right - 2]
        assert not inside.size or inside.min() > 90


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_only_where_a_blot_is_painted_the_picture_changes_much(seed: int) -> None:
    image = np.full((64, 64, 3), 120, np.uint8)
    changed, where = painted(image, np.random.default_rng(seed), 3)
    far = np.abs(changed.astype(int) - 120).max(axis=2)
    assert far[~where].max(initial=0) <= 3 * 110 * 0.26
    assert not where.any() or far[where].max() >= 5


def test_boxes_that_agree_lose_nothing_and_boxes_apart_lose_more_than_one() -> None:
    anchors = make_anchors(AnchorSpec(32, 32, (AnchorLevel(16, (12.0,), (1.0,)),)))
    true = np.array([(2, 2, 14, 14)] * len(anchors), np.float32)
    apart = true + 16
    encoded = [torch.from_numpy(encode(boxes, anchors)) for boxes in (true, apart)]
    tensor = torch.from_numpy(anchors)
    assert float(overlap_loss(encoded[0], encoded[0], tensor)) == pytest.approx(0, abs=1e-4)
    assert float(overlap_loss(encoded[1], encoded[0], tensor)) / len(anchors) > 1


def test_the_box_threshold_is_the_one_with_the_best_union() -> None:
    picture = pictures_of("train", "a", ANOMALY, 1)[0]
    right, wrong = FoundBox("spot", 0.6, (1, 1, 5, 5)), FoundBox("spot", 0.3, (20, 20, 8, 8))
    answer = Answer((right, wrong), 0.6)
    assert best_box_threshold([picture], [answer], (0.1, 0.5, 0.9)) == (0.5, 1.0)
    assert mean_union_f1([picture], [answer], 0.9) == 0.0


def test_heat_is_cut_where_its_regions_cover_the_true_boxes_best() -> None:
    pictures = pictures_of("train", "a", ANOMALY, 4)
    heat = np.full((30, 40), 0.1, np.float32)
    heat[1:6, 1:6] = 0.8
    cut = best_cut(pictures, [heat] * 4, [])
    assert cut.figure == pytest.approx(1.0)
    assert 0.1 < cut.threshold < 0.81
    plain = [replace(picture, boxes=()) for picture in pictures]
    assert 0.1 < best_cut(plain, [heat] * 4, [np.full((30, 40), 0.1, np.float32)]).threshold < 0.8


def test_calibrated_scores_are_as_often_right_as_they_say() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 3, 4000)
    flags = random.random(4000) < 1 / (1 + np.exp(-(0.5 * logits - 1)))
    found = calibrated(logits, flags)
    assert found.slope == pytest.approx(0.5, abs=0.06)
    assert found.offset == pytest.approx(-1, abs=0.15)


def test_pictures_told_apart_without_fault_get_a_threshold_between_them() -> None:
    logits, flags = np.array([-3.0, -2.0, 2.0, 4.0]), np.array([False, False, True, True])
    found = calibrated(logits, flags)
    assert f1_of(found.probability(logits) >= found.threshold, flags) == 1.0
    assert best_threshold(np.array([0.1, 0.9]), np.array([False, True])) == pytest.approx(0.5)


def test_normal_pictures_are_drawn_as_often_as_anomalous_ones_and_large_groups_not_as_often() -> (
    None
):
    kinds = [(False, "many")] * 100 + [(False, "few")] * 4 + [(True, "x")] * 10
    odds = odds_of(kinds)
    assert odds[:104].sum() == pytest.approx(0.5)
    assert odds[:100].sum() / odds[100:104].sum() == pytest.approx(10 / 2)


def test_of_an_anomalous_picture_most_places_are_taught_to_be_normal_but_not_the_worst() -> None:
    cells = torch.zeros((2, 5, 5), requires_grad=True)
    worst = torch.zeros((2, 5, 5))
    worst[:, 2, 2:] = 3.0
    places = torch.full((2, 5, 5), UNKNOWN_PLACE)
    places[1] = 0.0  # a normal picture: all of its places are known already
    quiet_loss(cells + worst, places).backward()
    assert cells.grad is not None
    assert int((cells.grad[0] > 0).sum()) == 15
    assert not cells.grad[0, 2, 2:].any()
    assert not cells.grad[1].any()
    assert float(quiet_loss(worst, torch.zeros((2, 5, 5)))) == 0.0


def test_the_quiet_places_count_only_once_the_network_can_tell_them() -> None:
    assert quiet_weight(0.0) == quiet_weight(0.4) == 0.0
    assert 0 < quiet_weight(0.5) < quiet_weight(0.6) == quiet_weight(1.0)


def test_a_painted_pixel_marks_its_place_to_the_very_edge_of_the_picture() -> None:
    where = np.zeros((40, 33), bool)
    where[39, 32] = True
    places = by_place(where)
    assert places.shape == (3, 3)
    assert (places.sum(), places[2, 2]) == (1, 1)


def test_neither_light_nor_contrast_changes_what_the_classifier_says() -> None:
    torch.manual_seed(1)
    network = Classifier((8, 8, 8, 16)).eval()
    dark = torch.randint(0, 100, (1, 64, 64, 3), dtype=torch.uint8)
    answers = [network(image)[0] for image in (dark, dark + 50, dark * 2)]
    assert torch.allclose(answers[0], answers[1], atol=1e-4)
    assert torch.allclose(answers[0], answers[2], atol=0.02)


def test_a_mirrored_picture_gets_the_same_score_and_a_mirrored_map() -> None:
    torch.manual_seed(1)
    network = MirrorMean(Classifier((8, 8, 8, 16))).eval()
    image = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    logits, cells = network(image)
    mirrored_logits, mirrored_cells = network(image.flip(2))
    assert torch.allclose(logits, mirrored_logits, atol=1e-5)
    assert torch.allclose(cells.flip(2), mirrored_cells, atol=1e-5)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_turned_and_relit_a_part_is_still_there_about_the_middle(seed: int) -> None:
    image = np.full((60, 80, 3), 60, np.uint8)
    image[10:50, 20:60] = 190
    random = np.random.default_rng(seed)
    shown = relit(turned(image, random), random)
    assert shown.shape == image.shape
    assert shown.dtype == np.uint8
    middle, edge = shown[25:35, 35:45].astype(int), shown[[0, -1]][:, [0, -1]].astype(int)
    assert middle.mean() > edge.mean() + 20
