"""What a client does at the socket stays its own trouble: the others are answered, memory stays flat."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.nucleus.configuration.coalesced_saves import AtomicFileWriter, CoalescedSaves
from hil.nucleus.dialects.dialect import CLASSIC, DIALECTS
from hil.nucleus.ipc import ipc_connection
from hil.nucleus.ipc.ipc_connection import IpcConnection
from hil.nucleus.ipc.ipc_server import IpcServer
from hil.nucleus.ipc.operation_call import OperationCall, OperationResult
from hil.nucleus.ipc_operations.operation_table import MAX_TIMESTAMP_S
from tests.unit.nucleus.ipc_kit import COMPONENT, TOKEN, ServedIpc
from tests.unit.nucleus.raw_client import (
    connect_frame,
    connect_frame_with,
    raw_client,
    request_frame,
)
from tests.unit.nucleus.running_nucleus import wait_until

CONFIGURATION = {COMPONENT: {"rate": 1, "name": "x"}}


class Recording:
    """Operations that note whose request came when; one of them may fail in a way nobody foresaw."""

    def __init__(self) -> None:
        self.came: list[str] = []

    def component_for_token(self, token: str) -> str | None:
        """Whoever calls itself so."""
        return token if token.startswith("com.") else None

    def perform(self, call: OperationCall) -> OperationResult:
        """Note it."""
        self.came.append(call.component)
        if call.operation == "Fails":
            raise KeyError("nobody foresaw this")
        return {}


class Waiting(Recording):
    """Operations that answer when they are told to, as a slow disk does."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()

    def perform(self, call: OperationCall) -> OperationResult:
        """Wait."""
        self.came.append(call.component)
        return self._answer_later()

    async def _answer_later(self) -> dict[str, Any]:
        await self.answer.wait()
        return {}


