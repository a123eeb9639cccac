"""The broker of a run takes only who has the run's login, which other users cannot read."""

import argparse
import asyncio
import contextlib
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud.wire.broker_login import BrokerLogin, read_login, write_new_login
from cloud.wire.mqtt_subscriber import BrokerAddress, MqttSubscriber
from hil.nucleus.cloud_bridge.iot_core_connection import IotCoreConnection
from tests.unit.nucleus.running_nucleus import broker, wait_until
from tests.unit.nucleus.test_iot_core_connection import until_connected

TIMEOUT_S = 30.0
CLOUD = "sightline-cloud-1"
TOPIC = "sightline/test-thing/records"
NOT_AUTHORIZED = 5


def as_text(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()


def try_connect(port: int, client_id: str, login: BrokerLogin | None) -> int:
    """Connect with a clean session; the broker's return code."""
    flags = 0x02 if login is None else 0xC2
    content = b"\x00\x04MQTT\x04" + bytes([flags]) + b"\x00\x3c" + as_text(client_id)
    if login is not None:
        content += as_text(login.user) + as_text(login.password)
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as client:
        client.sendall(b"\x10" + bytes([len(content)]) + content)
        return client.recv(4)[3]


@contextmanager
def broker_with_login(folder: Path) -> Iterator[tuple[int, BrokerLogin]]:
    login = write_new_login(folder / "broker.login")
    with broker(folder, more=("--broker-login", str(folder / "broker.login"))) as (_, port):
        yield port, login


def test_only_who_has_the_login_connects(tmp_path: Path) -> None:
    with broker_with_login(tmp_path) as (port, login):
        assert try_connect(port, "a", login) == 0
        for wrong in (None, BrokerLogin(login.user, "guess"), BrokerLogin("é", login.password)):
            assert try_connect(port, "a", wrong) == NOT_AUTHORIZED, wrong


def test_who_is_refused_leaves_nothing_open_and_fills_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "broker.login"
    write_new_login(path)
    with broker(tmp_path, more=("--broker-login", str(path))) as (process, port):
        files = Path(f"/proc/{process.pid}/fd")
        try_connect(port, "first", None)
        before = len(list(files.iterdir()))
        for number in range(20):
            assert try_connect(port, f"a{number}", None) == NOT_AUTHORIZED
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as client:
            client.sendall(b"\x10\xff\xff\xff\x7f" + b"\0" * 70_000)  # a CONNECT of 256 MiB
            with contextlib.suppress(ConnectionResetError):
                while client.recv(100):  # until the broker closes it
                    pass
        wait_until(lambda: len(list(files.iterdir())) <= before)


def test_each_run_has_another_login_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "broker.login"
    before = os.umask(0)
    try:
        first = write_new_login(path)
        path.chmod(0o644)
        second = write_new_login(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert first != second == read_login(str(path))
    assert second.password not in repr(second)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"user": "a"}', b'{"user": "a", "password": ""}', b"\xff", b"[" * 9999],
)
def test_a_login_file_that_is_none_is_named_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broker.login"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(argparse.ArgumentTypeError, match=r"broker\.login: .*(expected|JSON)"):
        read_login(str(path))


def test_a_login_that_other_users_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broker.login"
    write_new_login(path)
    path.chmod(0o640)
    with pytest.raises(argparse.ArgumentTypeError, match="chmod 600"):
        read_login(str(path))


async def carry_a_message(port: int, login: BrokerLogin) -> None:
    """A station's connection and a cloud side with the login, and a message between them."""
    received: list[bytes] = []
    cloud = MqttSubscriber(
        BrokerAddress("127.0.0.1", port, CLOUD, login),
        [TOPIC],
        lambda _, payload: received.append(payload),
    )
    cloud.start()
    station = IotCoreConnection("127.0.0.1", port, "station", login=login)
    station.start()
    await until_connected(station)
    while b"first" not in received:
        await station.publish(TOPIC, b"first", 1)
        await asyncio.sleep(0.02)
    codes = [await asyncio.to_thread(try_connect, port, CLOUD, None) for _ in range(3)]
    assert codes == [NOT_AUTHORIZED] * 3
    await station.publish(TOPIC, b"second", 1)
    while b"second" not in received:
        await asyncio.sleep(0.01)
    assert cloud.connected
    await station.stop()
    await asyncio.to_thread(cloud.close, 2.0)


def test_who_has_no_login_takes_no_session_from_the_cloud_side(tmp_path: Path) -> None:
    """Without a repetition: the second message arrives though a stranger asked for the session."""
    with broker_with_login(tmp_path) as (port, login):
        asyncio.run(asyncio.wait_for(carry_a_message(port, login), TIMEOUT_S))


def test_the_same_login_serves_at_mosquitto(tmp_path: Path) -> None:
    login = write_new_login(tmp_path / "broker.login")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    passwords, settings = tmp_path / "passwords", tmp_path / "mosquitto.conf"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(passwords), login.user, login.password], check=True
    )
    settings.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\nuser root\n"
    )
    with subprocess.Popen(["mosquitto", "-c", str(settings)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: _is_listening(port))
            asyncio.run(asyncio.wait_for(carry_a_message(port, login), TIMEOUT_S))
        finally:
            process.kill()


def _is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
