"""The sizing command: which models it lets serve, and what it says."""

from pathlib import Path

import pytest
import yaml

from hil.run.sizing import (
    LAPTOP,
    ModelChoice,
    TrialResult,
    build_sizing_report,
    format_sizing_report,
    main,
)


def test_a_choice_of_models_changes_nothing_else_in_the_deployment(tmp_path: Path) -> None:
    before = yaml.safe_load(LAPTOP.read_text())
    file = ModelChoice(precision="int8", threads=2, images_at_once=3).write_deployment(
        LAPTOP, tmp_path
    )
    after = yaml.safe_load(file.read_text())
    merge = after["components"]["com.sightline.Inference"]["configurationUpdate"]["merge"]
    assert [(m["name"], m["precision"]) for m in merge.pop("models")] == [
        ("surface", "int8"),
        ("cap", "int8"),
    ]
    assert merge.pop("threads") == 2
    assert merge.pop("imagesAtOnce") == 3
    assert after == before


def test_it_says_models_precision_threads_rate_latency_and_headroom() -> None:
    percentiles = {"p50": 20.0, "p95": 24.0, "p99": 30.0, "max": 31.0}
    summary = {
        "latency_ms": dict.fromkeys(("trigger_to_verdict", "model_only", "per_image"), percentiles),
        "components": {"a": {"cpu_seconds": 10.0}, "b": {"cpu_seconds": 5.0}},
    }
    told = TrialResult(summary, ("surface int8 on onnx (0123)",), 1, 2, 4, 2000.0, 1e9)
    found = build_sizing_report(20.0, False, told)
    assert found["images_hz"] == 80
    assert found["headroom"]["left_of_the_deadline_at_p99_ms"] == 1970.0
    assert found["headroom"]["left_of_the_processors_beside_the_components"] == 1.0
    text = format_sizing_report(found)
    for word in (
        "surface int8",
        "1 per model",
        "2 images at once",
        "20 parts/s",
        "p99 30.0 ms",
        "1970 of 2000 ms",
    ):
        assert word in text


def test_rates_that_make_no_sense_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--start", "30"])
    assert "must hold; found 1, 30, 25" in capsys.readouterr().err
