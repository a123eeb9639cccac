"""A log line is one JSON object, whatever is logged."""

import json
import logging
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sightline.kernel.logs import JsonFormatter


def record(text: str, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "capture", "levelno": 30, "levelname": "WARNING"})
    made.msg = text
    vars(made).update(extra)
    return made


@given(st.text())
def test_any_text_is_one_line_of_json(text: str) -> None:
    line = JsonFormatter().format(record(text, part=7))
    assert "\n" not in line
    entry = json.loads(line)
    assert (entry["text"], entry["level"], entry["logger"]) == (text, "warning", "capture")
    assert entry["part"] == 7


def test_the_time_says_its_zone() -> None:
    entry = json.loads(JsonFormatter().format(record("x", created=0.0)))
    assert entry["time"] == "1970-01-01T00:00:00.000+00:00"


def test_what_json_does_not_know_is_written_as_text() -> None:
    entry = json.loads(JsonFormatter().format(record("x", folder=Path("models"))))
    assert entry["folder"] == "models"


def test_an_error_brings_its_traceback() -> None:
    try:
        raise OSError("no space")
    except OSError:
        line = JsonFormatter().format(record("x", exc_info=sys.exc_info()))
    assert "OSError: no space" in json.loads(line)["traceback"]
