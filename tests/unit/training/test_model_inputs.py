"""Pictures at model size are cached between runs, and are always those of the data set."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from sightline.vision.preprocess import AREA_HALVES
from training.datasets import LabelledPicture, load_inputs


@pytest.mark.parametrize("left_bytes", [None, 100])
def test_inputs_whose_file_was_removed_or_truncated_are_read_again(
    tmp_path: Path, left_bytes: int | None
) -> None:
    file = tmp_path / "picture.png"
    assert cv2.imwrite(str(file), np.full((32, 64, 3), 90, np.uint8))
    picture, cache = LabelledPicture(file, 64, 32, ()), tmp_path / "work" / "inputs.u8"
    first = np.array(load_inputs([picture], AREA_HALVES, (32, 16), cache))
    if left_bytes is None:
        cache.unlink()
    else:
        os.truncate(cache, left_bytes)
    again = load_inputs([picture], AREA_HALVES, (32, 16), cache)
    np.testing.assert_array_equal(again, first)


def test_inputs_of_other_pictures_in_the_same_place_are_read_again(tmp_path: Path) -> None:
    pictures = []
    for name, level in (("a", 60), ("b", 120), ("c", 180)):
        file = tmp_path / f"{name}.bmp"
        assert cv2.imwrite(str(file), np.full((32, 64, 3), level, np.uint8))
        os.utime(file, ns=(0, 0))
        pictures.append(LabelledPicture(file, 64, 32, ()))
    a, b, c = pictures
    cache = tmp_path / "work" / "inputs.u8"
    load_inputs([a, b], AREA_HALVES, (32, 16), cache)
    for wanted, level in (([a, c], 180), ([c, a], 60)):
        found = load_inputs(wanted, AREA_HALVES, (32, 16), cache)
        assert abs(int(found[1].mean()) - level) <= 3
