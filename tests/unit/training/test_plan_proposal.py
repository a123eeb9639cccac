"""A plan proposed from boxes fits them, is taken by the training, and every field of a plan is documented."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from sightline.vision.anchor_boxes import AnchorLevel, AnchorSpec
from tests.unit.training.tiny_data_sets import class_folders, coco_folder
from training import plan
from training.planning.box_sizes import BoxSizes, count_unmatched
from training.planning.plan_proposal import propose_plan
from training.plans.plan_files import METHOD_PLANS, find_plan
from training.plans.training_schedule import TrainingSchedule

GUIDE = Path(__file__).parents[3] / "docs" / "training.md"


def sizes_of(
    picture: tuple[int, int], widths: tuple[float, float], ratio: float = 1.0, count: int = 300
) -> BoxSizes:
    """Boxes with log-uniform widths (in pixels of the picture) anywhere in pictures of this size."""
    random = np.random.default_rng(1)
    width = np.exp(random.uniform(np.log(widths[0]), np.log(widths[1]), count))
    sides = np.stack([width, width / ratio], axis=1) / picture
    corner = random.uniform(0, 1 - sides)
    return BoxSizes(200, picture, np.concatenate([corner, corner + sides], 1).astype(np.float32))


@pytest.mark.parametrize(
    ("picture", "widths", "ratio"),
    [
        ((200, 200), (20.0, 150.0), 1.0),
        ((1280, 720), (10.0, 60.0), 1.0),
        ((4000, 3000), (300.0, 1600.0), 5.0),
        ((640, 640), (20.0, 150.0), 0.25),
    ],
)
def test_few_boxes_are_missed_by_all_anchors(
    picture: tuple[int, int], widths: tuple[float, float], ratio: float
) -> None:
    sizes = sizes_of(picture, widths, ratio)
    proposal = propose_plan(sizes, ("scratch",), "strip")
    anchors = proposal.plan.anchors
    missed, of = count_unmatched(sizes.scale_to(anchors.width, anchors.height), anchors)
    assert missed <= 0.1 * of
    assert any(f"of {of} boxes checked, {missed} (" in reason for reason in proposal.reasons)


def test_small_boxes_get_a_larger_input_and_crops_and_large_ones_the_whole_picture() -> None:
    small, large = (
        propose_plan(sizes_of((1280, 720), widths), ("a",), "x").plan
        for widths in ((12.0, 40.0), (200.0, 600.0))
    )
    assert small.anchors.width > 2 * large.anchors.width
    assert small.crop is not None
    assert large.crop is None
    assert (
        small.network,
        propose_plan(sizes_of((640, 480), (20.0, 400.0)), ("a",), "x").plan.network,
    ) == (
        "dense",
        "pyramid",
    )


def test_fewer_minutes_give_fewer_epochs_and_say_so_when_they_are_too_few() -> None:
    sizes = sizes_of((1280, 720), (12.0, 40.0))
    free, hour, one = (propose_plan(sizes, ("a",), "x", minutes) for minutes in (0, 20, 0.1))
    assert free.plan.epochs > hour.plan.epochs > one.plan.epochs >= 1
    assert "give more minutes" in one.reasons[-1]


def test_anchors_that_fit_no_box_are_counted_as_such() -> None:
    boxes = np.array([(0, 0, 10, 10), (0, 0, 60, 60)], np.float32)
    spec = AnchorSpec(64, 64, (AnchorLevel(8, (10.0,), (1.0,)),))
    assert count_unmatched(boxes, spec) == (1, 2)


def test_the_command_writes_a_plan_that_the_training_takes_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = coco_folder(tmp_path / "data"), tmp_path / "plan.json"
    assert plan.main(["--data", str(data), "--out", str(out), "--cpu-minutes", "1"]) == 0
    shown = capsys.readouterr().out
    for word in (
        "input ",
        "network ",
        "anchor sizes ",
        "anchor ratios ",
        "crop",
        "zoom ",
        "epochs ",
    ):
        assert f"\n  {word}" in shown or f"\n  no {word}" in shown
    assert f"training.train ssd --data {data} --plan {out}" in shown
    assert find_plan(METHOD_PLANS["ssd"], str(out)).labels == ("spot",)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--cpu-minutes", "nan"], "--cpu-minutes: found nan; a number from 0"),
        (["--out", "plan.txt"], "a name that ends in .json is needed"),
        ([], "none has a box to propose a plan from"),
    ],
)
def test_what_gives_no_plan_is_refused_with_what_to_do(
    arguments: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = class_folders(tmp_path / "data", 4, 2)
    out = [] if "--out" in arguments else ["--out", str(tmp_path / "plan.json")]
    assert plan.main(["--data", str(data), *out, *arguments]) == 1
    assert text in capsys.readouterr().err
    assert not (tmp_path / "plan.json").exists()


def documented_fields(title: str) -> dict[str, str]:
    """Field and default of each row below this heading of the guide."""
    part = GUIDE.read_text(encoding="utf-8").split(f"\n### `{title}`\n")[1].split("\n#")[0]
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", part, re.MULTILINE))


def shown_default(field: Any) -> str:
    """A field's default as the guide writes it."""
    if field.default is msgspec.NODEFAULT:
        return "needed"
    if isinstance(field.default, msgspec.Struct):
        keys = ("epochs", "patience", "max_learning_rate")
        return ", ".join(f"`{key}` {getattr(field.default, key):g}" for key in keys)
    return f"`{json.dumps(msgspec.to_builtins(field.default))}`"


@pytest.mark.parametrize(
    "struct",
    [
        *(one.plan_type for one in METHOD_PLANS.values()),
        AnchorSpec,
        AnchorLevel,
        TrainingSchedule,
    ],
)
def test_the_guide_has_each_field_of_each_plan_with_its_default(struct: type) -> None:
    expected = {field.name: shown_default(field) for field in msgspec.structs.fields(struct)}
    assert documented_fields(struct.__name__) == expected
