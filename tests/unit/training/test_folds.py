"""Cross-validation folds by group."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import ConfigurationError
from tests.unit.training.small_data_sets import write_coco
from training.datasets import DataSet, LabelledPicture, SplitName
from training.datasets.folds import parse_fold, split_by_fold
from training.jobs.data_options import read_data

splits: list[SplitName] = ["train", "test", ""]


def data_set(rows: list[tuple[int, SplitName]]) -> DataSet:
    """Pictures that lie nowhere: group and split."""
    pictures = tuple(
        LabelledPicture(Path(str(n)), 1, 1, (), group=f"C{group}", split=split, name=str(n))
        for n, (group, split) in enumerate(rows)
    )
    return DataSet("d", "coco", pictures, ())


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(splits)), min_size=1),
    st.integers(2, 5),
)
def test_each_picture_is_tested_in_one_fold_and_no_group_is_on_both_sides(
    rows: list[tuple[int, SplitName]], folds: int
) -> None:
    found = data_set(rows)
    moved = [p for p in found.pictures if p.split] or list(found.pictures)
    if len({p.group for p in moved}) < folds:
        with pytest.raises(ConfigurationError, match="too few"):
            split_by_fold(found, 1, folds)
        return
    tested: list[str] = []
    for number in range(1, folds + 1):
        part = split_by_fold(found, number, folds)
        test, training = part.select_splits("test").pictures, part.select_splits("train").pictures
        assert test
        assert not {p.group for p in test} & {p.group for p in training}
        assert len(test) + len(training) == len(moved)
        tested += [p.name for p in test]
    assert sorted(tested) == sorted(p.name for p in moved)


@pytest.mark.parametrize("text", ["0/5", "6/5", "1/1", "x", "1/", "1/5/2"])
def test_a_fold_that_is_none_is_refused(text: str) -> None:
    assert parse_fold("2/5") == (2, 5)
    with pytest.raises(ConfigurationError, match="expected NUMBER/FOLDS"):
        parse_fold(text)


def test_what_is_left_out_does_not_move_the_others_to_other_folds(tmp_path: Path) -> None:
    file = write_coco(tmp_path, [], pictures=4)
    coco = json.loads(file.read_text())
    for number, image in enumerate(coco["images"]):
        image["series"] = f"C{number}"
    file.write_text(json.dumps(coco))
    whole = read_data(str(tmp_path), "coco", False, [], "1/2")
    assert [p.split for p in whole.pictures] == ["test", "train", "test", "train"]
    less = read_data(str(tmp_path), "coco", False, ["C0"], "1/2")
    assert less.pictures == whole.pictures[1:]
