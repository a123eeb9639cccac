"""Whoever watches a run is told which component is down, why, what it said last, and how to start it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.nucleus.nucleus_files.log_tail import LOG_TAIL_LINES, MAX_LINE_CHARACTERS, read_log_tail
from hil.run.component_status import (
    BrokenComponentWatch,
    build_component_figures,
    describe_broken_component,
)
from hil.run.run_summary import find_run_problems
from hil.run.status import format_station_status

Json = dict[str, Any]
CAPTURE = "com.sightline.Capture"
REASON = "process ended with exit code 1, third consecutive error, each within 3600 s of the previous one"
SAID = ["cannot run: chosen.json is no UTF-8"]


def component(**changes: Any) -> Json:
    """The nucleus's entry of a component."""
    figures = {"pid": 7, "restarts": 0, "cpu_seconds": 1.0, "max_rss_mib": 30.0}
    return {"state": "RUNNING", **figures, **changes}


def broken() -> Json:
    return component(state="BROKEN", pid=None, restarts=2, reason=REASON, last_words=SAID)


def nucleus(entry: Json) -> Json:
    return {"components": {CAPTURE: entry}}


def test_a_broken_component_is_told_once_with_reason_last_words_and_the_way_out(
    tmp_path: Path,
) -> None:
    watch = BrokenComponentWatch(tmp_path)
    assert watch.describe_changes(nucleus(component())) == []
    (words,) = watch.describe_changes(nucleus(broken()))
    for part in (f"{CAPTURE} is BROKEN", REASON, SAID[0], "hil.nucleus.restart", str(tmp_path)):
        assert part in words
    assert watch.describe_changes(nucleus(broken())) == []
    assert watch.describe_changes(nucleus(component())) == [f"{CAPTURE} is running again."]
    assert watch.describe_changes(nucleus(component())) == []


def test_one_that_went_down_with_what_it_depends_on_is_told_too(tmp_path: Path) -> None:
    entry = component(state="FINISHED", reason="its HARD dependency B went down")
    (words,) = BrokenComponentWatch(tmp_path).describe_changes(nucleus(entry))
    assert "its HARD dependency B went down" in words


def test_one_that_ended_well_is_not_told(tmp_path: Path) -> None:
    assert (
        BrokenComponentWatch(tmp_path).describe_changes(nucleus(component(state="FINISHED"))) == []
    )
    assert describe_broken_component(CAPTURE, component(state="FINISHED")) == ""


def test_the_status_says_why_and_what_to_do() -> None:
    cloud: Json = {"health": {}, "parts": {}, "gate": {}}
    text = format_station_status(nucleus(broken()), cloud, "http://page", Path("/station/nucleus"))
    for part in (REASON, SAID[0], f"hil.nucleus.restart --root /station/nucleus {CAPTURE}"):
        assert part in text
    healthy = format_station_status(nucleus(component()), cloud, "http://page", Path("/x"))
    assert "restart --root" not in healthy


def test_the_summary_has_it_among_its_complaints() -> None:
    summary = {
        "parts": {"in_flight": 0, "triggered": 0},
        "records": {"received": 0},
        "components": build_component_figures(nucleus(broken())),
    }
    assert any(REASON in words and SAID[0] in words for words in find_run_problems(summary))


def test_the_last_words_are_the_end_of_the_log_in_words(tmp_path: Path) -> None:
    log = tmp_path / "component.log"
    lines = [
        json.dumps({"level": "info", "text": "component runs"}),
        json.dumps({"text": "cannot run", "error": "no space left"}),
        json.dumps({"text": "ended", "traceback": "Traceback\n  file\nOSError: no space"}),
        "plain words of a shell",
        "",
        "[1, 2]",
    ]
    log.write_text("\n".join(["long ago"] * 5000 + lines) + "\n")
    assert read_log_tail(log) == [
        "cannot run: no space left",
        "ended: OSError: no space",
        "plain words of a shell",
        "[1, 2]",
    ]
    assert read_log_tail(tmp_path / "absent.log") == []
    assert read_log_tail(tmp_path) == []


@settings(deadline=None)
@given(st.binary(max_size=2000) | st.text(max_size=500).map(str.encode))
def test_whatever_a_log_ends_with_it_is_told_in_a_few_short_lines(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    log = tmp_path_factory.mktemp("log") / "component.log"
    log.write_bytes(content)
    words = read_log_tail(log)
    assert len(words) <= LOG_TAIL_LINES
    assert all(0 < len(line) <= MAX_LINE_CHARACTERS for line in words)
