"""A command's way: broker, nucleus, the real publisher, its audit trail, and the answer back."""

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from hil.nucleus.iot_core import IotCore
from sightline.codec import decode, encode
from sightline.messages import Command, CommandOutcome
from sightline.topics import COMMAND, COMMAND_OUTCOME, PUBLISHER
from tests.unit.nucleus.factory import (
    REPOSITORY,
    Component,
    RunningNucleus,
    broker,
    nucleus,
    wait_until,
)
from tests.unit.nucleus.test_iot_core import until_connected

THING = "test-thing"
MINUTE_NS = 60_000_000_000
TIMEOUT_S = 90.0


class Cloud:
    """Commands to the thing and answers from it, over the broker."""

    def __init__(self, bridge: IotCore) -> None:
        self._bridge = bridge
        self.outcomes: list[CommandOutcome] = []

    async def listen(self) -> None:
        """Take the answers."""

        def take(_: str, payload: bytes) -> None:
            self.outcomes.append(decode(CommandOutcome, payload))

        await self._bridge.subscribe(COMMAND_OUTCOME.topic_of(THING), 1, take)

    async def ask(self, command_id: str, issued_by: str) -> CommandOutcome:
        """Send a pause, again and again by the same id, until its answer comes."""
        known = len(self.outcomes)
        now_ns = time.time_ns()
        command = Command(
            station_id=THING,
            command_id=command_id,
            kind="pause",
            issued_by=issued_by,
            issued_utc_ns=now_ns,
            expires_utc_ns=now_ns + 2 * MINUTE_NS,
        )
        while True:
            await self._bridge.publish(COMMAND.topic_of(THING), encode(command), 1)
            for _ in range(20):
                for outcome in self.outcomes[known:]:
                    if outcome.command_id == command_id:
                        return outcome
                await asyncio.sleep(0.05)


@asynccontextmanager
async def cloud_at(port: int) -> AsyncIterator[Cloud]:
    """The cloud's own connection to the broker; the nucleus has the thing's name."""
    bridge = IotCore("127.0.0.1", port, "cloud")
    bridge.start()
    try:
        await until_connected(bridge)
        cloud = Cloud(bridge)
        await cloud.listen()
        yield cloud
    finally:
        await bridge.stop()


def publisher() -> Component:
    """The publisher with its recipe's configuration and permissions, and pauses by one issuer."""
    recipe = yaml.safe_load((REPOSITORY / "recipes" / f"{PUBLISHER}.yaml").read_text())
    component = Component(PUBLISHER, run='exec "$SIGHTLINE_PYTHON" -m publisher')
    component.configuration = {
        **recipe["ComponentConfiguration"]["DefaultConfiguration"],
        "stationFolder": "station",
        "commands": {"allowed": [{"kind": "pause", "issuers": ["shift-leader"]}]},
    }
    return component


def trail(running: RunningNucleus) -> list[tuple[Any, ...]]:
    (path,) = running.root.rglob("commands.sqlite")
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT command_id, result FROM commands").fetchall()
    changes = connection.execute("SELECT mode, command_id FROM modes").fetchall()
    connection.close()
    return [*rows, *changes]


def kill_publisher(running: RunningNucleus) -> None:
    before = running.component(PUBLISHER)
    os.killpg(os.getpgid(before["pid"]), signal.SIGKILL)
    wait_until(lambda: running.component(PUBLISHER)["pid"] not in (before["pid"], None))


@pytest.mark.parametrize("dialect", ["classic", "lite"])
def test_a_command_is_answered_once_the_cloud_is_there_and_again_after_a_kill(
    tmp_path: Path, dialect: str
) -> None:
    async def scenario(port: int, running: RunningNucleus) -> None:
        async with cloud_at(port) as cloud:
            done = await cloud.ask("c-1", "shift-leader")
            assert (done.result, done.kind, done.station_id) == ("done", "pause", THING)
            refused = await cloud.ask("c-2", "guest")
            assert (refused.result, refused.reason) == (
                "refused",
                "'pause' is not allowed to 'guest'",
            )
            kill_publisher(running)
            assert await cloud.ask("c-1", "shift-leader") == done

    with ExitStack() as stack:
        with broker(tmp_path) as (_, port):
            pass  # the port is known, and the broker is away
        running = stack.enter_context(nucleus(tmp_path, [publisher()], port=port, dialect=dialect))
        wait_until(lambda: "not bound; again soon" in running.log(PUBLISHER))
        stack.enter_context(broker(tmp_path, port))
        asyncio.run(asyncio.wait_for(scenario(port, running), TIMEOUT_S))
        assert trail(running) == [("c-1", "done"), ("c-2", "refused"), ("paused", "c-1")]
