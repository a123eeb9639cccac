"""A client that writes frames as it likes, also such as no SDK would."""

import contextlib
import json
import socket
from collections.abc import Iterator

from hil.nucleus.ipc.eventstream import (
    PRELUDE_BYTES,
    EventStreamFrame,
    assemble_frame,
    decode_event_frame,
    encode_headers,
    integer_header,
    read_frame_length,
    text_header,
)
from hil.nucleus.ipc.ipc_messages import CONNECT, MESSAGE, NAMESPACE, PROTOCOL_VERSION

TIMEOUT_S = 10.0


def connect_frame(token: str) -> bytes:
    """The first frame of a client."""
    return connect_frame_with(json.dumps({"authToken": token}).encode())


def connect_frame_with(payload: bytes) -> bytes:
    """The first frame of a client, with any payload."""
    return _frame(CONNECT, 0, payload, {":version": PROTOCOL_VERSION})


def request_frame(operation: str, body: bytes, stream: int = 1) -> bytes:
    """A request."""
    return _frame(MESSAGE, stream, body, {"operation": NAMESPACE + operation})


def _frame(kind: int, stream: int, payload: bytes, texts: dict[str, str]) -> bytes:
    values = {":message-type": kind, ":message-flags": 0, ":stream-id": stream}
    numbers = tuple(integer_header(name, value) for name, value in values.items())
    more = tuple(text_header(name, value) for name, value in texts.items())
    return assemble_frame(encode_headers(numbers + more), payload)


class RawClient:
    """A connected socket; `answer` is the next frame, None at the end."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(path)
        self._unread = b""

    def answer(self) -> EventStreamFrame | None:
        """The next frame; None if the nucleus has closed."""
        while len(self._unread) < PRELUDE_BYTES or len(self._unread) < self._length():
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._unread += data
        frame, self._unread = self._unread[: self._length()], self._unread[self._length() :]
        return decode_event_frame(frame)

    def is_cut_off(self) -> bool:
        """Whether the nucleus closes, whatever it says before."""
        while self.answer() is not None:
            pass
        return True

    def ask(self, operation: str, body: bytes) -> str:
        """Send a request; the model of the answer."""
        self.socket.sendall(request_frame(operation, body))
        frame = self.answer()
        assert frame is not None
        models = [header.value for header in frame.headers if header.name == "service-model-type"]
        return str(models[0])

    def _length(self) -> int:
        return read_frame_length(self._unread, 2**24)


@contextlib.contextmanager
def raw_client(path: str, token: str | None = None) -> Iterator[RawClient]:
    """A client; with a token it is accepted already."""
    client = RawClient(path)
    try:
        if token is not None:
            client.socket.sendall(connect_frame(token))
            assert client.answer() is not None
        yield client
    finally:
        client.socket.close()
