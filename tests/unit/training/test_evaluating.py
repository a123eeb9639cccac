"""`training.evaluate` on small data sets, with exported models."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import ModelError
from tests.unit.training.bright_spot_model import CONTRACT, SPOT, write_map_model, write_spot
from tests.unit.training.example_card import CARD
from tests.unit.training.small_data_sets import write_coco
from training import evaluate
from training.datasets import read_dataset
from training.evaluation.drawing import draw_prediction
from training.evaluation.predictions import PicturePrediction
from training.evaluation.predictors import find_map_boxes, open_predictor

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def bright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model that sees bright places."""
    return write_map_model(tmp_path_factory.mktemp("model"), CONTRACT)


def write_castings(folder: Path) -> None:
    """Class folders: bright spots are anomalies, but one is too faint and one normal one is bright."""
    for split in ("train", "test"):
        for number in range(4):
            write_spot(folder / split / "anomaly" / f"{number}.png", 100 if number == 0 else 240)
            write_spot(folder / split / "normal" / f"{number}.png", 60)
        write_spot(folder / split / "normal" / "0.png", 240, (100, 80, 30, 20))


def write_spots_coco(folder: Path) -> None:
    """COCO of a training and a test part, each with the spot labelled in the first picture."""
    for name, first in (("coco_train.json", 1), ("coco_test.json", 5)):
        write_coco(folder, [(first, SPOT)], pictures=2, name=name, first=first, series=f"C{first}")
        write_spot(folder / f"{first}.png")
        write_spot(folder / f"{first + 1}.png", 60)
        coco = json.loads((folder / name).read_text())
        for image in coco["images"]:
            image |= {"width": 160, "height": 120}
        (folder / name).write_text(json.dumps(coco))


def test_an_anomaly_map_becomes_a_score_and_boxes_in_pixels_of_the_picture(
    tmp_path: Path, bright: Path
) -> None:
    predictor = open_predictor(bright)
    prediction = predictor.predict(write_spot(tmp_path / "spot.png"))
    assert prediction.anomaly_score == pytest.approx(240 / 255, abs=0.02)
    (box,) = prediction.boxes
    assert box.box == pytest.approx(SPOT, abs=2)
    dark = predictor.predict(write_spot(tmp_path / "dark.png", 60))
    assert dark.boxes == ()
    assert prediction.anomaly_map is not None
    assert prediction.anomaly_map.shape == (60, 80)
    assert prediction.anomaly_map[22, 24] == pytest.approx(240, abs=5)
    plain = np.full((120, 160, 3), 60, np.uint8)
    red = draw_prediction(plain, (), PicturePrediction((), 0.9, prediction.anomaly_map))
    assert red[44, 48, 2] > red[44, 48, 0] + 60 > red[5, 5, 0]
    assert red.shape == plain.shape
    assert (predictor.box_threshold, predictor.image_threshold) == (0.6, 0.6)


def test_small_regions_are_left_out_and_the_highest_comes_first() -> None:
    anomaly_map = np.zeros((10, 20), np.float32)
    anomaly_map[1:4, 1:4], anomaly_map[6:9, 10:14], anomaly_map[0, 19] = 0.7, 0.9, 1.0
    found = find_map_boxes(anomaly_map, 0.5, 0.02, (200, 100), "odd")
    assert [(box.box, round(box.score, 2)) for box in found] == [
        ((100, 60, 40, 30), 0.9),
        ((10, 10, 30, 30), 0.7),
    ]


def test_models_of_an_unknown_kind_or_without_a_contract_are_refused(tmp_path: Path) -> None:
    write_map_model(tmp_path / "odd", CONTRACT | {"kind": "nose"})
    with pytest.raises(ModelError, match="found kind 'nose'; known are boxes, heat"):
        open_predictor(tmp_path / "odd")
    write_map_model(tmp_path / "bad", {"kind": "heat", "name": "x"})
    with pytest.raises(ModelError, match="width"):
        open_predictor(tmp_path / "bad")
    with pytest.raises(ModelError, match="is missing"):
        open_predictor(tmp_path)


