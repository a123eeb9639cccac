"""Plays a transcript's client against a nucleus that listens, and collects what it answers."""

import base64
import socket
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from hil.nucleus.ipc.eventstream import PRELUDE_BYTES, decode_event_frame, read_frame_length
from tests.contract.ipc.transcript import TranscriptLine, comparable, read_stream_id
from tests.unit.nucleus.ipc_kit import ServedIpc

WAIT_S = 5.0
QUIET_S = 0.15  # what the transcript does not have is waited for this long
Answers = dict[int, list[tuple[Any, ...]]]


@dataclass
class NucleusFrames:
    """What the nucleus sent, per stream, and whether it closed the connection."""

    answers: Answers = field(default_factory=lambda: defaultdict(list))
    closed: bool = False


def read_recorded_frames(transcript: tuple[TranscriptLine, ...]) -> NucleusFrames:
    """What the nucleus of the transcript sent."""
    heard = NucleusFrames()
    for line in transcript:
        if line.sender == "nucleus" and line.frame is None:
            heard.closed = True
        elif line.sender == "nucleus" and line.frame is not None:
            heard.answers[read_stream_id(line.frame)].append(comparable(line.frame))
    return heard


def replay_transcript(
    transcript: tuple[TranscriptLine, ...], serving: ServedIpc, patience_s: float = WAIT_S
) -> NucleusFrames:
    """What our nucleus sends when it hears the transcript's client."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(serving.socket)
        ear = _FrameCollector(connection)
        expected = 0
        for line in transcript:
            if line.sender == "client" and line.frame is not None:
                ear.listen(expected, patience_s)
                if not ear.heard.closed:
                    ear.send(line.frame)
            elif line.frame is not None:
                expected += 1
                _from_cloud(line.frame, serving, ear, expected)
        wants_close = transcript[-1].sender == "nucleus"
        ear.listen(10**6 if wants_close else expected, patience_s)
        ear.listen(10**6, QUIET_S)
        return ear.heard


def _from_cloud(frame: bytes, serving: ServedIpc, ear: "_FrameCollector", expected: int) -> None:
    """Let the message that the recorded nucleus got from its broker come to ours too."""
    kind, content = comparable(frame)
    if any(header.value == "aws.greengrass#IoTCoreMessage" for header in kind):
        ear.listen(expected - 1, WAIT_S)
        message = content["message"]
        topic, payload = message["topicName"][1], base64.b64decode(message["payload"][1])
        serving.call(lambda: serving.cloud.send(topic, payload))


class _FrameCollector:
    def __init__(self, connection: socket.socket) -> None:
        self.heard = NucleusFrames()
        self._connection = connection
        self._unread = b""
        self._count = 0

    def send(self, data: bytes) -> None:
        """Send a frame; a nucleus that closed before it came is one that closed."""
        try:
            self._connection.sendall(data)
        except BrokenPipeError:
            self.heard.closed = True

    def listen(self, count: int, patience_s: float) -> None:
        """Read until this many frames have come in all, the end, or the patience is over."""
        deadline = time.monotonic() + patience_s
        while self._count < count and not self.heard.closed:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return
            self._connection.settimeout(left_s)
            try:
                data = self._connection.recv(65536)
            except TimeoutError:
                return
            except ConnectionResetError:
                data = b""
            self.heard.closed = not data
            self._collect(data)

    def _collect(self, data: bytes) -> None:
        self._unread += data
        while len(self._unread) >= PRELUDE_BYTES:
            length = read_frame_length(self._unread, 2**24)
            if len(self._unread) < length:
                return
            frame, self._unread = self._unread[:length], self._unread[length:]
            assert decode_event_frame(frame)
            self.heard.answers[read_stream_id(frame)].append(comparable(frame))
            self._count += 1