class FakeTransport(asyncio.Transport):
    """Keeps what is written and whether it was cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False
        self.reading = True

    def write(self, data: Any) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.aborted = True

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def connected(operations: Recording, token: str) -> tuple[IpcConnection, FakeTransport]:
    transport = FakeTransport()
    connection = IpcConnection(operations, CLASSIC, lambda _: None)
    connection.connection_made(transport)
    connection.data_received(connect_frame(token))
    return connection, transport


@pytest.mark.parametrize("cut_at", [0, 7, 40])
def test_a_client_that_sends_much_at_once_lets_the_others_have_their_turn(cut_at: int) -> None:
    async def run() -> None:
        operations = Recording()
        greedy, transport = connected(operations, "com.greedy")
        modest, _ = connected(operations, "com.modest")
        frames = b"".join(request_frame("Asks", b"{}", stream) for stream in range(1, 201))
        greedy.data_received(frames[: len(frames) - cut_at])
        assert not transport.is_reading()  # no more is read until this is through
        modest.data_received(request_frame("Asks", b"{}"))
        await _until(lambda: len(operations.came) >= 200 + (cut_at == 0))
        assert operations.came.index("com.modest") <= 2
        assert transport.is_reading()
        if cut_at:
            greedy.data_received(frames[len(frames) - cut_at :])
        assert operations.came.count("com.greedy") == 200

    asyncio.run(run())


def test_no_more_is_read_of_a_client_whose_requests_wait_for_their_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ipc_connection, "MAX_UNANSWERED_REQUESTS", 10)

    async def run() -> None:
        operations = Waiting()
        connection, transport = connected(operations, "com.greedy")
        for stream in range(1, 51):
            connection.data_received(request_frame("Asks", b"{}", stream))
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(operations.came) == 10
        assert not transport.is_reading()
        operations.answer.set()
        await _until(lambda: len(operations.came) == 50 and transport.is_reading())

    asyncio.run(asyncio.wait_for(run(), 30))


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_a_request_that_fails_as_nobody_foresaw_is_answered_and_the_connection_goes_on() -> None:
    async def run() -> None:
        operations = Recording()
        connection, transport = connected(operations, "com.a")
        connection.data_received(request_frame("Fails", b"{}") + request_frame("Asks", b"{}", 2))
        await _until(lambda: len(operations.came) == 2)
        assert b"ServiceError" in transport.written
        assert b"AsksResponse" in transport.written
        assert not transport.aborted

    asyncio.run(run())


def test_a_refused_client_that_goes_on_sending_is_cut_off_at_once() -> None:
    async def run() -> None:
        connection, transport = connected(Recording(), "unknown")
        assert transport.written  # the refusal
        assert not transport.aborted  # the client is to close, so that it can read the answer
        connection.data_received(bytes(65536))
        assert transport.aborted

    asyncio.run(run())


def test_a_client_that_does_not_wait_for_its_refusal_is_cut_off_at_once() -> None:
    async def run() -> None:
        transport = FakeTransport()
        connection = IpcConnection(Recording(), CLASSIC, lambda _: None)
        connection.connection_made(transport)
        connection.data_received(connect_frame("unknown") + bytes(1000))
        assert transport.aborted

    asyncio.run(run())


@pytest.mark.parametrize("name", sorted(DIALECTS))
@pytest.mark.parametrize("said", [b"", connect_frame("x")[:-3]])
def test_a_client_that_never_finishes_its_handshake_is_cut_off(
    tmp_path: Path, name: str, said: bytes
) -> None:
    async def run() -> None:
        server = IpcServer(tmp_path, Recording(), DIALECTS[name], handshake_timeout_s=0.05)
        await server.start()
        with raw_client(str(server.path)) as client:
            client.socket.sendall(said)
            assert await asyncio.to_thread(client.is_cut_off)
        with raw_client(str(server.path)) as client:
            client.socket.sendall(connect_frame("com.a"))
            assert await asyncio.to_thread(client.answer) is not None
            await asyncio.sleep(0.1)  # twice the limit: a handshake that was made is not limited
            client.socket.sendall(request_frame("Asks", b"{}"))
            assert await asyncio.to_thread(client.answer) is not None
        await server.stop()

    asyncio.run(run())


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_many_clients_that_call_at_once_are_all_answered(tmp_path: Path, name: str) -> None:
    with ServedIpc(tmp_path, DIALECTS[name], CONFIGURATION).running() as serving:
        held, go_on = threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            go_on.wait(10)

        with ThreadPoolExecutor(1) as pool:
            holding = pool.submit(serving.call, hold)
            held.wait(10)  # nobody is let in meanwhile: all of them wait at the door
            clients = [raw_client(serving.socket) for _ in range(300)]
            entered = [client.__enter__() for client in clients]
            go_on.set()
            holding.result(10)
        for one in entered:
            one.socket.sendall(connect_frame(TOKEN))
        assert all(one.answer() is not None for one in entered)
        for client in clients:
            client.__exit__(None, None, None)


@pytest.mark.parametrize("name", sorted(DIALECTS))
@pytest.mark.parametrize(
    "payload", [b"", b"\xff\xfe", b"[" * 5000, b'{"authToken": "\xff"}', b"[]"]
)
def test_a_handshake_that_is_none_closes_that_connection_alone(
    tmp_path: Path, name: str, payload: bytes
) -> None:
    with ServedIpc(tmp_path, DIALECTS[name], CONFIGURATION).running() as serving:
        with raw_client(serving.socket) as client:
            client.socket.sendall(connect_frame_with(payload))
            assert client.is_cut_off()
        with raw_client(serving.socket, TOKEN) as client:
            assert client.ask("GetConfiguration", b"{}").endswith("GetConfigurationResponse")


@pytest.mark.parametrize(
    "timestamp",
    [
        b"-1",
        b"1e999",
        b"1e300",
        b"9" * 400,
        b"9" * 5000,
        b"NaN",
        b"Infinity",
        b"-1e-300",
        str(MAX_TIMESTAMP_S + 1).encode(),
    ],
)
def test_a_time_that_cannot_be_is_refused_and_changes_nothing(
    tmp_path: Path, timestamp: bytes
) -> None:
    body = b'{"keyPath": [], "timestamp": %s, "valueToMerge": {"rate": 2}}'
    with (
        ServedIpc(tmp_path, CLASSIC, CONFIGURATION).running() as serving,
        raw_client(serving.socket, TOKEN) as client,
    ):
        assert client.ask("UpdateConfiguration", body % timestamp).endswith("Error")
        assert serving.store.value(COMPONENT, ("rate",)) == 1
        good = client.ask("UpdateConfiguration", body % b"1800000000.5")
        assert good.endswith("UpdateConfigurationResponse")
        assert serving.store.value(COMPONENT, ("rate",)) == 2


@settings(deadline=None)
@given(body=st.binary(max_size=200), operation=st.text(max_size=20))
def test_whatever_is_asked_the_next_request_is_answered(body: bytes, operation: str) -> None:
    async def run() -> None:
        operations = Recording()
        connection, transport = connected(operations, "com.a")
        connection.data_received(request_frame(operation, body) + request_frame("Asks", b"{}", 2))
        await _until(lambda: b"AsksResponse" in transport.written)

    asyncio.run(run())


class SlowFiles(AtomicFileWriter):
    """Files whose writing waits until it may go on, and is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.may_write = threading.Event()
        self.contents: list[bytes] = []

    def write(self, path: Path, content: bytes, version: int) -> None:
        self.may_write.wait(10)
        self.contents.append(content)
        super().write(path, content, version)


