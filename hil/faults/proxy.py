"""A wire between the nucleus and the broker that can be cut, be deaf or stand still."""

import contextlib
import select
import socket
import threading
from typing import Literal

State = Literal["open", "refuse", "swallow_sent", "swallow_received", "stand_still"]
POLL_S = 0.05
MAX_CHUNK_BYTES = 65536


class BrokerProxy(threading.Thread):
    """Listens on a port of its own and carries bytes to the broker and back, one thread a connection."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(name="broker-proxy", daemon=True)
        self._broker = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._state: State = "open"
        self._incarnation = 0
        self._closed = False

    @property
    def address(self) -> str:
        """HOST:PORT for the nucleus."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def set_state(self, state: State) -> None:
        """From now on; connections of which something was lost close when the wire is open again."""
        if state == "refuse" or (state == "open" and self._state != "open"):
            self._incarnation += 1
        self._state = state

    def run(self) -> None:
        """Accept connections until closed."""
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Close everything."""
        self._closed = True
        self._incarnation += 1
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _carry(self, nucleus: socket.socket) -> None:
        incarnation = self._incarnation
        with nucleus, contextlib.suppress(OSError):
            if self._state == "refuse":
                return
            with socket.create_connection(self._broker, timeout=5) as broker:
                while incarnation == self._incarnation and self._carry_once(nucleus, broker):
                    pass

    def _carry_once(self, nucleus: socket.socket, broker: socket.socket) -> bool:
        if self._state == "stand_still":
            threading.Event().wait(POLL_S)
            return True
        readable, _, _ = select.select([nucleus, broker], [], [], POLL_S)
        for source in readable:
            content = source.recv(MAX_CHUNK_BYTES)
            if not content:
                return False
            lost = "swallow_sent" if source is nucleus else "swallow_received"
            if self._state != lost:
                (broker if source is nucleus else nucleus).sendall(content)
        return True
