"""One component's connection: bytes to messages, the handshake, streams, and answers to requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from hil.nucleus import wire
from hil.nucleus.call import Call, Json, Operations
from hil.nucleus.dialect import Dialect
from hil.nucleus.errors import OperationError, ProtocolError, ServiceError
from hil.nucleus.eventstream import PRELUDE_BYTES, decode, frame_length

log = logging.getLogger(__name__)
SERVICE = "aws.greengrass#GreengrassCoreIPC"
MOST_UNREAD_BYTES = (
    16 * 2**20
)  # a component that does not read loses its connection, not our memory
REFUSED_CLOSES_WITHIN_S = 1.0  # a client that is refused closes by itself, else it is cut off
HANDSHAKE_WITHIN_S = 5.0


class Connection(asyncio.Protocol):
    """The nucleus's end of a connection; all calls come from the event loop."""

    def __init__(
        self,
        operations: Operations,
        dialect: Dialect,
        ended: Callable[["Connection"], None],
        handshake_within_s: float = HANDSHAKE_WITHIN_S,
    ) -> None:
        self.component = ""
        self._operations = operations
        self._dialect = dialect
        self._ended = ended
        self._unread = bytearray()
        self._transport: asyncio.Transport | None = None
        self._open: dict[int, list[Callable[[], None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._handshake_within_s = handshake_within_s
        self._deadline: asyncio.TimerHandle | None = None  # of the handshake, then of a refused one
        self._is_refused = False
        self._has_turn = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._handshake_within_s, self._say_nothing_came)

    def data_received(self, data: bytes) -> None:
        """Handle what has come, one frame in a turn, so that no component holds up the others.

        Nothing more is read while whole frames wait. Bytes that are no frame close the connection, and
        so do any that a refused client still sends.
        """
        if self._is_refused:
            self._cut_off()
            return
        self._unread += data
        if not self._has_turn:
            self._take_turn()

    def _take_turn(self) -> None:
        self._has_turn = False
        try:
            frame = self._next_frame() if self._listens() else None
            if frame is not None:
                self._handle(wire.read(decode(frame), self._dialect.common_headers_only))
            more = self._listens() and self._whole_frame_bytes() > 0
        except ProtocolError as error:
            log.warning("connection of %s closed: %s", self.component or "nobody", error)
            self.close()
            return
        self._has_turn = more
        if more:
            asyncio.get_running_loop().call_soon(self._take_turn)
        transport = self._transport
        if transport is not None and transport.is_reading() == more:
            (transport.pause_reading if more else transport.resume_reading)()

    def connection_lost(self, exc: Exception | None) -> None:
        """End all streams."""
        self._transport = None
        if self._deadline is not None:
            self._deadline.cancel()
        for stream in list(self._open):
            self._end_stream(stream)
        for task in self._tasks:
            task.cancel()
        self._ended(self)

    def close(self) -> None:
        """Close the socket after what is still to be written."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def send(self, data: bytes) -> None:
        """Write a frame; a connection that is closed, or whose component does not read, drops it."""
        transport = self._transport
        if transport is None:
            return
        if transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
            log.error("%s does not read its messages: connection closed", self.component)
            self._transport = None
            transport.abort()
            return
        transport.write(data)

    def keep_open(self, stream: int, close: Callable[[], None]) -> None:
        """Keep a stream for events until either side ends it."""
        self._open.setdefault(stream, []).append(close)

    def _listens(self) -> bool:
        return self._transport is not None and not self._is_refused

    def _whole_frame_bytes(self) -> int:
        """The length of the first frame if it is whole, else 0."""
        unread = self._unread
        if len(unread) < PRELUDE_BYTES:
            return 0
        total = frame_length(unread, self._dialect.largest_packet_bytes)
        return total if len(unread) >= total else 0

    def _next_frame(self) -> bytes | None:
        total = self._whole_frame_bytes()
        if not total:
            return None
        frame = bytes(self._unread[:total])
        del self._unread[:total]
        return frame

    def _say_nothing_came(self) -> None:
        log.warning("connection closed: no handshake within %.1f s", self._handshake_within_s)
        self._cut_off()

    def _cut_off(self) -> None:
        transport, self._transport = self._transport, None
        self._unread.clear()
        if transport is not None:
            transport.abort()

    def _handle(self, message: wire.Message) -> None:
        if not self.component:
            self._connect(message)
        elif message.stream == 0:
            self._handle_on_connection(message)
        elif message.type == wire.MESSAGE and message.flags & wire.END_OF_STREAM:
            if self._end_stream(message.stream) and self._dialect.completes_closed_streams:
                self.send(wire.bare(wire.MESSAGE, wire.END_OF_STREAM, message.stream))
        elif message.type != wire.MESSAGE:
            self._refuse(message.stream, ServiceError())
        else:
            self._request(message)

    def _connect(self, message: wire.Message) -> None:
        if (message.type, message.flags, message.stream) != (wire.CONNECT, 0, 0):
            raise ProtocolError("the first message must be a connect on stream 0 without flags")
        if message.version not in ("", wire.VERSION):
            raise ProtocolError(f"version {message.version}; {wire.VERSION} is allowed")
        component = self._named_by(message.payload)
        if component is None:
            self._turn_away()
            return
        self.component = component
        if self._deadline is not None:
            self._deadline.cancel()
        self.send(wire.bare(wire.CONNECT_ACK, wire.ACCEPTED, 0))

    def _turn_away(self) -> None:
        """Refuse; the client is to close, for one that sees answer and end at once reads no answer."""
        if not self._dialect.acknowledges_refusal:
            raise ProtocolError("the token is not known")
        log.warning("connection refused: the token is not known")
        self.send(wire.bare(wire.CONNECT_ACK, 0, 0))
        self._is_refused = True
        if self._unread:
            self._cut_off()  # it did not wait for the answer
            return
        if self._deadline is not None:
            self._deadline.cancel()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(REFUSED_CLOSES_WITHIN_S, self._cut_off)

    def _named_by(self, payload: bytes) -> str | None:
        try:
            given = msgspec.json.decode(payload, type=_Connect)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolError(f"the connect's payload cannot be read: {error}") from error
        component = self._operations.component_of(given.auth_token)
        return component if given.component_name in (None, component) else None

    def _handle_on_connection(self, message: wire.Message) -> None:
        if message.type != wire.PING or not self._dialect.answers_ping:
            raise ProtocolError(f"a message of type {message.type} on stream 0")
        self.send(wire.bare(wire.PONG, 0, 0, message.payload))

    def _request(self, message: wire.Message) -> None:
        operation = message.operation
        if not operation.startswith(wire.NAMESPACE):
            self._refuse(message.stream, ServiceError())
            return
        call = Call(self, message.stream, operation[len(wire.NAMESPACE) :], message.payload)
        try:
            answer = self._operations.perform(call)
        except OperationError as error:
            self._refuse(message.stream, error)
            return
        except Exception:  # of one request; the connection and the others go on
            log.exception("%s of %s failed", call.operation, self.component)
            self._refuse(message.stream, ServiceError())
            return
        if isinstance(answer, dict):
            self._respond(call, message.stream, answer)
        else:
            self._later(self._respond_later(call, message.stream, answer))

    async def _respond_later(self, call: Call, stream: int, answer: Awaitable[Json]) -> None:
        try:
            response = await answer
        except OperationError as error:
            self._refuse(stream, error)
        except Exception:
            log.exception("%s of %s failed", call.operation, self.component)
            self._refuse(stream, ServiceError())
        else:
            self._respond(call, stream, response)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _respond(self, call: Call, stream: int, response: Json) -> None:
        ends = self._dialect.ends_stream_with_response and stream not in self._open
        payload = msgspec.json.encode(response) if response else b"{}"
        flags = wire.END_OF_STREAM if ends else 0
        self.send(wire.modelled(wire.MESSAGE, flags, stream, call.operation + "Response", payload))
        call.responded()

    def _refuse(self, stream: int, error: OperationError) -> None:
        body = {"_message": error.text, "_errorCode": error.code}
        if self._dialect.error_details:
            body = {"message": error.text, **body, "_service": SERVICE}
        payload = msgspec.json.encode(body)
        self.send(wire.modelled(wire.ERROR, wire.END_OF_STREAM, stream, error.code, payload))

    def _end_stream(self, stream: int) -> bool:
        closers = self._open.pop(stream, [])
        for close in closers:
            close()
        return bool(closers)


class _Connect(msgspec.Struct, frozen=True, rename="camel"):
    auth_token: str = ""
    component_name: str | None = None