def test_others_are_answered_while_a_component_s_configuration_is_written(tmp_path: Path) -> None:
    body = b'{"keyPath": [], "timestamp": 1800000000, "valueToMerge": {"rate": %d}}'
    with (
        ServedIpc(tmp_path, CLASSIC, CONFIGURATION).running() as serving,
        raw_client(serving.socket, TOKEN) as busy,
        raw_client(serving.socket, TOKEN) as other,
    ):
        files = SlowFiles()
        serving.store._saves = CoalescedSaves(files)  # a disk that takes its time
        frames = [request_frame("UpdateConfiguration", body % n, n) for n in range(2, 202)]
        busy.socket.sendall(b"".join(frames))
        wait_until(lambda: serving.store.value(COMPONENT, ("rate",)) == 201)
        assert other.ask("GetConfiguration", b"{}").endswith("GetConfigurationResponse")
        files.may_write.set()
        assert all(busy.answer() is not None for _ in frames)
        assert len(files.contents) <= 3  # 200 changes share a write or two
        assert b'"rate":201' in files.contents[-1]
        assert b'"rate":201' in (tmp_path / "configuration" / f"{COMPONENT}.json").read_bytes()


def test_a_later_content_is_never_followed_by_an_earlier_one(tmp_path: Path) -> None:
    files, path = AtomicFileWriter(), tmp_path / "file"
    early, late = files.next_version(path), files.next_version(path)
    files.write(path, b"late", late)
    files.write(path, b"early", early)
    assert path.read_bytes() == b"late"
    stale = files.next_version(path)
    files.remove(path)
    files.write(path, b"stale", stale)
    assert list(tmp_path.iterdir()) == []


def test_a_save_that_fails_is_told_to_each_that_waits_and_the_next_one_is_made(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        saves, path = CoalescedSaves(AtomicFileWriter()), tmp_path / "absent" / "file"
        results = await asyncio.gather(
            *(saves.save(path, lambda: b"x") for _ in range(5)), return_exceptions=True
        )
        assert all(isinstance(result, OSError) for result in results)
        path.parent.mkdir()
        await saves.save(path, lambda: b"y")
        assert path.read_bytes() == b"y"

    asyncio.run(run())
