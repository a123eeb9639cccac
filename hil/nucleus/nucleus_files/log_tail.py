"""Reads the end of a component's log, to explain why it is down."""

import json
import os
from pathlib import Path

LOG_TAIL_LINES = 4
MAX_LINE_CHARACTERS = 300
READ_BYTES = 16 * 1024


def read_log_tail(log_file: Path, lines: int = LOG_TAIL_LINES) -> list[str]:
    """The last non-empty lines, shortened; empty if the log cannot be read."""
    try:
        with log_file.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - READ_BYTES))
            end = file.read(READ_BYTES)
    except OSError:
        return []
    said = [line for line in map(_line_text, end.decode(errors="replace").splitlines()) if line]
    return [line[:MAX_LINE_CHARACTERS] for line in said[-lines:]]


def _line_text(line: str) -> str:
    """A line of a log as text: of a structured one its text and its error."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return line.strip()
    if not isinstance(entry, dict) or "text" not in entry:
        return line.strip()
    parts = [str(entry["text"]), str(entry.get("error", ""))]
    trace = str(entry.get("traceback", "")).strip()
    parts.append(trace.splitlines()[-1] if trace else "")
    return ": ".join(part for part in parts if part)
