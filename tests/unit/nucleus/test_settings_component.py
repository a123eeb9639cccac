"""A station's own settings come with a deployment, reach what runs, and go back with it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from sightline.messaging.topics import TELEMETRY
from sightline.storage.settings_store import SettingsFile, encode_settings
from tests.unit.nucleus.deployment_kit import QUICK
from tests.unit.nucleus.running_nucleus import (
    REPOSITORY,
    RunningNucleus,
    run_module,
    wait_until,
)
from tools.stage.settings_component import build_settings_recipe

SETTINGS = "com.sightline.settings.Bench"
BROKEN = "com.example.Broken"
THING = "line-7"
EXIT_FAILED = 3
pytestmark = pytest.mark.parametrize("dialect", ["classic", "lite"])


class Station:
    """A nucleus that runs telemetry, and deployments of it with a settings component."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.station = folder / "station"
        self.running: RunningNucleus

    def write_release(self, version: str, thing: str, interval_s: Any, *more: str) -> list[str]:
        """Recipes, artifacts and a deployment file of this version; the command's arguments."""
        release = self.folder / f"release-{version}"
        recipes, own = release / "recipes", release / "source" / "components" / "settings"
        recipes.mkdir(parents=True)
        own.mkdir(parents=True)
        (release / "source" / "shared").symlink_to(REPOSITORY / "shared")
        (own.parent / "telemetry").symlink_to(REPOSITORY / "components" / "telemetry")
        settings = SettingsFile(thing=thing, components={TELEMETRY: {"intervalS": interval_s}})
        (own / f"{thing}.json").write_bytes(encode_settings(settings))
        (recipes / f"{SETTINGS}.yaml").write_text(build_settings_recipe("Bench", version))
        telemetry = (REPOSITORY / "recipes" / f"{TELEMETRY}.yaml").read_text()
        (recipes / f"{TELEMETRY}.yaml").write_text(telemetry)
        shared = {"stationFolder": str(self.station), "settingsVersion": version}
        components: dict[str, Any] = {
            SETTINGS: {
                "version": version,
                "configurationUpdate": {"merge": {"stationFolder": str(self.station)}},
            },
            TELEMETRY: {"version": "0.1.0", "configurationUpdate": {"merge": shared}},
        }
        for name in more:
            (recipes / f"{name}.yaml").write_text(_broken_recipe(name))
            components[name] = {"version": "1.0.0"}
        file = release / "deployment.yaml"
        file.write_text(yaml.safe_dump({"components": components}))
        source = ("--source", str(release / "source"), "--recipes", str(recipes))
        return ["--deployment", str(file), *source]

    def deploy(self, version: str, thing: str, interval_s: Any, *more: str) -> int:
        words = self.write_release(version, thing, interval_s, *more)
        root = ("--root", str(self.folder / "nucleus"))
        with run_module("hil.nucleus.deploy", *root, *words) as command:
            return command.wait(90)

    @property
    def interval_s(self) -> float | None:
        """What telemetry has in force."""
        file = self.running.root / "work" / TELEMETRY / "configuration.last-good.json"
        return json.loads(file.read_text())["intervalS"] if file.exists() else None

    @property
    def stored_version(self) -> str:
        text = (self.station / "settings" / "station.json").read_text()
        return str(json.loads(text)["version"])

    @property
    def named_version(self) -> str:
        """Which settings the nucleus says that telemetry needs."""
        file = self.running.root / "configuration" / f"{TELEMETRY}.json"
        return str(json.loads(file.read_text())["values"]["settingsVersion"])


def _broken_recipe(name: str) -> str:
    step = {"Script": "exit 1", "RequiresPrivilege": False}
    platform = {"os": "linux", "runtime": "*"}
    manifest = {"Platform": platform, "Lifecycle": {"run": step}, "Artifacts": []}
    return yaml.safe_dump(
        {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": name,
            "ComponentVersion": "1.0.0",
            "Manifests": [manifest],
        }
    )


@contextmanager
def running_station(folder: Path, dialect: str) -> Iterator[Station]:
    """With version 1.0.0 of the settings in force."""
    station = Station(folder)
    words = station.write_release("1.0.0", THING, 2.0)
    arguments = ("--root", str(folder / "nucleus"), "--dialect", dialect, "--thing-name", THING)
    with run_module(
        "hil.nucleus", *arguments, *words, "--broker", "127.0.0.1:9", *QUICK
    ) as process:
        station.running = RunningNucleus(folder / "nucleus", process)
        wait_until(lambda: station.interval_s == 2.0)
        station.running.wait_for_state(TELEMETRY, "RUNNING")
        yield station
        station.running.stop()


def test_new_settings_reach_the_component_that_runs(tmp_path: Path, dialect: str) -> None:
    with running_station(tmp_path, dialect) as station:
        before = station.running.component(TELEMETRY)["pid"]
        assert station.deploy("1.0.1", THING, 3.0) == 0
        wait_until(lambda: station.interval_s == 3.0)
        assert station.stored_version == "1.0.1"
        assert station.running.component(TELEMETRY)["pid"] == before


def test_a_deployment_that_fails_takes_versions_and_settings_back_together(
    tmp_path: Path, dialect: str
) -> None:
    with running_station(tmp_path, dialect) as station:
        assert station.deploy("1.0.1", THING, 3.0, BROKEN) == EXIT_FAILED
        wait_until(lambda: station.interval_s == 2.0 and station.stored_version == "1.0.0")
        assert station.named_version == "1.0.0"
        assert "FAILED_ROLLBACK_COMPLETE" in (station.running.root / "deployments.json").read_text()
        station.running.wait_for_state(TELEMETRY, "RUNNING")


def test_a_station_without_settings_of_its_own_fails_the_deployment_and_stays_as_it_was(
    tmp_path: Path, dialect: str
) -> None:
    with running_station(tmp_path, dialect) as station:
        assert station.deploy("1.0.1", "line-8", 3.0) == EXIT_FAILED
        assert "no settings of the station 'line-7', only of: line-8" in station.running.log(
            SETTINGS
        )
        assert station.stored_version == "1.0.0"
        assert station.interval_s == 2.0
        assert station.named_version == "1.0.0"


def test_a_refused_value_leaves_the_last_good_one_in_force(tmp_path: Path, dialect: str) -> None:
    with running_station(tmp_path, dialect) as station:
        assert station.deploy("1.0.1", THING, "often") == 0
        wait_until(lambda: "configuration refused" in station.running.log(TELEMETRY))
        assert "It comes from the station's own settings" in station.running.log(TELEMETRY)
        assert station.interval_s == 2.0
        assert station.running.component(TELEMETRY)["restarts"] == 0
