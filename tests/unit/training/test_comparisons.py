"""Near-duplicates, copying and charts."""

import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np

from tests.unit.training.small_data_sets import write_picture
from training.datasets import LabelledPicture, TrueBox
from training.evaluation.baselines import predict_by_copying
from training.evaluation.near_duplicates import compute_duplicate_figures, find_near_duplicates
from training.evaluation.svg_charts import ChartLine, draw_chart


def pictures_of(folder: Path, *names: str) -> list[LabelledPicture]:
    """Pictures with a box each, of groups of their own."""
    box = (TrueBox("hole", (4, 5, 6, 7)),)
    return [
        LabelledPicture(folder / n, 40, 30, box, label="anomaly", group=n, name=n) for n in names
    ]


def test_turned_mirrored_and_compressed_copies_are_near_duplicates_and_others_are_not(
    tmp_path: Path,
) -> None:
    original = cv2.imread(str(write_picture(tmp_path / "o.png", 1, (200, 200), (20, 20))))
    assert original is not None
    cv2.imwrite(str(tmp_path / "turned.jpg"), np.rot90(original), [cv2.IMWRITE_JPEG_QUALITY, 60])
    cv2.imwrite(str(tmp_path / "mirrored.png"), original[:, ::-1])
    brighter = np.clip(original.astype(int) // 2 + 90, 0, 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "brighter.png"), brighter)
    for number in range(6):
        write_picture(tmp_path / f"other{number}.png", 10 + number, (200, 200), (20, 20))
    others = pictures_of(tmp_path, *(f"other{number}.png" for number in range(6)))
    copies = pictures_of(tmp_path, "turned.jpg", "mirrored.png", "brighter.png")
    found = find_near_duplicates([*copies, *others], pictures_of(tmp_path, "o.png"))
    assert {twin.picture.name for twin in found} == {"turned.jpg", "mirrored.png", "brighter.png"}
    figures = compute_duplicate_figures(others, copies)
    assert figures["with_a_near_duplicate_in_training"] == 0
    assert compute_duplicate_figures(others, [])["with_a_near_duplicate_in_training"] == 0


def test_copying_predicts_the_labels_of_the_most_similar_training_picture(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1)
    write_picture(tmp_path / "b.png", 2)
    shutil.copy(tmp_path / "a.png", tmp_path / "c.png")
    (a,) = pictures_of(tmp_path, "a.png")
    like = LabelledPicture(
        tmp_path / "c.png", 80, 60, a.boxes, label="anomaly", group="c", name="c.png"
    )
    other = LabelledPicture(tmp_path / "b.png", 40, 30, (), label="normal", group="b", name="b.png")
    (copied,) = predict_by_copying([a], [other, like])
    assert copied.boxes[0].box == (2.0, 2.5, 3.0, 3.5)  # the picture is half as large
    assert copied.anomaly_score == 1.0
    twin = LabelledPicture(
        tmp_path / "c.png", 80, 60, a.boxes, label="anomaly", group="a.png", name="c.png"
    )
    (elsewhere,) = predict_by_copying([a], [other, twin], other_groups=True)
    assert (elsewhere.boxes, elsewhere.anomaly_score) == ((), 0.0)


def test_a_chart_is_an_svg_picture_whose_lines_stay_within_it() -> None:
    lines = [
        ChartLine("a <b>", [(0.0, 5.0), (2.0, 1.0)]),
        ChartLine("none", []),
        ChartLine("dot", [(1.0, 1.0)]),
    ]
    root = ElementTree.fromstring(
        draw_chart("t", "x", "y", lines, mark=(1.0, 2.0), axis_max=(3.0, 3.0))
    )
    _, _, width, height = (float(value) for value in root.attrib["viewBox"].split())
    for line in root.iter("polyline"):
        for point in line.attrib["points"].split():
            x, y = (float(value) for value in point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
