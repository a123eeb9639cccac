"""The bridge to the broker: what is acknowledged, what is not, and a broker that goes."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hil.nucleus.cloud_bridge.iot_core_connection import IotCoreConnection
from sightline.errors import CloudUnreachableError
from tests.unit.nucleus.running_nucleus import broker

TIMEOUT_S = 30.0
CONNECT_ACCEPTED = b"\x20\x02\x00\x00"


@asynccontextmanager
async def bridge_to(port: int) -> AsyncIterator[IotCoreConnection]:
    """A bridge that is connected."""
    bridge = IotCoreConnection("127.0.0.1", port, "test-thing")
    bridge.start()
    try:
        await until_connected(bridge)
        yield bridge
    finally:
        await bridge.stop()


async def until_connected(bridge: IotCoreConnection) -> None:
    """Wait for the broker."""
    async with asyncio_timeout():
        while not bridge.connected:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def asyncio_timeout() -> AsyncIterator[None]:
    """Cancel the block if it takes too long."""
    task = asyncio.current_task()
    assert task is not None
    handle = asyncio.get_running_loop().call_later(TIMEOUT_S, task.cancel)
    try:
        yield
    finally:
        handle.cancel()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine, for a while at most."""
    asyncio.run(asyncio.wait_for(work, TIMEOUT_S))


def test_messages_go_to_the_broker_and_come_from_it(tmp_path: Path) -> None:
    async def scenario(port: int) -> None:
        received: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        async with bridge_to(port) as bridge:
            end = await bridge.subscribe("a/+", 1, lambda *message: received.put_nowait(message))
            for number in range(5):
                await bridge.publish("a/b", bytes([number]), 1)
            await bridge.publish("b", b"not matched", 1)
            got = [await received.get() for _ in range(5)]
            end()
            await bridge.publish("a/b", b"after the end", 1)
        assert got == [("a/b", bytes([number])) for number in range(5)]
        assert received.empty()

    with broker(tmp_path) as (_, port):
        run(scenario(port))


def test_a_publish_without_its_acknowledgement_fails_when_the_broker_goes() -> None:
    async def scenario() -> None:
        published = asyncio.Event()
        writers: list[asyncio.StreamWriter] = []

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            await reader.read(65536)
            writer.write(CONNECT_ACCEPTED)
            await reader.read(65536)
            published.set()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with bridge_to(server.sockets[0].getsockname()[1]) as bridge:
            publishing = asyncio.ensure_future(bridge.publish("a", b"x", 1))
            await published.wait()
            assert not publishing.done()
            server.close()
            for writer in writers:
                writer.close()
            with pytest.raises(CloudUnreachableError):
                await publishing
            with pytest.raises(CloudUnreachableError):
                await bridge.publish("a", b"x", 1)

    run(scenario())


def test_a_topic_that_is_none_is_refused_and_the_bridge_goes_on(tmp_path: Path) -> None:
    async def scenario(port: int) -> None:
        async with bridge_to(port) as bridge:
            with pytest.raises(CloudUnreachableError):
                await bridge.publish("a/#", b"x", 1)
            await bridge.publish("a", b"x", 1)

    with broker(tmp_path) as (_, port):
        run(scenario(port))


def test_a_bridge_that_never_connected_can_be_stopped() -> None:
    async def scenario() -> None:
        unused = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = unused.sockets[0].getsockname()[1]
        unused.close()
        bridge = IotCoreConnection("127.0.0.1", port, "test-thing")
        bridge.start()
        with pytest.raises(CloudUnreachableError):
            await bridge.publish("a", b"x", 1)
        await bridge.stop()

    run(scenario())


def test_subscriptions_are_there_again_when_the_broker_is_back(tmp_path: Path) -> None:
    async def scenario(folder: Path) -> None:
        received: asyncio.Queue[bytes] = asyncio.Queue()
        with broker(folder) as (process, port):
            bridge = IotCoreConnection("127.0.0.1", port, "test-thing")
            bridge.start()
            await until_connected(bridge)
            await bridge.subscribe("a", 1, lambda _, payload: received.put_nowait(payload))
            process.kill()
            while bridge.connected:
                await asyncio.sleep(0.01)
        with broker(folder, port):
            await until_connected(bridge)
            while received.empty():
                await bridge.publish("a", b"again", 1)
                await asyncio.sleep(0.01)
            await bridge.stop()

    run(scenario(tmp_path))
