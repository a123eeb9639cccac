"""How often the service is asked grows with groups and pages, not with stations."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.fleet.conftest import FastClock, pack_settings
from tests.unit.fleet.fake_aws_endpoint import serving
from tests.unit.fleet.fake_greengrass import ACCOUNT, REGION, FakeGreengrass
from tests.unit.fleet.large_fleet import count_requests, large_file, provisioned
from tools.fleet import settings_artifact
from tools.fleet.__main__ import main

Command = Callable[..., int]
SITES = 20


@pytest.fixture
def large(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[Command, FakeGreengrass]]:
    """Runs a command on a text of 1,000 stations."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(settings_artifact, "build_archive", pack_settings)
    greengrass, path = provisioned(large_file()), tmp_path / "line.yaml"

    def command(text: str, name: str, *words: str) -> int:
        path.write_text(text)
        place = ("--region", REGION, "--account", ACCOUNT, "--endpoint-url", address)
        return main([name, str(path), *words, *place], FastClock())

    with serving(greengrass.service, greengrass.iot, objects=greengrass.bucket) as address:
        yield command, greengrass


def test_a_thousand_stations_are_planned_deployed_and_watched_with_few_requests(
    large: tuple[Command, FakeGreengrass], capsys: pytest.CaptureFixture[str]
) -> None:
    command, greengrass = large
    text = large_file()
    assert command(text, "deploy", "--send") == 0
    first = count_requests(greengrass)
    assert first["CreateDeployment"] == SITES + 1
    assert first["UpdateThingGroupsForThing"] == 1000  # once, when they join
    assert sum(first.values()) < 1000 + 150 * SITES  # it watches them join for an hour
    capsys.readouterr()
    for name in ("plan", "status"):
        assert command(text, name) == 0
        asked = count_requests(greengrass)
        assert asked["ListEffectiveDeployments"] == asked["ListInstalledComponents"] == 0
        assert sum(asked.values()) < 6 * SITES
    changed = large_file(publishing_interval_ms=20.0)
    assert command(changed, "deploy", "--send") == 0
    again = count_requests(greengrass)
    assert again["CreateDeployment"] == SITES + 1
    assert again["UpdateThingGroupsForThing"] == 0
    assert sum(again.values()) < 30 * SITES
