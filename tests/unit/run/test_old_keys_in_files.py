"""Descriptions of benches and segments that the last release wrote are read, with a word on stderr."""

import json
from pathlib import Path

import pytest
import yaml

from hil.bench.bench_description import load_bench
from hil.replay.segment import HEADER, load_segment
from sightline.errors import ConfigurationError

INFERENCE = "com.sightline.Inference"
SEGMENT = Path(__file__).resolve().parents[2] / "replay" / "segments" / "four-bottles"
Capture = pytest.CaptureFixture[str]


def write_bench(folder: Path, **changes: object) -> Path:
    file = folder / "bench.yaml"
    values = {"name": "b", "cameras": {"cam1": {"node": "/dev/video0"}}, **changes}
    file.write_text(yaml.safe_dump(values))
    return file


def test_a_bench_with_old_keys_is_what_it_was(tmp_path: Path, capsys: Capture) -> None:
    file = write_bench(
        tmp_path,
        expected={"wayToGateS": 2.5, "greatestCelsius": 80},
        merges={INFERENCE: {"policy": {"defects": {"scratch": {"stillOk": 2}}}}},
    )
    bench = load_bench(file)
    assert (bench.expected.time_to_gate_s, bench.expected.max_celsius) == (2.5, 80)
    assert bench.merges == {INFERENCE: {"policy": {"defects": {"scratch": {"maxOkCount": 2}}}}}
    told = capsys.readouterr().err
    assert f"{file}: /expected/wayToGateS = 2.5 is now called /expected/timeToGateS" in told
    assert f"/merges/{INFERENCE}/policy/defects/scratch/stillOk = 2" in told


def test_a_wrong_old_key_of_a_bench_is_refused_by_its_name(tmp_path: Path) -> None:
    file = write_bench(tmp_path, expected={"greatestCelsius": -1})
    with pytest.raises(ConfigurationError, match="/expected/greatestCelsius"):
        load_bench(file)


def test_a_segment_of_the_last_release_is_played_under_the_new_keys(
    tmp_path: Path, capsys: Capture
) -> None:
    header = json.loads((SEGMENT / HEADER).read_text())
    header["merges"] = {INFERENCE: {"ledgerKeepsParts": 5000, "shadow": {"waitsS": 3}}}
    (tmp_path / HEADER).write_text(json.dumps(header))
    segment = load_segment(tmp_path)
    assert segment.merges == {INFERENCE: {"maxLedgerParts": 5000, "shadow": {"maxWaitS": 3}}}
    told = capsys.readouterr().err
    assert f"at /merges: /{INFERENCE}/ledgerKeepsParts = 5000 is now called" in told


def test_a_segment_of_this_release_is_told_nothing(capsys: Capture) -> None:
    load_segment(SEGMENT)
    assert capsys.readouterr().err == ""
