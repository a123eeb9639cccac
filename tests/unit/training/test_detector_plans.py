"""A plan that does not fit its network or pictures is refused by the command."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")

from tests.unit.training.tiny_training import LEVELS, TINY
from training import train

SMALL = {"width": 62, "height": 64, "levels": LEVELS[:2]}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("ssd", {"preprocessing": "nearest"}, "found 'nearest'; known are area-halves-1"),
    ("ssd", {"zoom": None, "crop": [128, 64]}, "crop: found 128 x 64; the picture has 64 x 64"),
    ("ssd", {"anchors": SMALL}, "found the strides (8, 16); pyramid has (8, 16, 32, 64)"),
    ("ssd", {"channels": [8, 8]}, "channels: found 2; pyramid has 6"),
    (
        "ssd",
        {"network": "dense", "channels": [8] * 5, "anchors": SMALL},
        "found 62; a multiple of 4 is needed",
    ),
    ("vae", {"crop": 128}, "crop: found 128; the picture has 64 x 64"),
    ("vae", {"crop": 40}, "found 40; a multiple of 16 is needed"),
    ("vae", {"preprocessing": ""}, "preprocessing: found ''"),
    ("student-teacher", {"height": 72}, "found 72; a multiple of 16 is needed"),
    ("student-teacher", {"preprocessing": "x"}, "preprocessing: found 'x'"),
    ("classifier", {"width": 60}, "found 60; a multiple of 8 is needed"),
    ("classifier", {"preprocessing": "x"}, "preprocessing: found 'x'"),
]


@pytest.mark.parametrize(("method", "changes", "text"), REFUSED)
def test_a_plan_that_fits_no_network_or_picture_is_refused_before_anything_is_read(
    method: str,
    changes: dict[str, Any],
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(TINY[method] | changes))
    nowhere = ["--data", str(tmp_path / "none"), "--out", str(tmp_path / "work")]
    assert train.main([method, *nowhere, "--plan", str(plan)]) == 1
    assert text in capsys.readouterr().err
