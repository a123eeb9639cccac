"""An old deployment under a new recipe: the nucleus keeps old keys beside new defaults until a reset."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from sightline.messaging.codec import decode
from sightline.messaging.messages import Fault, StationHealth
from sightline.messaging.topics import PUBLISHER, STATION_HEALTH
from tests.unit.nucleus.cloud_client import CommandClient, cloud_at
from tests.unit.nucleus.deployment_kit import QUICK
from tests.unit.nucleus.running_nucleus import (
    REPOSITORY,
    RunningNucleus,
    broker,
    run_module,
    wait_until,
)

THING = "test-thing"
TIMEOUT_S = 120.0
OLD_VERSION, NEW_VERSION = "0.1.0", "99.0.0"
OLD_RECIPES = Path(__file__).parent / "recipes-0.1"
ALLOWED = [{"kind": "pause", "issuers": ["shift-leader"]}]
OLD_MERGE = {"stationFolder": "station", "commands": {"allowed": ALLOWED, "greatestLifetimeS": 60}}
NEW_MERGE = {"stationFolder": "station", "commands": {"allowed": ALLOWED, "maxLifetimeS": 3600}}
OLD_POINTERS = (  # the old recipe's defaults, and what was merged
    "/commands/greatestLifetimeS",
    "/evidence/greatestAgeDays",
    "/records/greatestBacklog",
    "/spool/greatestAgeDays",
    "/spool/greatestMib",
)
Json = dict[str, Any]


def write_recipe(folder: Path, source: Path, version: str, run: str) -> Path:
    """A folder with the publisher's recipe as it stands in `source`, but for its version and run step."""
    recipe = yaml.safe_load((source / f"{PUBLISHER}.yaml").read_text())
    recipe["ComponentVersion"] = version
    recipe["ComponentDependencies"] = {}
    recipe["Manifests"][0] |= {"Lifecycle": {"run": run}, "Artifacts": []}
    folder.mkdir()
    (folder / f"{PUBLISHER}.yaml").write_text(yaml.safe_dump(recipe))
    return folder


def write_deployment(path: Path, version: str, merge: Json, *reset: str) -> Path:
    update = {"merge": merge, "reset": list(reset)}
    component = {"version": version, "configurationUpdate": update}
    path.write_text(yaml.safe_dump({"components": {PUBLISHER: component}}))
    return path


class UpgradedStation:
    """A nucleus with the old recipe's publisher, which can be deployed to."""

    def __init__(self, folder: Path, running: RunningNucleus, new_recipes: Path) -> None:
        self.running = running
        self._folder = folder
        self._new_recipes = new_recipes

    def deploy(self, merge: Json, *reset: str) -> None:
        """Bring it to the new recipe with this merge and these resets."""
        file = write_deployment(self._folder / "next.yaml", NEW_VERSION, merge, *reset)
        words = ("--root", str(self.running.root), "--deployment", str(file))
        recipes = ("--recipes", str(self._new_recipes))
        with run_module("hil.nucleus.deploy", *words, *recipes) as command:
            assert command.wait(60) == 0

    def stored_values(self) -> Json:
        """What the nucleus has as the publisher's configuration."""
        path = self.running.root / "configuration" / f"{PUBLISHER}.json"
        values: Json = json.loads(path.read_text())["values"]
        return values

    def configuration_in_force(self) -> Json:
        """What the publisher took, as it keeps it."""
        (path,) = self.running.root.rglob("configuration.last-good.json")
        values: Json = json.loads(path.read_text())
        return values


@contextmanager
def old_station(folder: Path, dialect: str, port: int) -> Iterator[UpgradedStation]:
    """Deployed as the last release was: its recipe's defaults and a merge of its keys."""
    old = write_recipe(folder / "old", OLD_RECIPES, OLD_VERSION, "exec sleep 600")
    run = 'exec "$SIGHTLINE_PYTHON" -m publisher'
    new = write_recipe(folder / "new", REPOSITORY / "recipes", NEW_VERSION, run)
    first = write_deployment(folder / "first.yaml", OLD_VERSION, OLD_MERGE)
    arguments = (
        *("--root", str(folder / "nucleus"), "--recipes", str(old), "--source", str(REPOSITORY)),
        *("--deployment", str(first), "--broker", f"127.0.0.1:{port}", "--thing-name", THING),
        *("--dialect", dialect, *QUICK),
    )
    with run_module("hil.nucleus", *arguments) as process:
        running = RunningNucleus(folder / "nucleus", process)
        running.wait_for_state(PUBLISHER, "RUNNING")
        yield UpgradedStation(folder, running, new)
        running.stop()


