"""Plans of an earlier release are read under their old keys, with a warning; unknown keys are refused."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")

import torch

from sightline.errors import ConfigurationError
from tests.unit.training.tiny_training import LEVELS, TINY
from training.evaluation.model_card import add_to_card
from training.methods.checkpoint_file import load_checkpoint, save_checkpoint
from training.methods.registry import TRAINING_METHODS, find_method
from training.methods.training_method import Checkpoint
from training.plans.plan_files import find_plan

CARD = Path(__file__).parents[3] / "components" / "models" / "cap" / "card.json"
OLD_SCHEDULE = {"epochs": 2, "patience": 2, "greatest_rate": 0.5}
OLD_PLANS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("ssd", {"greatest_rate": 0.25}, {"max_learning_rate": 0.25}),
    ("vae", {"crops_each": 9}, {"crops_per_picture": 9}),
    (
        "classifier",
        {"painted": 0.75, "drawn": 12},
        {"synthetic_share": 0.75, "max_epoch_pictures": 12},
    ),
    (
        "student-teacher",
        {"most_flaws": 3, "largest_flaw_px": 20.0, "doubled": 0.5, "crops_each": 2},
        {"max_flaws": 3, "max_flaw_px": 20.0, "overlay_share": 0.5, "crops_per_picture": 2},
    ),
]


def write_plan(folder: Path, method: str, changes: dict[str, Any]) -> str:
    """A tiny plan of the method with these changes, in a file."""
    file = folder / "plan.json"
    file.write_text(json.dumps(TINY[method] | changes))
    return str(file)


@pytest.mark.parametrize(("method", "old", "new"), OLD_PLANS)
def test_a_plan_with_old_keys_is_read_with_a_warning_that_names_old_and_new(
    method: str,
    old: dict[str, Any],
    new: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = write_plan(tmp_path, method, old)
    plan = find_plan(find_method(method), file)
    assert {name: getattr(plan, name) for name in new} == new
    warning = capsys.readouterr().err
    assert f"{file}: " in warning
    for old_key, new_key in zip(old, new, strict=True):
        assert f"{old_key} is now {new_key}" in warning
    assert find_plan(find_method(method), write_plan(tmp_path, method, new)) == plan
    assert capsys.readouterr().err == ""


def test_old_keys_are_read_inside_of_schedules_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"schedule": OLD_SCHEDULE, "teacher": OLD_SCHEDULE | {"greatest_rate": 0.125}}
    method = find_method("student-teacher")
    plan = find_plan(method, write_plan(tmp_path, "student-teacher", changes))
    assert (plan.schedule.max_learning_rate, plan.teacher.max_learning_rate) == (0.5, 0.125)
    warning = capsys.readouterr().err
    for name in ("schedule", "teacher"):
        assert f"{name}/greatest_rate is now {name}/max_learning_rate" in warning


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"most_flaws": 3, "max_flaws": 3}, "most_flaws is the old name of max_flaws"),
        (
            {"teacher": OLD_SCHEDULE | {"max_learning_rate": 0.5}},
            "teacher/greatest_rate is the old name of teacher/max_learning_rate",
        ),
        ({"greatest_rate": 0.5}, "unknown key greatest_rate; known are batch, channels"),
        ({"shedule": {}}, "unknown key shedule; known are batch, channels"),
        ({"schedule": {"epochs": 2, "patience": 2, "rate": 1}}, "unknown key schedule/rate"),
        ({"schedule": 3}, r"Expected `object`, got `int` - at `\$.schedule`"),
    ],
)
def test_both_names_of_a_key_and_unknown_keys_are_refused(
    changes: dict[str, Any], text: str, tmp_path: Path
) -> None:
    file = write_plan(tmp_path, "student-teacher", changes)
    with pytest.raises(ConfigurationError, match=text) as refused:
        find_plan(find_method("student-teacher"), file)
    assert str(refused.value).startswith(f"{file}: not a plan for method student-teacher")


def test_an_unknown_key_of_an_anchor_level_is_refused(tmp_path: Path) -> None:
    levels = [*LEVELS[:3], LEVELS[3] | {"size": [3.0]}]
    changes = {"anchors": {"width": 64, "height": 64, "levels": levels}}
    with pytest.raises(ConfigurationError, match="unknown key anchors/levels/3/size; known are ra"):
        find_plan(find_method("ssd"), write_plan(tmp_path, "ssd", changes))


@pytest.mark.parametrize("content", ["[1]", "3", "{", b"\xff"])
def test_a_file_that_is_no_plan_is_refused(content: str | bytes, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError, match=r"plan\.json"):
        find_plan(find_method("vae"), str(file))


@pytest.mark.parametrize("method", TRAINING_METHODS)
def test_a_plan_comes_back_from_its_own_json(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for plan in find_method(method).plans.values():
        file = tmp_path / "own.json"
        file.write_bytes(msgspec.json.encode(plan))
        assert find_plan(find_method(method), str(file)) == plan
    assert capsys.readouterr().err == ""


def test_a_checkpoint_with_old_or_unknown_keys_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    method = find_method("student-teacher")
    plan = find_plan(method, write_plan(tmp_path, "student-teacher", {}))
    file = tmp_path / "checkpoint.pt"
    save_checkpoint(file, Checkpoint(method.name, plan, method.build_network(plan), {"seed": 1}))
    content = torch.load(file, weights_only=True)
    old = json.loads(content["plan"])
    old["greatest_blur"] = 1
    old["most_flaws"] = old.pop("max_flaws") + 1
    old["teacher"]["greatest_rate"] = old["teacher"].pop("max_learning_rate") / 2
    torch.save(content | {"plan": json.dumps(old)}, file)
    found = load_checkpoint(file)
    assert found.plan.max_flaws == plan.max_flaws + 1
    assert found.plan.teacher.max_learning_rate == plan.teacher.max_learning_rate / 2
    assert found.facts == {"seed": 1}
    warning = capsys.readouterr().err
    assert "most_flaws is now max_flaws" in warning
    assert "teacher/greatest_rate is now teacher/max_learning_rate" in warning


def test_a_card_with_the_keys_of_an_earlier_release_is_read(tmp_path: Path) -> None:
    text = CARD.read_text().replace("maxOkMm", "largestOkMm").replace("maxOkCount", "stillOk")
    card = json.loads(text.replace("max_learning_rate", "greatest_rate"))
    (tmp_path / "card.json").write_text(json.dumps(card))
    add_to_card(tmp_path, {"note": "read"})
    assert "scratch: reject from 0.5" in (tmp_path / "card.md").read_text()
    assert json.loads((tmp_path / "card.json").read_text()) == card | {"note": "read"}
