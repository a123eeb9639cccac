"""A fleet of twelve stations in three sites, and a service that knows them."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.fleet.fake_aws_endpoint import serving
from tests.unit.fleet.fake_greengrass import ACCOUNT, BEGAN, REGION, FakeGreengrass
from tools.fleet import settings_artifact
from tools.fleet.__main__ import main
from tools.fleet.station_checks import StationChecker
from tools.stage.stageable_components import ROOT
from tools.stage.suite_version import load_suite_version

VERSION = load_suite_version(ROOT)
Json = dict[str, Any]
Run = Callable[..., int]


def fleet_file(sites: int = 3, stations: int = 4) -> Json:
    """A deployment file; the first station of each site is a canary."""
    pinned = {"version": VERSION}
    merge = {"source": {"kind": "v4l2"}, "deadlineMs": 500.0}
    return {
        "thingGroup": "line",
        "components": {
            "aws.greengrass.Nucleus": {"version": "2.15.0"},
            "aws.greengrass.TokenExchangeService": {"version": "2.0.3"},
            "com.sightline.driver.Cameras": pinned,
            "com.sightline.model.Surface": pinned,
            "com.sightline.model.Cap": pinned,
            "com.sightline.Capture": {**pinned, "configurationUpdate": {"merge": merge}},
            "com.sightline.Inference": pinned,
            "com.sightline.Equipment": pinned,
            "com.sightline.Telemetry": pinned,
            "com.sightline.Publisher": pinned,
        },
        "rollout": {"canaryPauseMinutes": 0, "stationTimeoutMinutes": 5},
        "sites": {
            f"site-{site}": {
                "cameras": {f"cam{n}": f"/dev/video{n}" for n in range(1, 5)},
                "stations": {
                    f"station-{site}-{number}": {
                        "canary": number == 0,
                        "line": f"line-{number}",
                        "plc": f"opc.tcp://10.0.{site}.{number}:4840",
                    }
                    for number in range(stations)
                },
            }
            for site in range(sites)
        },
    }


class FastClock:
    """A clock whose hours pass at once; `waits` has what was waited for."""

    def __init__(self) -> None:
        self.time_s = 0.0
        self.waits: list[float] = []

    def now_s(self) -> float:
        """The sum of all waits."""
        return self.time_s

    def utc_s(self) -> float:
        """The time of day at the service, too."""
        return BEGAN.timestamp() + self.time_s

    def wait(self, seconds: float) -> None:
        """Let that time have passed."""
        self.waits.append(seconds)
        self.time_s += seconds


def pack_settings(_component: str, _version: str, settings: Mapping[str, Json]) -> bytes:
    """The settings alone, without the shared package and its wheels."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for thing, content in settings.items():
            archive.writestr(f"settings/{thing}.json", json.dumps(content))
    return packed.getvalue()


def read_settings(greengrass: FakeGreengrass, version: str) -> dict[str, Json]:
    """What a published version of the kind's settings has, by thing."""
    stored = greengrass.bucket.objects[f"com.sightline.settings.Line/{version}/settings.zip"]
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        found = [json.loads(archive.read(name)) for name in archive.namelist()]
    return {entry["thing"]: entry for entry in found}


def list_names(content: Json) -> list[str]:
    """Every station of a file."""
    return [name for site in content["sites"].values() for name in site["stations"]]


@pytest.fixture
def content() -> Json:
    """The file's content, to be changed."""
    return fleet_file()


@pytest.fixture
def greengrass(content: Json, clock: FastClock) -> FakeGreengrass:
    """The service's state."""
    return FakeGreengrass(list_names(content), clock.now_s)


@pytest.fixture
def address(greengrass: FakeGreengrass, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the service is; boto3 has credentials, and nothing of this machine's own."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(settings_artifact, "build_archive", pack_settings)
    with serving(greengrass.service, greengrass.iot, objects=greengrass.bucket) as found:
        yield found


@pytest.fixture
def clock() -> FastClock:
    """The commands' clock."""
    return FastClock()


@pytest.fixture(scope="session")
def checker() -> StationChecker:
    """What this checkout knows of its components, read once."""
    return StationChecker.from_checkout()


@pytest.fixture
def run(
    address: str,
    content: Json,
    tmp_path: Path,
    clock: FastClock,
    checker: StationChecker,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs a command on the file as it is by then: `run("plan", "--all")`."""
    monkeypatch.setattr(StationChecker, "from_checkout", lambda: checker)

    def command(name: str, *words: str) -> int:
        path = tmp_path / "line.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        place = ("--region", REGION, "--account", ACCOUNT, "--endpoint-url", address)
        return main([name, str(path), *words, *(() if name == "diff" else place)], clock)

    return command