def test_class_folders_give_figures_by_picture_with_prices_and_a_report(
    tmp_path: Path, bright: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_castings(tmp_path / "data")
    out = tmp_path / "out"
    arguments = [str(bright), "--data", str(tmp_path / "data"), "--out", str(out)]
    prices = ["--price-of-escape", "50", "--price-of-scrap", "3"]
    assert evaluate.main([*arguments, *prices]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads((out / "evaluation.json").read_text())
    assert (result["by_picture"]["escapes"], result["by_picture"]["overkill"]) == (1, 1)
    assert result["by_picture"]["f1"]["value"] == 0.75
    assert result["cost"] == 53
    assert result["cheapest_here"]["cost"] == 3  # by a threshold that the faint one reaches
    assert result["baselines"]["copy"]["f1"] == 1.0  # test pictures are copies of training pictures
    assert result["beats_the_baselines"] == {"f1": False, "group_balanced_accuracy": False}
    assert result["near_duplicates"]["with_a_near_duplicate_in_training"] == 8
    report = (out / "report.html").read_text()
    assert "does NOT beat" in report
    assert report.count("test/anomaly/0.png: anomaly, score 0.39") == 2 * 2  # worst, missed
    assert report.count("test/normal/0.png: normal, score 0.94") == 2 * 2  # worst, false alarm
    assert_balanced(report)


def test_coco_gives_figures_by_box_and_draws_both_kinds_of_boxes(
    tmp_path: Path, bright: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_spots_coco(tmp_path / "data")
    out = tmp_path / "out"
    arguments = [str(bright), "--data", str(tmp_path / "data"), "--out", str(out)]
    assert evaluate.main(arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["by_box"]["union_f1"]["value"] > 0.9
    assert result["by_box"]["union_iou_of_marked"]["best"] > 0.8
    assert result["by_box"]["matched_f1"]["value"] == 1.0
    assert result["by_box"]["coco_ap"]["ap50"]["value"] == 1.0
    assert result["training pictures compared with"] == 2
    assert result["baselines"]["whole_picture"]["union_f1"] < 0.1
    assert_balanced((out / "report.html").read_text())
    assert evaluate.main([*arguments, "--without-group", "C5", "--split", "test"]) == 1
    assert "no pictures of the split test" in capsys.readouterr().err
    assert evaluate.main([str(bright), str(bright), *arguments[1:]]) == 1
    assert "pictures without part_number take one at a time" in capsys.readouterr().err


def test_the_card_of_a_model_gets_the_figures_beside_those_of_copying(tmp_path: Path) -> None:
    write_castings(tmp_path / "data")
    model = write_map_model(tmp_path / "model", CONTRACT)
    arguments = [str(model), "--data", str(tmp_path / "data"), "--cards"]
    assert evaluate.main(arguments) == 1  # it has no card yet
    (model / "card.json").write_text(json.dumps(CARD))
    assert evaluate.main(arguments) == 0
    text = (model / "card.md").read_text()
    assert "8 pictures, 4 of them anomalies; left out: nothing; 8 look like" in text
    assert "| f1 | 0.750 (" in text
    assert "| 1.000 |" in text
    assert "F1 does not beat every baseline" in text


def test_baselines_are_computed_without_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_spots_coco(tmp_path)
    out = tmp_path / "report"
    assert evaluate.main(["--data", str(tmp_path), "--baselines", "--out", str(out)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert json.loads((out / "baselines.json").read_text()) == result
    page = (out / "baselines.html").read_text()
    assert "<h2>Baselines</h2>" in page
    assert_balanced(page)
    assert (result["pictures"], result["training pictures"]) == (2, 2)
    assert result["baselines"]["copy"]["union_f1"] == 1.0
    assert result["near_duplicates"]["with_a_near_duplicate_in_training"] == 2


def test_a_file_name_cannot_write_into_the_report(
    tmp_path: Path, bright: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_spot(tmp_path / "data" / "test" / "anomaly" / "<b>&.png", 100)
    write_spot(tmp_path / "data" / "test" / "normal" / "a.png", 60)
    out = tmp_path / "out"
    assert evaluate.main([str(bright), "--data", str(tmp_path / "data"), "--out", str(out)]) == 0
    report = (out / "report.html").read_text()
    assert "<b>&.png" not in report
    assert "&lt;b&gt;&amp;.png" in report
    assert json.loads(capsys.readouterr().out)["baselines"].keys() == {"whole_picture", "nothing"}


def test_bad_labels_stop_an_evaluation_unless_they_are_dropped(
    tmp_path: Path, bright: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coco(tmp_path, [(1, (0, 0, 500, 5)), (2, (0, 0, 5, 5))])
    assert evaluate.main([str(bright), "--data", str(tmp_path)]) == 1
    assert "ground_truth.json:" in capsys.readouterr().err
    assert evaluate.main([str(bright), "--data", str(tmp_path), "--drop-bad-labels"]) == 0
    assert json.loads(capsys.readouterr().out)["bad labels dropped"] == 1


def assert_balanced(report: str) -> None:
    """Every element of the page that needs an end has it, in order."""
    open_tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("meta", "img", "html"):
                open_tags.append(tag)

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            """Needs no end."""

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Reader().feed(report)
    assert open_tags == []


def test_the_demo_models_give_a_report_by_picture_beside_the_figures_by_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    write_coco(data, [(1, (2, 3, 9, 9))], pictures=2, part_number=3, camera="cam1")
    surface, out = ROOT / "components" / "models" / "surface", tmp_path / "out"
    assert evaluate.main([str(surface), "--data", str(data), "--out", str(out)]) == 0
    assert json.loads(capsys.readouterr().out)["parts"]["bad"] == 1
    assert {file.name for file in out.iterdir()} == {
        "evaluation.json",
        "surface-evaluation.json",
        "surface-report.html",
    }
    assert read_dataset(data).pictures[0].group == "part 3"
