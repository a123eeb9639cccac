"""A worker's connection to the Lambda host: one JSON object per line, payloads in base64."""

import base64
import json
import os
import socket
from typing import Any

SOCKET_VARIABLE = "LAMBDA_HOST_SOCKET"
INSTANCE_VARIABLE = "LAMBDA_HOST_INSTANCE"


class HostRefusedError(Exception):
    """The host refused a request; carries its reason."""


class HostConnection:
    """A connection to the host: one request, one answer at a time."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(os.environ[SOCKET_VARIABLE])
        self._file = self._socket.makefile("rwb")
        self._instance = os.environ[INSTANCE_VARIABLE]

    def request(self, operation: str, payload: bytes | None = None, **more: Any) -> dict[str, Any]:
        """Send a request and return the answer; HostRefusedError or ConnectionError."""
        question = {"operation": operation, "instance": self._instance, **more}
        if payload is not None:
            question["payload"] = base64.b64encode(payload).decode()
        self._file.write(json.dumps(question).encode() + b"\n")
        self._file.flush()
        line = self._file.readline()
        if not line:
            raise ConnectionError("the Lambda host closed the connection")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise HostRefusedError(answer["error"])
        return answer
