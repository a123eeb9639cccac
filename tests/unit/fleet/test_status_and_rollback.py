"""How the fleet fares is one table; the way back is the deployment that came through before."""

import json
from typing import Any

import pytest

from tests.unit.fleet.conftest import FastClock, Run, read_settings
from tests.unit.fleet.fake_greengrass import FakeGreengrass

Json = dict[str, Any]
Capture = pytest.CaptureFixture[str]


def test_the_status_counts_by_site_and_lists_those_that_are_not_fine(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert run("deploy", "--send") == 0
    greengrass.health["station-1-2"] = "UNHEALTHY"
    greengrass.health["station-2-3"] = ""  # never connected
    greengrass.installed["station-1-2"] = [
        {"componentName": "com.sightline.Capture", "lifecycleState": "BROKEN"},
        {"componentName": "com.sightline.Inference", "lifecycleState": "RUNNING"},
    ]
    capsys.readouterr()
    assert run("status") == 1
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[0].split()) == "SITE STATIONS OK TO DEPLOY IN PROGRESS FAILED UNHEALTHY"
    assert lines[1].split() == ["site-0", "4", "4", "0", "0", "0", "0"]
    assert lines[2].split() == ["site-1", "4", "3", "0", "0", "0", "1"]
    shown = [line for line in lines if line.startswith("station-")]
    assert len(shown) == 2
    assert "com.sightline.Capture BROKEN" in shown[0]
    assert "Inference" not in shown[0]
    assert "no core device of this name" in shown[1]


