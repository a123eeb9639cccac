"""Parts are judged by the policy of their own product."""

import json
from pathlib import Path

import pytest

from sightline.errors import ConfigurationError
from sightline.messaging.messages import Detection
from sightline.storage.products import InspectionZone, LabelTiers, VerdictPolicy
from tests.unit.training.small_data_sets import write_coco
from training import evaluate
from training.evaluation.named_policies import read_policy
from training.evaluation.part_figures import EvaluatedPart, judge_part

SURFACE = Path(__file__).parents[3] / "components" / "models" / "surface"
PRODUCT = {
    "name": "casting",
    "version": "3",
    "defects": {"crack": {}, "scratch": {"reject": 0.6}},
    "productLabels": ["casting"],
    "models": ["surface"],
}


def write_parts(folder: Path, *labels: str) -> Path:
    """A part for each of these labels, with a box of it, and one without any."""
    file = write_coco(
        folder, [(n + 1, (2, 3, 9, 9)) for n in range(len(labels))], pictures=len(labels) + 1
    )
    coco = json.loads(file.read_text())
    for number, image in enumerate(coco["images"]):
        image |= {"part_number": number + 1, "camera": "cam1"}
    coco["categories"] = [{"id": n + 1, "name": label} for n, label in enumerate(labels)]
    for number, annotation in enumerate(coco["annotations"]):
        annotation["category_id"] = number + 1
    file.write_text(json.dumps(coco))
    return folder


def test_defects_that_the_policy_does_not_know_are_refused_and_not_called_free_of_escapes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_parts(tmp_path / "data", "crack")
    product = tmp_path / "casting.json"
    product.write_text(json.dumps(PRODUCT))
    arguments = [str(SURFACE), "--data", str(data)]
    assert evaluate.main(arguments) == 1
    assert "the data set has crack. Give the product's file" in capsys.readouterr().err
    assert evaluate.main([*arguments, "--policy", str(product)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["escapes"]["of"] == 1
    assert result["judged_by"] == "the product casting, version 3"
    assert result["policy"]["defects"]["scratch"]["reject"] == 0.6


def test_a_policy_that_knows_nothing_that_the_models_find_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_parts(tmp_path / "data", "crack")
    product = tmp_path / "casting.json"
    product.write_text(json.dumps(PRODUCT | {"defects": {"crack": {}}}))
    assert evaluate.main([str(SURFACE), "--data", str(data), "--policy", str(product)]) == 1
    assert "the models find dent, scratch" in capsys.readouterr().err


def test_a_label_among_others_that_is_not_judged_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_parts(tmp_path / "data", "scratch", "crack")
    assert evaluate.main([str(SURFACE), "--data", str(data), "--sweep"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert "does not judge crack" in printed.err
    assert result["labels_not_judged"] == ["crack"]
    assert result["escapes"]["of"] == 1
    assert result["sweep"]


def test_a_station_s_inference_configuration_says_how_its_parts_are_judged(tmp_path: Path) -> None:
    file = tmp_path / "line-3.yaml"
    file.write_text('policy: {version: "7", defects: {crack: {reject: "0.8"}}}\nthreads: 2\n')
    found = read_policy(file)
    assert found.policy.defects == {"crack": LabelTiers(reject=0.8)}
    assert found.name == "the policy 7 of line-3.yaml"
    file.write_text("policy: {defects: {crack: {reject: 8}}}\n")
    with pytest.raises(ConfigurationError, match=r"line-3\.yaml: .*/policy/defects/crack/reject"):
        read_policy(file)
    file.write_text("[1]")
    with pytest.raises(ConfigurationError, match="no product can be read"):
        read_policy(file)


@pytest.mark.parametrize(
    "tiers",
    [
        LabelTiers(max_ok_mm=6.0),
        LabelTiers(zones={"cam1": (InspectionZone(right=0.5),)}),
        LabelTiers(max_ok_count=1),
    ],
)
def test_a_product_s_tolerances_hold_in_an_evaluation_too(
    tiers: LabelTiers,
) -> None:
    cap = Detection(
        camera="cam1", label="cap_present", score=0.9, x=0, y=0, width=9, height=9, model="m"
    )
    dent = Detection(
        camera="cam1", label="dent", score=0.9, x=60, y=10, width=30, height=40, model="m"
    )
    part = EvaluatedPart(1, ("cam1",), frozenset(), (cap, dent), {"cam1": (100, 80)})
    policy = VerdictPolicy(defects={"dent": tiers}, mm_per_pixel={"cam1": 0.1})
    assert judge_part(part, policy) == "ok"
    assert judge_part(part, VerdictPolicy(defects={"dent": LabelTiers()})) == "defect"
