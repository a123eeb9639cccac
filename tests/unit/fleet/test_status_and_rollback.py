"""How the fleet fares is one table; the way back is the deployment that came through before."""

import json
from typing import Any

import pytest

from tests.unit.fleet.conftest import Run
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
    assert "runs another deployment than the file's" in capsys.readouterr().out


def test_the_way_back_is_what_ran_before_and_is_printed_before_it_is_sent(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    assert run("deploy", "--send") == 0
    first = dict(greengrass.deployments)
    content["sites"]["site-1"]["product"] = "bottle-750"
    assert run("deploy", "--send") == 0
    capsys.readouterr()
    assert run("rollback", "--site", "site-1") == 0
    said = capsys.readouterr()
    assert 'com.sightline.Capture /product: "bottle-750" -> default' in said.err
    assert len([json.loads(line) for line in said.out.splitlines()]) == 4
    assert len(greengrass.deployments) == 16
    assert run("rollback", "--site", "site-1", "--send") == 0
    back = [entry for key, entry in greengrass.deployments.items() if key > "deployment-00016"]
    assert len(back) == 4
    for entry in back:
        (before,) = [o for o in first.values() if o["targetArn"] == entry["targetArn"]]
        assert entry["components"] == before["components"]
        assert entry["deploymentPolicies"] == before["deploymentPolicies"]
        assert entry["deploymentName"].endswith(f"back to {before['deploymentId']}")


def test_going_back_twice_goes_two_steps_back(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    only = ("--station", "station-0-1")
    for product in ("one", "two", "three"):
        content["sites"]["site-0"]["product"] = product
        assert run("deploy", "--send", *only) == 0
    assert run("rollback", "--send", *only) == 0
    assert product_of(list(greengrass.deployments.values())[-1]) == "two"
    assert run("rollback", "--send", *only) == 0
    assert product_of(list(greengrass.deployments.values())[-1]) == "one"


def test_the_way_back_passes_over_what_did_not_come_through(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    only = ("--station", "station-0-1")
    greengrass.fate = lambda _, deployment: (
        "FAILED" if product_of(deployment) == "bad" else "SUCCEEDED"
    )
    for product, code in (("good", 0), ("bad", 1), ("new", 0)):
        content["sites"]["site-0"]["product"] = product
        assert run("deploy", "--send", *only) == code
    assert run("rollback", "--send", *only) == 0
    assert product_of(list(greengrass.deployments.values())[-1]) == "good"


def test_a_station_that_is_no_core_device_keeps_none_from_going_back(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    for product in ("one", "two"):
        content["sites"]["site-0"]["product"] = product
        assert run("deploy", "--send", "--site", "site-0") == 0
    greengrass.health["station-0-3"] = ""
    assert run("rollback", "--send", "--site", "site-0") == 1
    assert "station-0-3: cannot roll back: not provisioned" in capsys.readouterr().err
    assert [product_of(entry) for entry in greengrass.deployments.values()].count("one") == 7


def product_of(deployment: Json) -> str:
    """What its capture component is told to run."""
    update = deployment["components"]["com.sightline.Capture"]["configurationUpdate"]
    return str(json.loads(update["merge"])["product"])


def test_a_station_without_a_past_and_a_whole_fleet_at_once_are_refused(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert run("rollback", "--send") == 1
    assert "rollback needs --site or --station" in capsys.readouterr().err
    assert run("rollback", "--station", "station-0-0", "--send") == 1
    assert "station-0-0: cannot roll back: no deployments" in capsys.readouterr().err
    assert run("deploy", "--send", "--station", "station-0-0") == 0
    assert run("rollback", "--station", "station-0-0", "--send") == 1
    assert "no earlier successful deployment" in capsys.readouterr().err
    assert len(greengrass.deployments) == 1
