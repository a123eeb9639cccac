"""The cloud side hears what is published, or notices that it does not and connects anew."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from cloud.wire.mqtt_subscriber import BeatSchedule, BrokerAddress, MqttSubscriber
from tests.unit.cloud.test_message_intake import wait_until

CONNECT, PUBLISH, SUBSCRIBE, PING = 0x10, 0x30, 0x82, 0xC0
REFUSED, GRANTED = 0x80, 1
TOPICS = ("sightline/+/records", "sightline/+/health")
QUICK = BeatSchedule(beat_interval_s=0.05, max_silence_s=1.0)


class OddBroker:
    """A broker of few words: what it answers to a subscription, and whether it hands on what it gets."""

    def __init__(
        self,
        code: Callable[[str, int], int] = lambda topic, times: GRANTED,
        deaf_connections: int = 0,
    ) -> None:
        self._code = code
        self._deaf_connections = deaf_connections
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.connections = 0
        self.asked: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self.connections += 1
                hands_on = self.connections > self._deaf_connections
                threading.Thread(target=self._serve, args=(client, hands_on), daemon=True).start()

    def _serve(self, client: socket.socket, hands_on: bool) -> None:
        with contextlib.suppress(OSError, EOFError), client, client.makefile("rb") as stream:
            while True:
                kind, content = _packet(stream)
                if kind == CONNECT:
                    client.sendall(b"\x20\x02\x00\x00")
                elif kind == SUBSCRIBE:
                    length = struct.unpack(">H", content[2:4])[0]
                    topic = content[4 : 4 + length].decode()
                    self.asked.append(topic)
                    code = self._code(topic, self.asked.count(topic))
                    client.sendall(b"\x90\x03" + content[:2] + bytes([code]))
                elif kind == PING:
                    client.sendall(b"\xd0\x00")
                elif kind & 0xF0 == PUBLISH:
                    length = struct.unpack(">H", content[:2])[0]
                    number = content[2 + length : 4 + length]
                    client.sendall(b"\x40\x02" + number)
                    if hands_on:
                        client.sendall(b"\x32" + _length(len(content)) + content)


def _length(length: int) -> bytes:
    low, high = length % 128, length // 128
    return bytes([low | 0x80, high]) if high else bytes([low])


def _packet(stream: object) -> tuple[int, bytes]:
    read: Callable[[int], bytes] = stream.read  # type: ignore[attr-defined]
    kind = read(1)
    if not kind:
        raise EOFError
    length, shift = 0, 0
    while True:
        (byte,) = read(1)
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return kind[0], read(length)


@contextlib.contextmanager
def subscribed(broker: OddBroker) -> Iterator[MqttSubscriber]:
    subscriber = MqttSubscriber(
        BrokerAddress("127.0.0.1", broker.port, "cloud-1"),
        TOPICS,
        lambda topic, payload: None,
        QUICK,
    )
    subscriber.start()
    yield subscriber
    subscriber.close(2.0)
    broker.close()


def test_what_the_broker_refuses_to_subscribe_is_said_and_asked_for_again() -> None:
    refusing = threading.Event()
    refusing.set()
    health = TOPICS[1]
    broker = OddBroker(
        lambda topic, times: REFUSED if topic == health and refusing.is_set() else GRANTED
    )
    with subscribed(broker) as subscriber:
        wait_until(lambda: health in subscriber.fault)
        assert TOPICS[0] not in subscriber.fault  # the others are received meanwhile
        wait_until(lambda: broker.asked.count(health) >= 2)
        refusing.clear()
        wait_until(lambda: subscriber.fault == "")
        assert broker.asked.count(TOPICS[0]) == 1
        wait_until(lambda: subscriber.is_receiving and subscriber.last_received_utc_ns is not None)


def test_a_connection_on_which_nothing_is_heard_is_made_anew() -> None:
    broker = OddBroker(deaf_connections=1)
    with subscribed(broker) as subscriber:
        wait_until(lambda: subscriber.connected)
        assert subscriber.last_received_utc_ns is None
        wait_until(lambda: broker.connections >= 2)
        wait_until(lambda: subscriber.last_received_utc_ns is not None and subscriber.is_receiving)
        assert broker.asked.count(TOPICS[0]) == 2


def test_while_nothing_is_heard_the_link_is_not_called_good() -> None:
    broker = OddBroker(deaf_connections=10**6)
    with subscribed(broker) as subscriber:
        wait_until(lambda: subscriber.connected and not subscriber.is_receiving)


def test_an_error_that_nobody_foresaw_is_said_and_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker, turn = OddBroker(), MqttSubscriber._run_once
    failing = threading.Event()
    failing.set()

    def odd(self: MqttSubscriber) -> None:
        if failing.is_set():
            raise LookupError("what is this?")
        turn(self)

    monkeypatch.setattr(MqttSubscriber, "_run_once", odd)
    with subscribed(broker) as subscriber:
        wait_until(lambda: "what is this?" in subscriber.fault)
        failing.clear()
        wait_until(lambda: subscriber.fault == "" and subscriber.last_received_utc_ns is not None)