def test_a_fleet_that_is_fine_is_said_in_one_line_for_each_site(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    assert run("deploy", "--send") == 0
    capsys.readouterr()
    assert run("status") == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert run("status", "--all", "--site", "site-0") == 0
    assert "station-0-0 (canary)" in capsys.readouterr().out
    content["components"]["com.sightline.Publisher"] = {
        "version": content["components"]["com.sightline.Publisher"]["version"],
        "configurationUpdate": {"merge": {"gateWaitMs": 500}},
    }
    assert run("status", "--site", "site-0") == 1
    assert "its group has another deployment than the file's" in capsys.readouterr().out


def targets(greengrass: FakeGreengrass, after: int) -> list[str]:
    """The targets of the deployments after the first ones."""
    found = list(greengrass.deployments.values())[after:]
    return [entry["targetArn"].split("/")[-1] for entry in found]


def test_the_way_back_is_what_ran_before_versions_and_settings_together(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    assert run("deploy", "--send") == 0
    first = dict(greengrass.deployments)
    content["sites"]["site-1"]["product"] = "bottle-750"
    for name in ("com.sightline.Capture", "com.sightline.Publisher"):
        content["components"][name] = {**content["components"][name], "version": "0.1.7"}
    assert run("deploy", "--unchecked", "--send") == 0
    capsys.readouterr()
    assert run("rollback") == 0
    said = capsys.readouterr()
    assert "com.sightline.Capture 0.1.7 -> 0.1.0" in said.err
    assert 'station-1-1: com.sightline.Capture /product: "bottle-750" -> default' in said.err
    printed = [json.loads(line)["request"] for line in said.out.splitlines()]
    assert len(greengrass.deployments) == 8
    greengrass.changes.clear()
    assert run("rollback", "--send") == 0
    assert [r for name, r in greengrass.changes if name == "CreateDeployment"] == printed
    assert targets(greengrass, 8) == ["line-canary", "line-site-0", "line-site-1", "line-site-2"]
    for entry in list(greengrass.deployments.values())[8:]:
        (before,) = [o for o in first.values() if o["targetArn"] == entry["targetArn"]]
        assert entry["components"] == before["components"]
        assert entry["deploymentPolicies"] == before["deploymentPolicies"]
        assert entry["iotJobConfiguration"] == before["iotJobConfiguration"]  # at a pace
        assert entry["deploymentName"].endswith(f"back to {before['deploymentId']}")
    pins = [n.running["com.sightline.settings.Line"] for n in greengrass.nuclei.values()]
    assert set(pins) == {"1.0.0"}


def test_the_way_back_has_canaries_and_a_pause_and_stops_where_it_fails(
    run: Run, greengrass: FakeGreengrass, content: Json, clock: FastClock
) -> None:
    for deadline in (500.0, 400.0):
        change_kind(content, deadline)
        assert run("deploy", "--send") == 0
    content["rollout"]["canaryPauseMinutes"] = 30
    greengrass.fate = lambda station, _: "FAILED" if station == "station-0-2" else "SUCCEEDED"
    content["rollout"]["stopAfterStations"] = 1
    clock.waits.clear()
    assert run("rollback", "--send") == 1
    assert sum(clock.waits) == pytest.approx(1800, abs=1)
    assert targets(greengrass, 8) == ["line-canary", "line-site-0"]


def test_groups_that_had_no_part_in_the_newest_roll_out_stay(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    assert run("deploy", "--send") == 0
    change_kind(content, 400.0)
    greengrass.fate = lambda station, _: "FAILED" if station == "station-1-0" else "SUCCEEDED"
    assert run("deploy", "--send") == 1  # stopped at the canaries
    greengrass.fate = lambda *_: "SUCCEEDED"
    assert run("rollback", "--send") == 0
    assert targets(greengrass, 5) == ["line-canary"]
    content["sites"]["site-2"]["product"] = "one"
    change_kind(content, 500.0)
    assert run("deploy", "--send") == 0
    assert run("rollback", "--send") == 0
    assert targets(greengrass, 7)[-1] == "line-site-2"


def test_going_back_twice_goes_two_steps_back(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    only = ("--site", "site-0")
    for product in ("one", "two", "three"):
        content["sites"]["site-0"]["product"] = product
        assert run("deploy", "--send", *only) == 0
    assert run("rollback", "--send", *only) == 0
    assert product_of(greengrass) == "two"
    assert run("rollback", "--send", *only) == 0
    assert product_of(greengrass) == "one"
    assert run("rollback", "--send", *only) == 1


def test_the_way_back_passes_over_what_did_not_come_through(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    only = ("--site", "site-0")

    def deploy(product: str, fate: str) -> int:
        greengrass.fate = lambda station, _: "SUCCEEDED" if station.endswith("-0") else fate
        content["sites"]["site-0"]["product"] = product
        return run("deploy", "--send", *only)

    assert deploy("good", "SUCCEEDED") == 0
    assert deploy("bad", "FAILED") == 1
    assert deploy("new", "SUCCEEDED") == 0
    assert run("rollback", "--send", *only) == 0
    assert product_of(greengrass) == "good"


@pytest.mark.parametrize("kind", ["id", "name", "digest", "roll-out"])
def test_the_way_back_goes_to_what_is_named(
    run: Run, greengrass: FakeGreengrass, content: Json, kind: str
) -> None:
    only = ("--site", "site-0")
    for product in ("one", "two", "three", "four"):
        content["sites"]["site-0"]["product"] = product
        assert run("deploy", "--send", *only) == 0
    of_site = [d for d in greengrass.deployments.values() if "site-0" in d["targetArn"]]
    name = of_site[1]["deploymentName"]
    _, _, digest, rollout = name.split(" ")
    named = {"id": of_site[1]["deploymentId"], "name": name, "digest": digest, "roll-out": rollout}
    assert run("rollback", "--send", *only, "--to", named[kind]) == 0
    assert product_of(greengrass) == "two"


def test_an_unknown_target_is_refused_with_those_that_there_are(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    for product in ("one", "two"):
        content["sites"]["site-0"]["product"] = product
        assert run("deploy", "--send", "--site", "site-0") == 0
    assert run("rollback", "--site", "site-0", "--to", "yesterday") == 1
    rollout = next(d for d in greengrass.deployments.values() if "site-0" in d["targetArn"])
    assert rollout["deploymentName"].split(" ")[3] in capsys.readouterr().err


def test_earlier_settings_without_a_station_that_joined_later_are_refused(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    assert run("deploy", "--send") == 0
    content["sites"]["site-1"]["stations"]["station-1-9"] = {"line": "line-9"}
    greengrass.add_thing("station-1-9")
    assert run("deploy", "--send") == 0
    before = len(greengrass.deployments)
    assert run("rollback", "--send") == 1
    said = capsys.readouterr()
    assert "1.0.0 has no settings for station-1-9, which joined later" in said.out + said.err
    assert len(greengrass.deployments) == before


def change_kind(content: Json, deadline_ms: float) -> None:
    """A change for all stations."""
    merge = content["components"]["com.sightline.Capture"]["configurationUpdate"]["merge"]
    merge["deadlineMs"] = deadline_ms


def product_of(greengrass: FakeGreengrass) -> str:
    """What the last deployment's settings tell a station of site-0 to run."""
    last = list(greengrass.deployments.values())[-1]
    version = last["components"]["com.sightline.settings.Line"]["componentVersion"]
    settings = read_settings(greengrass, version)["station-0-1"]["components"]
    return str(settings["com.sightline.Capture"]["product"])


def test_a_fleet_without_a_past_is_refused(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert run("rollback", "--send") == 1
    assert "no deployments" in capsys.readouterr().err
    assert run("deploy", "--send") == 0
    assert run("rollback", "--send") == 1
    assert "no earlier successful deployment" in capsys.readouterr().err
    assert len(greengrass.deployments) == 4
