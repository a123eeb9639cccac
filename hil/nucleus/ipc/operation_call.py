"""One IPC request, as seen by the operations."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from hil.nucleus.ipc import ipc_messages

Json = dict[str, Any]
OperationResult = Json | Awaitable[Json]


class CallConnection(Protocol):
    """What a call needs of its connection."""

    component: str

    def send(self, data: bytes) -> None:
        """Write a frame."""

    def keep_open(self, stream: int, close: Callable[[], None]) -> None:
        """Keep a stream open for events until either side ends it."""


class OperationCall:
    """One request on its stream, with the means to send events."""

    def __init__(
        self, connection: CallConnection, stream: int, operation: str, body: bytes
    ) -> None:
        self.component = connection.component
        self.operation = operation
        self.body = body
        self._connection = connection
        self._stream = stream
        self._held_events: list[tuple[str, bytes]] | None = []

    def send_event(self, model: str, payload: bytes) -> None:
        """Send an event on the stream; events before the response are held until it is sent."""
        if self._held_events is not None:
            self._held_events.append((model, payload))
        else:
            self._connection.send(
                ipc_messages.encode_modelled(ipc_messages.MESSAGE, 0, self._stream, model, payload)
            )

    def keep_open(self, close: Callable[[], None]) -> None:
        """Keep the stream open for events; `close` is called once when it ends."""
        self._connection.keep_open(self._stream, close)

    def send_held_events(self) -> None:
        """Send the events held until the response."""
        early, self._held_events = self._held_events or [], None
        for model, payload in early:
            self.send_event(model, payload)


class OperationHandler(Protocol):
    """What a connection needs of the nucleus."""

    def component_for_token(self, token: str) -> str | None:
        """The component with this token."""

    def perform(self, call: OperationCall) -> OperationResult:
        """Perform the operation; returns its response, at once or later. OperationError if refused."""
