"""Held-out pictures: both labels on both sides, and groups on one side."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")

from sightline.errors import PictureError
from sightline.vision.preprocess import AREA_HALVES
from tests.unit.training.small_data_sets import data_set, read_pictures, write_picture
from training.datasets import ANOMALY, NORMAL, ImageLabel
from training.datasets.holdout import has_mixed_groups, hold_out_rows, select_training_part
from training.methods.anomaly_map import load_map_inputs, select_normals_and_validation


def test_groups_stay_on_one_side_where_the_test_part_has_groups_of_its_own() -> None:
    groups = [read_pictures("train", f"g{n}", ANOMALY if n % 2 else NORMAL, 5) for n in range(20)]
    found = data_set(*groups, read_pictures("test", "h", NORMAL, 5))
    assert not has_mixed_groups(found)
    part = select_training_part(found).pictures
    held = {part[row].name for row in hold_out_rows(found, 0.2, 1)}
    for group in groups:
        assert len({picture.name in held for picture in group}) == 1
    assert {picture.label for picture in part if picture.name in held} == {NORMAL, ANOMALY}


def test_a_share_of_each_group_is_held_out_where_the_test_part_mixes_groups() -> None:
    groups = [read_pictures("train", f"g{n}", ANOMALY, 10) for n in range(4)]
    found = data_set(*groups, read_pictures("test", "g1", ANOMALY, 2, first=50))
    part = select_training_part(found).pictures
    held = [part[row].group for row in hold_out_rows(found, 0.2, 1)]
    assert sorted(held) == [f"g{n}" for n in range(4) for _ in range(2)]


def test_no_test_picture_is_ever_held_out_or_learned_from() -> None:
    found = data_set(
        read_pictures("train", "a", ANOMALY, 30),
        read_pictures("", "n", NORMAL, 10),
        read_pictures("test", "a", ANOMALY, 5, first=50),
        read_pictures("test", "a", NORMAL, 5, first=50),
    )
    parts = select_normals_and_validation(found, 1)
    used = {
        picture.split for part in (parts.normals, parts.validation) for picture in part.pictures
    }
    assert used == {"", "train"}
    assert all(picture.split == "train" for picture in select_training_part(found).pictures)


def test_too_few_pictures_are_refused_with_what_was_found() -> None:
    with pytest.raises(PictureError, match="too few"):
        hold_out_rows(data_set(read_pictures("train", "a", NORMAL, 1)), 0.1, 1)
    with pytest.raises(PictureError, match="found are 0 and 9"):
        select_normals_and_validation(data_set(read_pictures("train", "a", ANOMALY, 9)), 1)


@pytest.mark.parametrize("share", [0.1, 0.15])
@pytest.mark.parametrize("seed", range(5))
def test_of_few_groups_of_anomalies_one_is_held_out(share: float, seed: int) -> None:
    groups = [read_pictures("train", f"lot-{n}", ANOMALY, 10) for n in range(3)]
    found = data_set(*groups, read_pictures("train", "", NORMAL, 40))
    part = select_training_part(found).pictures
    held = [part[row] for row in hold_out_rows(found, share, seed)]
    assert {picture.label for picture in held} == {NORMAL, ANOMALY}
    assert len({picture.group for picture in held if picture.label == ANOMALY}) == 1
    assert sum(picture.label == ANOMALY for picture in held) == 10


def test_the_smallest_group_is_held_out_where_all_are_too_large() -> None:
    lots = [read_pictures("train", f"lot-{n}", ANOMALY, 10 + n) for n in range(3)]
    found = data_set(*lots, read_pictures("train", "", NORMAL, 40))
    part = select_training_part(found).pictures
    held = {part[row].group for row in hold_out_rows(found, 0.1, 1)}
    assert held == {"", "lot-0"}


@pytest.mark.parametrize("label", [NORMAL, ANOMALY])
def test_the_only_group_of_a_label_is_divided_with_a_warning(
    label: ImageLabel, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ANOMALY if label == NORMAL else NORMAL
    found = data_set(
        read_pictures("train", "lot-7", label, 20), read_pictures("train", "", other, 40)
    )
    part = select_training_part(found).pictures
    held = [part[row] for row in hold_out_rows(found, 0.15, 1, (NORMAL, ANOMALY))]
    assert sum(picture.group == "lot-7" for picture in held) == 3
    assert "of lot-7: some of them are held out" in capsys.readouterr().err


def test_a_single_anomaly_cannot_be_learned_and_held_out_and_its_group_is_named() -> None:
    found = data_set(
        read_pictures("train", "lot-7", ANOMALY, 1), read_pictures("train", "", NORMAL, 40)
    )
    with pytest.raises(PictureError, match="1 anomaly pictures, of lot-7, are too few"):
        hold_out_rows(found, 0.15, 1)


def test_a_label_that_is_rare_in_each_group_is_on_both_sides_too() -> None:
    groups = [
        [*read_pictures("train", f"g{n}", NORMAL, 9), *read_pictures("train", f"g{n}", ANOMALY, 1)]
        for n in range(3)
    ]
    found = data_set(*groups)
    part = select_training_part(found).pictures
    held = hold_out_rows(found, 0.1, 1, (NORMAL, ANOMALY))
    assert {part[row].group for row in held} < {"g0", "g1", "g2"}
    assert {part[row].label for row in held} == {NORMAL, ANOMALY}


def test_one_lot_of_anomalies_is_enough_to_set_a_threshold_by() -> None:
    found = data_set(
        read_pictures("train", "lot-7", ANOMALY, 9), read_pictures("train", "", NORMAL, 10)
    )
    assert 0 < len(select_normals_and_validation(found, 1).validation.pictures) < 9


def test_groups_of_normal_pictures_stay_on_one_side_where_only_these_are_learned_from(
    tmp_path: Path,
) -> None:
    normals = [read_pictures("train", f"g{n}", NORMAL, 4, folder=tmp_path) for n in range(5)]
    found = data_set(*normals, read_pictures("train", "h", ANOMALY, 4, folder=tmp_path))
    for number, picture in enumerate(found.pictures):
        write_picture(picture.file, number)
    parts = select_normals_and_validation(found, 1)
    both = load_map_inputs(parts, AREA_HALVES, (20, 15), tmp_path / "work", (0.2, 1))
    held = [parts.normals.pictures[row].group for row in both.held_out]
    assert len(held) == 4
    assert len(set(held)) == 1