class HealthListener:
    """The publisher's health as the cloud hears it."""

    def __init__(self) -> None:
        self._reports: list[StationHealth] = []

    async def listen(self, cloud: CommandClient) -> None:
        """Take the reports."""

        def take(_: str, payload: bytes) -> None:
            self._reports.append(decode(StationHealth, payload))

        await cloud._bridge.subscribe(STATION_HEALTH.build_topic(THING), 1, take)

    async def next_old_keys_fault(self) -> Fault | None:
        """The fault of the next report but one, which was made after this call."""
        known = len(self._reports)
        while len(self._reports) < known + 2:
            await asyncio.sleep(0.05)
        faults = self._reports[-1].faults
        return next((f for f in faults if f.code == "configuration-old-keys"), None)


@pytest.mark.parametrize("dialect", ["classic", "lite"])
def test_the_old_value_holds_and_is_a_fault_until_a_deployment_resets_it(
    tmp_path: Path, dialect: str
) -> None:
    async def scenario(port: int, station: UpgradedStation) -> None:
        health = HealthListener()
        async with cloud_at(port, THING) as cloud:
            await health.listen(cloud)
            await asyncio.to_thread(station.deploy, OLD_MERGE)
            fault = await health.next_old_keys_fault()
            assert fault is not None
            assert fault.level == "fault"
            assert "/commands/greatestLifetimeS = 60" in fault.text
            assert "is in force, /commands/maxLifetimeS is not" in fault.text
            stored = station.stored_values()["commands"]
            assert float(stored["greatestLifetimeS"]) == 60
            assert float(stored["maxLifetimeS"]) == 86_400  # the new recipe's default, beside it
            assert station.configuration_in_force()["commands"]["maxLifetimeS"] == 60
            refused = await cloud.ask("c-1", "pause", "shift-leader")  # it would live for 120 s
            assert refused.result == "refused"
            assert "60" in refused.reason

            await asyncio.to_thread(station.deploy, NEW_MERGE)
            fault = await health.next_old_keys_fault()  # the new key alone changes nothing
            assert fault is not None
            assert fault.level == "fault"
            assert station.configuration_in_force()["commands"]["maxLifetimeS"] == 60

            await asyncio.to_thread(station.deploy, NEW_MERGE, *OLD_POINTERS)
            assert await health.next_old_keys_fault() is None
            assert "greatestLifetimeS" not in station.stored_values()["commands"]
            assert station.configuration_in_force()["commands"]["maxLifetimeS"] == 3600
            done = await cloud.ask("c-2", "pause", "shift-leader")
            assert done.result == "done"

    with ExitStack() as stack:
        _, port = stack.enter_context(broker(tmp_path))
        station = stack.enter_context(old_station(tmp_path, dialect, port))
        asyncio.run(asyncio.wait_for(scenario(port, station), TIMEOUT_S))
        log = station.running.log(PUBLISHER)
        assert "no old configuration keys any more" in log
        wait_until(lambda: station.running.component(PUBLISHER)["restarts"] == 0)


@pytest.mark.parametrize("dialect", ["classic", "lite"])
def test_a_reset_of_the_whole_configuration_leaves_no_old_key(tmp_path: Path, dialect: str) -> None:
    with ExitStack() as stack:
        _, port = stack.enter_context(broker(tmp_path))
        station = stack.enter_context(old_station(tmp_path, dialect, port))
        station.deploy(NEW_MERGE, "")
        wait_until(lambda: "outbox is open" in station.running.log(PUBLISHER))
        assert station.configuration_in_force()["commands"]["maxLifetimeS"] == 3600
        assert "old configuration keys" not in station.running.log(PUBLISHER)
