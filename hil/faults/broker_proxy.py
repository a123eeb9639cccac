"""A proxy between the nucleus and the broker that can cut, drop or stall the connection."""

import contextlib
import json
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

ProxyState = Literal["open", "refuse", "swallow_sent", "swallow_received", "stand_still"]
POLL_S = 0.05
MAX_CHUNK_BYTES = 65536
RECORD_KEYS = (b'"recordId"', b'"gapId"')
PUBLISH = 3  # the type of an MQTT packet that carries a message


class MqttPacketReader:
    """Parses the MQTT messages that a client sends."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, content: bytes) -> Iterator[bytes]:
        """Add bytes; yields the JSON of each message that is now complete."""
        self._rest += content
        while (packet := self._next_packet()) is not None:
            kind, body = packet
            if kind == PUBLISH and len(body) > 2:
                message = body[2 + int.from_bytes(body[:2], "big") :]
                begins = min((at for at in map(message.find, (b"{", b"[")) if at >= 0), default=-1)
                if begins >= 0:  # before it are the packet's number and, in MQTT 5, its properties
                    yield message[begins:]

    def _next_packet(self) -> tuple[int, bytes] | None:
        length, shift = 0, 0
        for at in range(1, min(len(self._rest), 5)):
            length |= (self._rest[at] & 0x7F) << shift
            shift += 7
            if self._rest[at] < 0x80:
                whole = self._rest[at + 1 : at + 1 + length]
                if len(whole) < length:
                    return None
                kind = self._rest[0] >> 4
                self._rest = self._rest[at + 1 + length :]
                return kind, whole
        return None


class BrokerProxy(threading.Thread):
    """Forwards bytes between its own port and the broker, one thread per connection.

    Each inspection record that the nucleus sends is a line of `wire`, whether it arrives or not.
    """

    def __init__(self, host: str, port: int, wire: Path | None = None) -> None:
        super().__init__(name="broker-proxy", daemon=True)
        self._broker = (host, port)
        self._wire_log = wire
        self._writing = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._state: ProxyState = "open"
        self._incarnation = 0
        self._closed = False

    @property
    def address(self) -> str:
        """The proxy's HOST:PORT, for the nucleus."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def set_state(self, state: ProxyState) -> None:
        """Set the state; connections that lost bytes are closed when the proxy opens again."""
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
            threading.Thread(
                target=self._forward_connection, args=(connection,), daemon=True
            ).start()

    def close(self) -> None:
        """Close everything."""
        self._closed = True
        self._incarnation += 1
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _forward_connection(self, nucleus: socket.socket) -> None:
        incarnation, sent = self._incarnation, MqttPacketReader()
        with nucleus, contextlib.suppress(OSError):
            if self._state == "refuse":
                return
            with socket.create_connection(self._broker, timeout=5) as broker:
                while incarnation == self._incarnation and self._forward_once(
                    nucleus, broker, sent
                ):
                    pass

    def _forward_once(
        self, nucleus: socket.socket, broker: socket.socket, sent: MqttPacketReader
    ) -> bool:
        if self._state == "stand_still":
            threading.Event().wait(POLL_S)
            return True
        readable, _, _ = select.select([nucleus, broker], [], [], POLL_S)
        for source in readable:
            content = source.recv(MAX_CHUNK_BYTES)
            if not content:
                return False
            if source is nucleus:
                self._write_records(sent.feed(content))
            lost = "swallow_sent" if source is nucleus else "swallow_received"
            if self._state != lost:
                (broker if source is nucleus else nucleus).sendall(content)
        return True

    def _write_records(self, messages: Iterator[bytes]) -> None:
        for message in messages:
            if self._wire_log is None or not any(name in message for name in RECORD_KEYS):
                continue
            with contextlib.suppress(ValueError), self._writing, self._wire_log.open("a") as wire:
                told = json.loads(message)
                for record in told if isinstance(told, list) else [told]:
                    wire.write(json.dumps(record, sort_keys=True) + "\n")
