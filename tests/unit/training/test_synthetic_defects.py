"""Synthetic defects, X-ray transforms, and the reading of a student's anomaly map."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")

import torch

from training.augmentation.synthetic_defects import add_defects, estimate_noise
from training.augmentation.xray_transforms import (
    add_film_grain,
    overlay_picture,
    transpose_randomly,
    zoom_randomly,
)
from training.methods.student_teacher_method import (
    StudentTeacherReading,
    max_per_picture,
    read_anomaly_map,
)
from training.models.student_teacher_networks import StudentTeacherNetwork, build_views

SEEDS = st.integers(0, 2**32 - 1)


def plate(level: int = 120, height: int = 72, width: int = 96) -> np.ndarray:
    """An even casting."""
    return np.full((height, width, 3), level, np.uint8)


@given(SEEDS)
@settings(deadline=None, max_examples=40)
def test_a_defect_is_visible_within_its_mask_and_hardly_outside(seed: int) -> None:
    changed, where = add_defects(plate(), np.random.default_rng(seed), 4, 60)
    far = np.abs(changed.astype(int) - 120).max(axis=2)
    assert changed.shape == plate().shape
    assert not where.any() or far[where].max() >= 2
    assert far[~where].max(initial=0) <= 4 * 0.31 * 90 + 1


@given(SEEDS)
@settings(deadline=None, max_examples=40)
def test_on_a_blank_film_only_darker_defects_are_marked(seed: int) -> None:
    changed, where = add_defects(plate(255), np.random.default_rng(seed), 1, 40)
    assert not where.any() or changed[where].min() < 255 - 2


@pytest.mark.parametrize("max_count", [5, 8])
def test_defects_that_cancel_each_other_are_not_marked(max_count: int) -> None:
    blank = plate(255)
    changed, where = add_defects(blank, np.random.default_rng(274), max_count, 40)
    assert not where.any() or changed[where].min() < 255 - 2


@given(SEEDS)
@settings(deadline=None, max_examples=20)
def test_each_marked_region_shows_a_change(seed: int) -> None:
    changed, where = add_defects(plate(), np.random.default_rng(seed), 16, 60)
    count, regions = cv2.connectedComponents(where.astype(np.uint8))
    far = np.abs(changed.astype(int) - 120).max(axis=2)
    assert all(far[regions == number].max() >= 2 for number in range(1, count))


@given(SEEDS)
@settings(deadline=None, max_examples=20)
def test_the_same_seed_makes_the_same_defects_on_pictures_smaller_than_they_are(seed: int) -> None:
    image = plate(height=24, width=31)
    one, other = (add_defects(image, np.random.default_rng(seed), 5, 100) for _ in range(2))
    assert np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])
    assert one[1].shape == (24, 31)


def test_most_defects_are_brighter_than_their_surroundings() -> None:
    found = [add_defects(plate(), np.random.default_rng(seed), 1, 30)[0] for seed in range(200)]
    brighter = sum(int(one.max()) > 121 for one in found)
    darker = sum(int(one.min()) < 119 for one in found)
    assert brighter > 3 * darker > 0


@given(SEEDS)
@settings(deadline=None, max_examples=20)
def test_two_castings_let_less_through_than_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    one, other = (add_defects(plate(), random, 5, 60)[0] for _ in range(2))
    assert (overlay_picture(one, other, random) <= one).all()
    assert (overlay_picture(one, plate(255), random) == one).all()


@given(SEEDS, st.integers(8, 72))
@settings(deadline=None, max_examples=20)
def test_crops_are_square_and_of_the_side_asked_for(seed: int, side: int) -> None:
    random = np.random.default_rng(seed)
    crop = transpose_randomly(zoom_randomly(plate(), side, random), random)
    assert crop.shape == (side, side, 3)
    assert crop.min() == crop.max() == 120


def test_grain_is_found_again_as_noise() -> None:
    random = np.random.default_rng(3)
    plain, grain = (
        plate()[:, :, 0].astype(np.float32),
        [add_film_grain(plate(), random)[:, :, 0].astype(np.float32) for _ in range(20)],
    )
    assert estimate_noise(plain) == 0.0
    assert max(estimate_noise(one) for one in grain) > 1
    even = random.normal(120, 5, (200, 200)).astype(np.float32)
    assert estimate_noise(even) == pytest.approx(5, rel=0.15)


def test_views_show_a_faint_spot_on_an_even_plate_as_clearly_as_a_strong_one() -> None:
    grey = torch.full((2, 1, 64, 64), 0.5)
    grey[0, 0, 30:34, 30:34] += 0.05
    grey[1, 0, 30:34, 30:34] += 0.4
    views = build_views(grey)
    assert views.shape == (2, 3, 64, 64)
    faint, strong = (float(views[row, 1, 31, 31]) for row in (0, 1))
    assert faint > 0.7 * strong > 0.4
    assert float(views[:, 1:, 5, 5].abs().max()) == pytest.approx(0, abs=1e-3)


def test_the_network_s_map_has_half_the_size_and_its_teacher_never_learns() -> None:
    network = StudentTeacherNetwork((8, 8, 8), 8).train()
    logits, found = network(torch.rand(2, 1, 64, 48))
    assert logits.shape == (2, 1, 32, 24)
    assert [part.shape[2] for part in found] == [32, 16, 8]
    logits.sum().backward()
    assert all(weight.grad is None for weight in network.teacher.parameters())
    assert any(weight.grad is not None for weight in network.student.parameters())


def test_a_reading_dilates_regions_and_smooths_them() -> None:
    anomaly_map = torch.full((1, 1, 20, 30), 0.01)
    anomaly_map[0, 0, 5, 5], anomaly_map[0, 0, 15, 20] = 0.9, 0.3
    assert torch.allclose(
        read_anomaly_map(anomaly_map, StudentTeacherReading()), anomaly_map[:, 0], atol=1e-6
    )
    wide = read_anomaly_map(anomaly_map, StudentTeacherReading(wider=2))
    assert int((wide > 0.8).sum()) == 25
    assert int((wide > 0.2).sum()) == 50
    smooth = read_anomaly_map(anomaly_map, StudentTeacherReading(smoothing=3))
    assert float(smooth[0, 5, 5]) == pytest.approx(0.98 / 9, abs=1e-4)


def test_a_spot_stands_out_alike_in_an_even_and_in_an_uneven_picture() -> None:
    anomaly_map = torch.full((2, 1, 40, 40), 0.02)
    anomaly_map[1] = 0.3
    anomaly_map[0, 0, 9, 9], anomaly_map[1, 0, 9, 9] = 0.4, 0.95
    plain, apart = (
        read_anomaly_map(anomaly_map, StudentTeacherReading(level=level)) for level in (0.0, 1.0)
    )
    assert float(plain[1, 9, 9] - plain[0, 9, 9]) > 0.5
    assert float(apart[1, 9, 9] - apart[0, 9, 9]) == pytest.approx(0, abs=0.15)
    assert float(apart[1, 0, 0]) < 0.6 < float(apart[0, 9, 9])
    assert max_per_picture(anomaly_map).tolist() == pytest.approx([0.4, 0.95])
