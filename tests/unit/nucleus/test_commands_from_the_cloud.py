"""A command's way: broker, nucleus, the real publisher, its audit trail, and the answer back."""

import asyncio
import os
import signal
import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from sightline.messaging.topics import PUBLISHER
from tests.unit.nucleus.cloud_client import cloud_at
from tests.unit.nucleus.running_nucleus import (
    REPOSITORY,
    RecipeBuilder,
    RunningNucleus,
    broker,
    nucleus,
    wait_until,
)

THING = "test-thing"
TIMEOUT_S = 90.0


def publisher() -> RecipeBuilder:
    """The publisher with its recipe's configuration and permissions, and pauses by one issuer."""
    recipe = yaml.safe_load((REPOSITORY / "recipes" / f"{PUBLISHER}.yaml").read_text())
    component = RecipeBuilder(PUBLISHER, run='exec "$SIGHTLINE_PYTHON" -m publisher')
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
        async with cloud_at(port, THING) as cloud:
            done = await cloud.ask("c-1", "pause", "shift-leader")
            assert (done.result, done.kind, done.station_id) == ("done", "pause", THING)
            refused = await cloud.ask("c-2", "pause", "guest")
            assert (refused.result, refused.reason) == (
                "refused",
                "'pause' is not allowed to 'guest'",
            )
            kill_publisher(running)
            assert await cloud.ask("c-1", "pause", "shift-leader") == done

    with ExitStack() as stack:
        with broker(tmp_path) as (_, port):
            pass  # the port is known, and the broker is away
        running = stack.enter_context(nucleus(tmp_path, [publisher()], port=port, dialect=dialect))
        wait_until(lambda: "cloud subscription failed; retrying" in running.log(PUBLISHER))
        stack.enter_context(broker(tmp_path, port))
        asyncio.run(asyncio.wait_for(scenario(port, running), TIMEOUT_S))
        assert trail(running) == [("c-1", "done"), ("c-2", "refused"), ("paused", "c-1")]
