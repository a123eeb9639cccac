"""The embedded broker keeps one connection a client, and none of those that have ended."""

import asyncio
import contextlib
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from cloud.wire.mqtt_subscriber import BeatSchedule, BrokerAddress, MqttSubscriber
from hil.nucleus.cloud_bridge.iot_core_connection import IotCoreConnection
from sightline.errors import CloudUnreachableError
from tests.unit.nucleus.running_nucleus import broker

TIMEOUT_S = 30.0
TOPIC = "sightline/test-thing/records"
CLIENT_ID = "sightline-cloud-1234"
CONNACK = b"\x20\x02"


def connect_packet(client_id: str, clean: bool) -> bytes:
    name = client_id.encode()
    content = b"\x00\x04MQTT\x04" + bytes([2 if clean else 0]) + b"\x00\x3c"
    content += struct.pack(">H", len(name)) + name
    return b"\x10" + bytes([len(content)]) + content


def connected(port: int, client_id: str, clean: bool) -> socket.socket:
    """A client of this name that the broker has let in."""
    client = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
    client.sendall(connect_packet(client_id, clean))
    assert client.recv(4)[:2] == CONNACK
    return client


@pytest.mark.parametrize("older_is_clean", [True, False])
@pytest.mark.parametrize("newer_is_clean", [True, False])
def test_a_client_that_connects_again_ends_its_older_connection(
    tmp_path: Path, older_is_clean: bool, newer_is_clean: bool
) -> None:
    with broker(tmp_path) as (_, port):
        older = connected(port, "one", older_is_clean)
        newer = connected(port, "one", newer_is_clean)
        with contextlib.suppress(ConnectionResetError):
            assert older.recv(1) == b""
        newer.sendall(b"\xc0\x00")
        assert newer.recv(2) == b"\xd0\x00"
        older.close()
        newer.close()


def test_connections_that_said_nothing_and_ended_leave_nothing_open(tmp_path: Path) -> None:
    async def scenario() -> None:
        with broker(tmp_path) as (process, port):
            connected(port, "first", True).close()

            def open_files() -> int:
                return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))

            before = open_files()
            for content in (b"", b"\x10", b"GET / HTTP/1.1\r\n\r\n", connect_packet("x", True)):
                for _ in range(20):
                    client = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
                    client.sendall(content)
                    client.close()
            while open_files() > before:
                await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(scenario(), TIMEOUT_S))


def test_a_name_sake_that_takes_the_session_and_goes_does_not_make_the_cloud_side_deaf(
    tmp_path: Path,
) -> None:
    heard: list[bytes] = []

    async def scenario() -> None:
        with broker(tmp_path) as (_, port):
            subscriber = MqttSubscriber(
                BrokerAddress("127.0.0.1", port, CLIENT_ID),
                ["sightline/+/records"],
                lambda _, payload: heard.append(payload),
                BeatSchedule(beat_interval_s=0.2, max_silence_s=2.0),
            )
            subscriber.start()
            publisher = IotCoreConnection("127.0.0.1", port, "publisher")
            publisher.start()
            await until_heard(publisher, heard, b"before")
            await asyncio.to_thread(lambda: connected(port, CLIENT_ID, True).close())
            await until_heard(publisher, heard, b"after")
            await publisher.stop()
            await asyncio.to_thread(subscriber.close, 2.0)

    asyncio.run(asyncio.wait_for(scenario(), TIMEOUT_S))


def test_two_cloud_sides_at_one_broker_both_hear_and_the_first_gets_what_waited(
    tmp_path: Path,
) -> None:
    heard: dict[str, list[bytes]] = {"a": [], "b": []}

    async def scenario() -> None:
        with broker(tmp_path) as (_, port):
            publisher = IotCoreConnection("127.0.0.1", port, "publisher")
            publisher.start()
            while not publisher.connected:
                await asyncio.sleep(0.01)
            await publisher.publish(TOPIC, b"waited", 1)
            sides = []
            for name, found in heard.items():
                side = MqttSubscriber(
                    BrokerAddress("127.0.0.1", port, f"sightline-cloud-{name}"),
                    ["sightline/+/records"],
                    lambda _, payload, found=found: found.append(payload),  # type: ignore[misc]
                )
                side.start()
                sides.append(side)
                await until_heard(publisher, found, b"for " + name.encode())
            for found in heard.values():
                await until_heard(publisher, found, b"for both")
            await publisher.stop()
            for side in sides:
                await asyncio.to_thread(side.close, 2.0)

    asyncio.run(asyncio.wait_for(scenario(), TIMEOUT_S))
    assert [name for name, found in heard.items() if b"waited" in found] == ["a"]


async def until_heard(publisher: IotCoreConnection, heard: list[Any], payload: bytes) -> None:
    """Publish until it is heard: who is not subscribed yet hears nothing of what was before."""
    while payload not in heard:
        with contextlib.suppress(CloudUnreachableError):
            await publisher.publish(TOPIC, payload, 1)
        await asyncio.sleep(0.02)
