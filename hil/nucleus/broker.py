"""The embedded MQTT broker of a one-machine run: `python -m hil.nucleus.broker`."""

import argparse
import asyncio
import contextlib
import hmac
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from amqtt.adapters import BufferReader, StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import AMQTTError
from amqtt.mqtt.connack import NOT_AUTHORIZED, ConnackPacket
from amqtt.mqtt.connect import ConnectPacket
from amqtt.session import Session

from cloud.wire.broker_login import BrokerLogin, add_login_argument

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
LISTENER = "default"
SHUTDOWN_TIMEOUT_S = 5.0
QUIET_S = 0.1
CONNECT_TIMEOUT_S = 10.0
SESSION_EXPIRY_S = 86_400
CLOSE_TIMEOUT_S = 2.0


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    for noisy in ("amqtt", "transitions"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        asyncio.run(serve_broker(given.port, given.port_file, given.broker_login))
    except OSError as error:
        print(f"broker: cannot listen on {HOST}:{given.port}: {error}", file=sys.stderr)
        return 1
    return 0


async def serve_broker(port: int, port_file: Path | None, login: BrokerLogin | None) -> None:
    """Listen, write the address to a file, and serve until stopped; OSError if it cannot listen."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    broker = _SingleSessionBroker(_build_broker_configuration(), loop, login)
    await broker.start()
    connections = _BrokerConnections(broker)
    server = await asyncio.start_server(
        connections.serve_connection, HOST, port, reuse_address=True
    )
    if port_file is not None:
        _write_atomically(port_file, f"{HOST}:{server.sockets[0].getsockname()[1]}\n")
    await stopped.wait()
    server.close()
    await connections.drain()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(broker.shutdown(), SHUTDOWN_TIMEOUT_S)


class _SingleSessionBroker(Broker):  # type: ignore[misc]  # amqtt is not typed for us
    """Closes the older connection of a client id that connects again, as required by MQTT-3.1.4-2.

    amqtt leaves it open where the newer one wants a clean session: its client would wait for ever.
    With a login it refuses all others before they touch a session, which amqtt does only afterwards.
    """

    def __init__(
        self,
        configuration: BrokerConfig,
        loop: asyncio.AbstractEventLoop,
        login: BrokerLogin | None,
    ) -> None:
        super().__init__(configuration, loop=loop)
        self._login = login
        self._served: dict[str, tuple[_CountingWriter, asyncio.Event]] = {}

    async def _initialize_client_session(self, reader: Any, writer: Any, *remote: Any) -> Any:
        """Wait for the first packet, with a timeout for silent clients, and check its login."""
        try:
            reading = ConnectPacket.from_stream(reader)
            connect = await asyncio.wait_for(reading, CONNECT_TIMEOUT_S)
        except asyncio.TimeoutError as error:
            raise AMQTTError("no CONNECT received") from error
        if not self._is_admitted(connect):
            log.warning("a client was refused: it does not have this broker's login")
            await ConnackPacket.build(0, NOT_AUTHORIZED).to_stream(writer)
            await writer.close()
            raise AMQTTError("wrong login")
        again = BufferReader(connect.to_bytes())
        return await super()._initialize_client_session(again, writer, *remote)

    def _is_admitted(self, connect: ConnectPacket) -> bool:
        if self._login is None:
            return True
        given = (connect.username or "", connect.password or "")
        wanted = (self._login.user, self._login.password)
        return all(
            hmac.compare_digest(one.encode(errors="replace"), other.encode())
            for one, other in zip(given, wanted, strict=True)
        )

    async def _handle_client_session(
        self, reader: Any, writer: "_CountingWriter", session: Session, *arguments: Any
    ) -> None:
        name = session.client_id or ""
        while name in self._served:
            older, ended = self._served[name]
            older.close_now()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(ended.wait(), CLOSE_TIMEOUT_S)
            if self._served.get(name, (None,))[0] is older:
                del self._served[name]
        ended = asyncio.Event()
        self._served[name] = (writer, ended)
        try:
            await super()._handle_client_session(reader, writer, session, *arguments)
        finally:
            ended.set()
            if self._served.get(name, (None,))[0] is writer:
                del self._served[name]


class _BrokerConnections:
    """The broker's connections; on shutdown, acknowledged messages are still delivered."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._writers: set[_CountingWriter] = set()

    async def serve_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve a connection until it ends."""
        counting = _CountingWriter(writer)
        self._writers.add(counting)
        try:
            await self._broker.external_connected(StreamReaderAdapter(reader), counting, LISTENER)
        finally:
            self._writers.discard(counting)
            counting.close_now()  # amqtt leaves those open that never said who they are

    async def drain(self) -> None:
        """Stop reading from clients, and wait until all writes are done."""
        for writer in self._writers:
            writer.transport.pause_reading()
        written = -1
        while written != (written := sum(writer.written for writer in self._writers)):
            await asyncio.sleep(QUIET_S)


class _CountingWriter(StreamWriterAdapter):  # type: ignore[misc]  # amqtt is not typed for us
    """A writer that counts its writes."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        super().__init__(writer)
        assert isinstance(writer.transport, asyncio.Transport)
        self.transport = writer.transport
        self.written = 0

    def close_now(self) -> None:
        """Close without waiting for unread data."""
        self.is_closed = True
        self.transport.abort()

    def write(self, data: bytes) -> None:
        """Write, and count."""
        self.written += 1
        super().write(data)


def _build_broker_configuration() -> BrokerConfig:
    # the listener is ours: amqtt's own does not tell which port it took
    return BrokerConfig(
        listeners={LISTENER: ListenerConfig(type=ListenerType.EXTERNAL)},
        session_expiry_interval=SESSION_EXPIRY_S,
        plugins={"hil.nucleus.cloud_bridge.broker_sessions.PersistentSessions": {}},
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hil.nucleus.broker", description="A small MQTT broker on this machine"
    )
    parser.add_argument("--port", type=int, default=0, help="port; 0 picks a free one (default: 0)")
    parser.add_argument("--port-file", type=Path, help="file to write HOST:PORT to once it listens")
    add_login_argument(parser, "any program on this machine may connect")
    return parser


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())
