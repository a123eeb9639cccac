"""A segment: a folder with part of a run, frames stored losslessly.

segment.json      what was recorded, and each part's trigger time and frames with their digests
frames/CAMERA/    one file per frame: the JPEG or PNG that the camera played, else the raw frame as .uyvy.png
messages.jsonl    every message of the run in order of arrival, with its monotonic time
reference.jsonl   the messages that replays are compared with; only `renew` replaces it
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from sightline.errors import FatalError
from sightline.old_component_keys import rename_old_merge_keys

HEADER, MESSAGES, REFERENCE, FRAMES = (
    "segment.json",
    "messages.jsonl",
    "reference.jsonl",
    "frames",
)
FORMAT_VERSION = 1
Json = dict[str, Any]


class SegmentError(FatalError):
    """A segment cannot be read or does not fit this station."""


class FrameFile(msgspec.Struct, frozen=True, rename="camel"):
    """One frame: its file under `frames/`, and the SHA-256 of its UYVY bytes."""

    file: str
    sha256: str


class SegmentPart(msgspec.Struct, frozen=True, rename="camel"):
    """One part: when it triggered, in seconds after the first, and its frames by camera."""

    part_number: int
    due_s: float
    frames: dict[str, FrameFile]


class RunSegment(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The header; `merges` is the run's configuration per component on top of the defaults."""

    name: str
    recorded_utc_ns: int
    boot_id: str
    station_id: str
    cameras: tuple[str, ...]
    width: int
    height: int
    parts: tuple[SegmentPart, ...]
    models: dict[str, str]
    version: str
    merges: dict[str, Json] = {}
    format_version: int = FORMAT_VERSION


class RecordedMessage(msgspec.Struct, frozen=True, rename="camel"):
    """A message as it arrived; `frames` has the digests of a PartCaptured's pixels by camera."""

    stream: str
    at_monotonic_ns: int
    message: Json
    frames: dict[str, str] = {}


def load_segment(folder: Path) -> RunSegment:
    """Load the header, old configuration keys renamed; SegmentError says what is wrong with it."""
    path = folder / HEADER
    try:
        segment = msgspec.json.decode(path.read_bytes(), type=RunSegment)
    except OSError as error:
        raise SegmentError(f"{path}: {error.strerror or error}") from error
    except msgspec.DecodeError as error:
        raise SegmentError(f"{path}: {error}") from error
    if segment.format_version != FORMAT_VERSION:
        raise SegmentError(
            f"{path}: found format {segment.format_version}; expected {FORMAT_VERSION}"
        )
    merges, old_keys = rename_old_merge_keys(segment.merges)
    for key in old_keys:
        print(f"{path} at /merges: {key}; only this release reads the old key", file=sys.stderr)
    return msgspec.structs.replace(segment, merges=merges) if old_keys else segment


def save_segment(folder: Path, segment: RunSegment) -> None:
    """Write the header."""
    (folder / HEADER).write_bytes(msgspec.json.format(msgspec.json.encode(segment), indent=1))


def load_messages(path: Path) -> list[RecordedMessage]:
    """Load the messages of a file; SegmentError names an invalid line."""
    return list(_read_messages(path))


def save_messages(path: Path, messages: Iterable[RecordedMessage]) -> None:
    """Write one message per line."""
    with path.open("wb") as file:
        for message in messages:
            file.write(msgspec.json.encode(message) + b"\n")


def _read_messages(path: Path) -> Iterator[RecordedMessage]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SegmentError(f"{path}: {error.strerror or error}") from error
    for number, line in enumerate(lines, start=1):
        try:
            yield msgspec.json.decode(line, type=RecordedMessage)
        except msgspec.DecodeError as error:
            if number < len(lines):  # the last line of a recording that was cut off counts not
                raise SegmentError(f"{path}:{number}: {error}") from error
