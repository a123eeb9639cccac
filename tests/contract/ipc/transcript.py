"""Recorded connections: frames in order of arrival, and how each is compared."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from hil.nucleus.ipc.eventstream import EventStreamFrame, decode_event_frame
from hil.nucleus.nucleus_errors import ProtocolError

FOLDER = Path(__file__).parent / "transcripts"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.jsonl")))
MALFORMED = frozenset(
    {
        "13a-wrong-prelude-crc",
        "13b-wrong-message-crc",
        "13f-not-event-stream",
        "13r-total-length-below-minimum",
        "13s-headers-longer-than-packet",
        "13v-truncated-then-closed",
    }
)
TOKEN = "g+nmR1nPFs67KzTj"
CONFIGURATION = """
com.example.conformance:
  text: "hello"
  number: 0.5
  count: 3
  flag: true
  nested: {b: "two", a: 1, deeper: {c: "three"}}
  list: ["x", "y"]
  accessControl:
    aws.greengrass.ipc.pubsub:
      "com.example.conformance:pubsub:1":
        operations: ["aws.greengrass#PublishToTopic", "aws.greengrass#SubscribeToTopic"]
        resources: ["conf/*"]
    aws.greengrass.ipc.mqttproxy:
      "com.example.conformance:mqttproxy:1":
        operations: ["aws.greengrass#PublishToIoTCore", "aws.greengrass#SubscribeToIoTCore"]
        resources: ["conf/*"]
com.example.other:
  text: "of the other component"
aws.greengrass.Nucleus:
  awsRegion: "us-east-1"
"""


@dataclass(frozen=True)
class TranscriptLine:
    """One line: a frame's bytes, or the end of the connection (None)."""

    sender: Literal["client", "nucleus"]
    frame: bytes | None


@cache
def load_lines(name: str) -> tuple[TranscriptLine, ...]:
    """The lines of a transcript."""
    text = (FOLDER / f"{name}.jsonl").read_text()
    rows = (json.loads(row) for row in text.splitlines())
    return tuple(
        TranscriptLine(row["from"], bytes.fromhex(row["hex"]) if "hex" in row else None)
        for row in rows
    )


def comparable(data: bytes) -> tuple[Any, ...]:
    """A frame as it is compared: headers in order, and the body as JSON where it is JSON."""
    frame = decode_event_frame(data)
    return (frame.headers, body(frame))


def body(frame: EventStreamFrame) -> Any:
    """The payload read as JSON, else its bytes."""
    try:
        return _typed(json.loads(frame.payload)) if frame.payload else None
    except ValueError:
        return frame.payload


def read_stream_id(data: bytes) -> int:
    """The frame's stream id."""
    values = {header.name: header.value for header in decode_event_frame(data).headers}
    return int(values[":stream-id"])


def is_well_formed(data: bytes) -> bool:
    """Whether the bytes are one frame."""
    try:
        decode_event_frame(data)
    except ProtocolError:
        return False
    return True


def _typed(value: Any) -> Any:
    """JSON values that tell 1 from 1.0 and from true."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return (type(value).__name__, value)
