"""Serves the application on a loopback socket and writes its address to a file."""

import asyncio
import errno
import socket
from pathlib import Path

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from sightline.storage.journal import DurableText

LOOPBACK = "127.0.0.1"
BACKLOG = 128
GRACEFUL_SHUTDOWN_S = 1
MAX_REQUEST_S = 10.0  # from its first byte, or from the connection on, to its last
MAX_CONNECTIONS = 256


def bind_socket(port: int) -> socket.socket:
    """A loopback socket on this port, or on a free one if it is in use."""
    server_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # what it accepts has it, too: else a small answer waits for the other end's acknowledgement
    server_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        server_socket.bind((LOOPBACK, port))
        server_socket.listen(BACKLOG)  # two may bind one port, but only one listens
    except OSError as error:
        server_socket.close()
        if port == 0 or error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        return bind_socket(0)
    return server_socket


class TimedRequests(H11Protocol):
    """Closes a connection whose request does not arrive in time: it would be held open for ever."""

    max_request_s = MAX_REQUEST_S
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request."""
        super().connection_made(transport)
        self._expect_rest()

    def data_received(self, data: bytes) -> None:
        """Expect the rest of the request, if there is one."""
        super().data_received(data)
        self._expect_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._cancel_deadline()
        super().connection_lost(exc)

    def _expect_rest(self) -> None:
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._cancel_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.max_request_s, self._close_late)

    def _close_late(self) -> None:
        self._deadline = None
        self.transport.close()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class PageServer(uvicorn.Server):
    """Writes the address file once it serves."""

    def __init__(self, app: ASGIApp, server_socket: socket.socket, address_file: Path) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                http=TimedRequests,
                ws="none",
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
            )
        )
        self._socket = server_socket
        self._address_file = DurableText(address_file)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, then write the address file."""
        await super().startup(sockets)
        self._address_file.store(format_address(self._socket))

    def serve_until_stopped(self) -> None:
        """Serve until `stop` is called or a signal comes."""
        self.run(sockets=[self._socket])

    def stop(self) -> None:
        """Stop at the next turn of the server's loop; safe in a signal handler."""
        self.should_exit = True


def format_address(server_socket: socket.socket) -> str:
    """The page's address."""
    return f"http://{LOOPBACK}:{server_socket.getsockname()[1]}"
