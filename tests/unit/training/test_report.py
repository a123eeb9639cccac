"""The evaluation report: figures by label, curves and pictures that can be read."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.datasets import ANOMALY, DataSet, LabelledPicture, TrueBox
from training.evaluation.drawing import draw_prediction
from training.evaluation.html_report import build_report_html
from training.evaluation.picture_evaluation import evaluate_pictures
from training.evaluation.predictions import (
    PicturePrediction,
    PredictedBox,
    build_prediction_from_boxes,
)
from training.evaluation.svg_charts import ChartLine, draw_chart
from training.evaluation.threshold_costs import ErrorPrices


def test_a_report_of_anomalies_only_has_figures_by_label_and_none_by_picture(
    tmp_path: Path,
) -> None:
    boxes = {name: TrueBox(name, (10.0, 10.0, 30.0, 20.0)) for name in ("hole", "dent")}
    pictures, found = [], {}
    for number, (true, said) in enumerate((("hole", "hole"), ("dent", "hole"), ("dent", "dent"))):
        file = tmp_path / f"{number}.png"
        cv2.imwrite(str(file), np.full((60, 80, 3), 90, np.uint8))
        pictures.append(
            LabelledPicture(file, 80, 60, (boxes[true],), label=ANOMALY, name=file.name)
        )
        box = PredictedBox(said, 0.9, boxes[true].box)
        found[file] = build_prediction_from_boxes([box])

    class Scripted:
        """A model that finds what the test says."""

        name, digest = "m", "d"
        labels: tuple[str, ...] = ("hole", "dent")
        box_threshold, image_threshold = 0.5, 0.5

        def predict(self, file: Path) -> PicturePrediction:
            """What was said for this file."""
            return found[file]

    data = DataSet("d", "coco", tuple(pictures), ("hole", "dent"))
    none = DataSet("d", "coco", (), ("hole", "dent"))
    evaluation = evaluate_pictures(Scripted(), data, none, ErrorPrices())
    by_box = evaluation.figures["by_box"]
    assert by_box["by_label"]["dent"]["ap50"]["value"] == pytest.approx(0.505, abs=0.001)
    assert by_box["confusion"]["counts"] == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    report = build_report_html(evaluation, {"model": "m", "data": "d"})
    assert "All are anomalies, so there are no figures by picture" in report
    assert "<b>" not in report
    assert "escapes, 0 overkill" not in report


def test_curves_of_many_labels_have_names_that_do_not_overlap_and_styles_of_their_own() -> None:
    lines = [ChartLine(f"boxes: label {number}", [(0, 0), (1, 1)]) for number in range(24)]
    chart = draw_chart("Title", "recall", "precision", lines)
    assert len(set(re.findall(r"<polyline[^>]*?(stroke=[^/]*)/>", chart))) == 24
    names = re.findall(r'<text x="(\d+)" y="(\d+)">(boxes: label \d+)</text>', chart)
    ends: dict[str, float] = {}
    for x, y, name in names:
        assert float(x) > ends.get(y, 0.0)
        ends[y] = float(x) + 6 * len(name)
    assert len(names) == 24
    assert max(ends.values()) <= 460


@pytest.mark.parametrize(("width", "height"), [(200, 200), (1280, 720), (4160, 3120)])
def test_boxes_are_drawn_by_the_size_of_the_picture(width: int, height: int) -> None:
    plain = np.zeros((height, width, 3), np.uint8)
    box = PredictedBox("hole", 0.9, (width * 0.4, height * 0.4, width * 0.3, height * 0.3))
    drawn = draw_prediction(plain, (), PicturePrediction((box,), 0.9))
    row = drawn[round(height * 0.6)].any(axis=1)
    assert 1 <= row.sum() / 2 <= max(3, width / 240)
    label_rows = drawn[: round(height * 0.4) - 6, round(width * 0.42)].any(axis=1).sum()
    assert height / 100 <= label_rows <= height / 12
