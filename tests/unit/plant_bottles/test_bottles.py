"""Rendered bottles: what is planted is really there, and what the truth says of it."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.plant.bottles.number_plate import draw_part_number, read_part_number
from hil.plant.bottles.part import PartPlan, plan_part, render_part
from hil.plant.bottles.severity import NOISE_GREY_LEVELS, SEVERITY_BANDS, SeverityBand
from hil.plant.pool import CATEGORIES, ensure_pool


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999_999))
def test_the_number_drawn_into_a_picture_is_read_back_after_jpeg(number: int) -> None:
    picture = np.full((720, 1280, 3), 60, np.uint8)
    draw_part_number(picture, number)
    _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    read = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))
    assert read_part_number(read) == number


def test_a_picture_without_a_number_has_none() -> None:
    assert read_part_number(np.full((720, 1280, 3), 60, np.uint8)) is None


def test_the_same_plan_and_seed_give_the_same_pictures_and_others_other_ones() -> None:
    first, again = (render_part(plan_part(5, 1), 1)[0].picture for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, render_part(plan_part(5, 2), 2)[0].picture)


@pytest.mark.parametrize(
    "band",
    [band for band in SEVERITY_BANDS if band.visible],
    ids=lambda band: f"{band.kind}-{band.name}",
)
def test_a_planted_defect_changes_the_picture_within_its_box_by_its_contrast(
    band: SeverityBand,
) -> None:
    good = render_part(PartPlan(7, "good"), 3)
    bad = render_part(PartPlan(7, "defect", (band,)), 3)
    marked = [
        (view, label)
        for view in bad
        for label in view.labels
        if label.category == band.kind and label.severity == band.name
    ]
    assert len(marked) == (4 if band.kind == "cap_missing" else 1)
    if band.kind == "cap_missing":
        assert all(label.category != "cap_present" for view in bad for label in view.labels)
        return
    [(view, label)] = marked
    x, y, width, height = label.box
    inside = view.picture[y : y + height, x : x + width].astype(np.float32).mean(axis=2)
    local = cv2.GaussianBlur(inside, (0, 0), 12)
    assert np.abs(inside - local).max() > 3 * NOISE_GREY_LEVELS
    assert good[0].labels[0].category == "cap_present"


def test_an_empty_trigger_shows_the_line_and_no_label() -> None:
    views = render_part(PartPlan(1, "empty"), 1)
    assert [view.labels for view in views] == [(), (), (), ()]
    assert views[0].picture.shape == (720, 1280, 3)


def test_every_second_part_of_an_examination_is_bad() -> None:
    verdicts = [plan_part(number, 4, "examination").expected_verdict for number in range(1, 41)]
    assert verdicts == ["ok", "defect"] * 20


def test_a_pool_has_pictures_and_their_truth_as_coco_and_is_made_once(tmp_path: Path) -> None:
    pool = ensure_pool(tmp_path / "pool", 6, 11)
    coco = json.loads((pool / "ground_truth.json").read_text())
    parts = json.loads((pool / "parts.json").read_text())["parts"]
    assert [part["part_number"] for part in parts] == [1, 2, 3, 4, 5, 6]
    assert len(coco["images"]) == 24
    assert [category["name"] for category in coco["categories"]] == list(CATEGORIES)
    for image in coco["images"]:
        picture = np.asarray(cv2.imread(str(pool / image["file_name"])))
        assert picture.shape == (image["height"], image["width"], 3)
        assert read_part_number(picture) == image["part_number"]
    for annotation in coco["annotations"]:
        x, y, width, height = annotation["bbox"]
        assert x >= 0
        assert y >= 0
        assert x + width <= 1280
        assert y + height <= 720
    before = (pool / "cam1" / "000001.jpg").stat().st_mtime_ns
    ensure_pool(tmp_path / "pool", 6, 11)
    assert (pool / "cam1" / "000001.jpg").stat().st_mtime_ns == before


def test_two_who_ask_for_the_same_pool_at_once_get_one_whole_pool(tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    command = [sys.executable, "-m", "hil.plant.pool", "--parts", "5", "--out", str(folder)]
    both = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(list(folder.glob("cam*/*.jpg"))) == 20
