"""One component's IPC connection: handshake, streams, requests and responses."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from hil.nucleus.dialects.dialect import Dialect
from hil.nucleus.ipc import ipc_messages
from hil.nucleus.ipc.eventstream import PRELUDE_BYTES, decode_event_frame, read_frame_length
from hil.nucleus.ipc.operation_call import Json, OperationCall, OperationHandler
from hil.nucleus.nucleus_errors import OperationError, ProtocolError, ServiceError

log = logging.getLogger(__name__)
SERVICE = "aws.greengrass#GreengrassCoreIPC"
MAX_UNREAD_BYTES = 16 * 2**20  # a component that does not read loses its connection, not our memory
REFUSED_CLOSE_TIMEOUT_S = 1.0  # a client that is refused closes by itself, else it is cut off
HANDSHAKE_TIMEOUT_S = 5.0
MAX_UNANSWERED_REQUESTS = 1200  # more than a dialect lets wait for IoT Core


class IpcConnection(asyncio.Protocol):
    """The nucleus's end of a connection; all calls come from the event loop."""

    def __init__(
        self,
        operations: OperationHandler,
        dialect: Dialect,
        ended: Callable[["IpcConnection"], None],
        handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S,
    ) -> None:
        self.component = ""
        self._operations = operations
        self._dialect = dialect
        self._ended = ended
        self._unread = bytearray()
        self._transport: asyncio.Transport | None = None
        self._open_streams: dict[int, list[Callable[[], None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._handshake_timeout_s = handshake_timeout_s
        self._deadline: asyncio.TimerHandle | None = None  # of the handshake, then of a refused one
        self._is_refused = False
        self._turn_scheduled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with a new socket."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._handshake_timeout_s, self._abandon_handshake)

    def data_received(self, data: bytes) -> None:
        """Handle received data, one frame per turn, so that no component delays the others.

        Nothing more is read while whole frames or too many answers wait. Bytes that are no frame close
        the connection, and so do any that a refused client still sends.
        """
        if self._is_refused:
            self._abort()
            return
        self._unread += data
        if not self._turn_scheduled:
            self._handle_next_frame()

    def _handle_next_frame(self) -> None:
        self._turn_scheduled = False
        try:
            may_ask = self._is_listening() and not self._is_full()
            frame = self._next_frame() if may_ask else None
            if frame is not None:
                self._handle_message(
                    ipc_messages.parse_message(
                        decode_event_frame(frame), self._dialect.common_headers_only
                    )
                )
            more = (
                self._is_listening()
                and not self._is_full()
                and self._find_complete_frame_bytes() > 0
            )
        except ProtocolError as error:
            log.warning("connection of %s closed: %s", self.component or "an unknown client", error)
            self.close()
            return
        self._turn_scheduled = more
        if more:
            asyncio.get_running_loop().call_soon(self._handle_next_frame)
        transport, waits = self._transport, more or self._is_full()
        if transport is not None and transport.is_reading() == waits:
            (transport.pause_reading if waits else transport.resume_reading)()

    def connection_lost(self, exc: Exception | None) -> None:
        """End all streams."""
        self._transport = None
        if self._deadline is not None:
            self._deadline.cancel()
        for stream in list(self._open_streams):
            self._end_stream(stream)
        for task in self._tasks:
            task.cancel()
        self._ended(self)

    def close(self) -> None:
        """Close the socket after pending writes."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def send(self, data: bytes) -> None:
        """Write a frame; dropped if the connection is closed or its component does not read."""
        transport = self._transport
        if transport is None:
            return
        if transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            log.error("%s does not read its messages: connection closed", self.component)
            self._transport = None
            transport.abort()
            return
        transport.write(data)

    def keep_open(self, stream: int, close: Callable[[], None]) -> None:
        """Keep a stream open for events until either side ends it."""
        self._open_streams.setdefault(stream, []).append(close)

    def _is_listening(self) -> bool:
        return self._transport is not None and not self._is_refused

    def _is_full(self) -> bool:
        return len(self._tasks) >= MAX_UNANSWERED_REQUESTS

    def _find_complete_frame_bytes(self) -> int:
        """The length of the first frame if it is whole, else 0."""
        unread = self._unread
        if len(unread) < PRELUDE_BYTES:
            return 0
        total = read_frame_length(unread, self._dialect.max_packet_bytes)
        return total if len(unread) >= total else 0

    def _next_frame(self) -> bytes | None:
        total = self._find_complete_frame_bytes()
        if not total:
            return None
        frame = bytes(self._unread[:total])
        del self._unread[:total]
        return frame

    def _abandon_handshake(self) -> None:
        log.warning("connection closed: no handshake within %.1f s", self._handshake_timeout_s)
        self._abort()

    def _abort(self) -> None:
        transport, self._transport = self._transport, None
        self._unread.clear()
        if transport is not None:
            transport.abort()

    def _handle_message(self, message: ipc_messages.IpcMessage) -> None:
        if not self.component:
            self._handle_connect(message)
        elif message.stream == 0:
            self._handle_ping(message)
        elif message.type == ipc_messages.MESSAGE and message.flags & ipc_messages.END_OF_STREAM:
            if self._end_stream(message.stream) and self._dialect.completes_closed_streams:
                self.send(
                    ipc_messages.encode_bare(
                        ipc_messages.MESSAGE, ipc_messages.END_OF_STREAM, message.stream
                    )
                )
        elif message.type != ipc_messages.MESSAGE:
            self._send_error(message.stream, ServiceError())
        else:
            self._handle_request(message)

    def _handle_connect(self, message: ipc_messages.IpcMessage) -> None:
        if (message.type, message.flags, message.stream) != (ipc_messages.CONNECT, 0, 0):
            raise ProtocolError("the first message must be a connect on stream 0 without flags")
        if message.version not in ("", ipc_messages.PROTOCOL_VERSION):
            raise ProtocolError(
                f"found version {message.version}; {ipc_messages.PROTOCOL_VERSION} is allowed"
            )
        component = self._authenticate(message.payload)
        if component is None:
            self._reject_client()
            return
        self.component = component
        if self._deadline is not None:
            self._deadline.cancel()
        self.send(ipc_messages.encode_bare(ipc_messages.CONNECT_ACK, ipc_messages.ACCEPTED, 0))

    def _reject_client(self) -> None:
        """Refuse the client and let it close: it may miss an answer that is followed by a close."""
        if not self._dialect.acknowledges_refusal:
            raise ProtocolError("unknown token")
        log.warning("connection refused: unknown token")
        self.send(ipc_messages.encode_bare(ipc_messages.CONNECT_ACK, 0, 0))
        self._is_refused = True
        if self._unread:
            self._abort()  # it did not wait for the answer
            return
        if self._deadline is not None:
            self._deadline.cancel()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(REFUSED_CLOSE_TIMEOUT_S, self._abort)

    def _authenticate(self, payload: bytes) -> str | None:
        try:
            given = msgspec.json.decode(payload, type=_ConnectPayload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolError(f"malformed payload of connect: {error}") from error
        component = self._operations.component_for_token(given.auth_token)
        return component if given.component_name in (None, component) else None

    def _handle_ping(self, message: ipc_messages.IpcMessage) -> None:
        if message.type != ipc_messages.PING or not self._dialect.answers_ping:
            raise ProtocolError(f"message type {message.type} is not allowed on stream 0")
        self.send(ipc_messages.encode_bare(ipc_messages.PONG, 0, 0, message.payload))

    def _handle_request(self, message: ipc_messages.IpcMessage) -> None:
        operation = message.operation
        if not operation.startswith(ipc_messages.NAMESPACE):
            self._send_error(message.stream, ServiceError())
            return
        call = OperationCall(
            self, message.stream, operation[len(ipc_messages.NAMESPACE) :], message.payload
        )
        try:
            answer = self._operations.perform(call)
        except OperationError as error:
            self._send_error(message.stream, error)
            return
        except Exception:  # of one request; the connection and the others go on
            log.exception("%s of %s failed", call.operation, self.component)
            self._send_error(message.stream, ServiceError())
            return
        if isinstance(answer, dict):
            self._respond(call, message.stream, answer)
        else:
            self._spawn(self._respond_later(call, message.stream, answer))

    async def _respond_later(
        self, call: OperationCall, stream: int, answer: Awaitable[Json]
    ) -> None:
        try:
            response = await answer
        except OperationError as error:
            self._send_error(stream, error)
        except Exception:
            log.exception("%s of %s failed", call.operation, self.component)
            self._send_error(stream, ServiceError())
        else:
            self._respond(call, stream, response)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget_task)

    def _forget_task(self, task: "asyncio.Task[None]") -> None:
        was_full = self._is_full()
        self._tasks.discard(task)
        if was_full and not self._turn_scheduled and self._transport is not None:
            self._handle_next_frame()

    def _respond(self, call: OperationCall, stream: int, response: Json) -> None:
        ends = self._dialect.ends_stream_with_response and stream not in self._open_streams
        payload = msgspec.json.encode(response) if response else b"{}"
        flags = ipc_messages.END_OF_STREAM if ends else 0
        self.send(
            ipc_messages.encode_modelled(
                ipc_messages.MESSAGE, flags, stream, call.operation + "Response", payload
            )
        )
        call.send_held_events()

    def _send_error(self, stream: int, error: OperationError) -> None:
        body = {"_message": error.text, "_errorCode": error.code}
        if self._dialect.error_details:
            body = {"message": error.text, **body, "_service": SERVICE}
        payload = msgspec.json.encode(body)
        self.send(
            ipc_messages.encode_modelled(
                ipc_messages.ERROR, ipc_messages.END_OF_STREAM, stream, error.code, payload
            )
        )

    def _end_stream(self, stream: int) -> bool:
        closers = self._open_streams.pop(stream, [])
        for close in closers:
            close()
        return bool(closers)


class _ConnectPayload(msgspec.Struct, frozen=True, rename="camel"):
    auth_token: str = ""
    component_name: str | None = None
