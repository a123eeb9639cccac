"""A fleet with one deployment for each thing goes over to groups, and no station stops on the way."""

import json
from typing import Any

import pytest

from tests.unit.fleet.conftest import VERSION, Run, list_names
from tests.unit.fleet.fake_greengrass import FakeGreengrass, thing
from tests.unit.fleet.test_groups_and_moves import changes_of

Json = dict[str, Any]
Capture = pytest.CaptureFixture[str]


def deploy_to_things(greengrass: FakeGreengrass, content: Json, version: str) -> None:
    """What a release before 0.2 did: one deployment for each thing, with all components."""
    for name in list_names(content):
        components = {
            component: {
                "componentVersion": version if component.startswith("com.") else pinned["version"]
            }
            for component, pinned in content["components"].items()
        }
        greengrass.create_deployment(
            {
                "targetArn": thing(name),
                "deploymentName": "sightline line 0123456789abcdef",
                "components": components,
            }
        )
    greengrass.changes.clear()


@pytest.mark.parametrize(("version", "bridged"), [(VERSION, False), ("0.0.9", True)])
def test_a_fleet_of_thing_deployments_goes_over_to_groups_without_a_conflict_or_a_stop(
    run: Run,
    greengrass: FakeGreengrass,
    content: Json,
    capsys: Capture,
    version: str,
    bridged: bool,
) -> None:
    deploy_to_things(greengrass, content, version)
    assert run("plan") == 0
    said = capsys.readouterr().out
    words = (
        "gets the file's versions, then the group's, and is then retired"
        if bridged
        else "is then retired"
    )
    (own,) = (d for d in greengrass.deployments.values() if d["targetArn"] == thing("station-0-0"))
    assert f"station-0-0: its own deployment {own['deploymentId']} {words}" in said
    assert run("deploy", "--send") == 0
    for name, nucleus in greengrass.nuclei.items():
        assert nucleus.removed == [], name
        assert nucleus.roots["thing"] == {}
        assert nucleus.running["com.sightline.Capture"] == VERSION
        assert "com.sightline.settings.Line" in nucleus.running
    assert run("status") == 0
    greengrass.changes.clear()
    assert run("deploy", "--send") == 0
    assert greengrass.changes == []


def test_the_order_is_bridge_group_join_retire(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    deploy_to_things(greengrass, content, "0.0.9")
    assert run("deploy", "--send", "--site", "site-0") == 0
    of_station = [
        entry
        for entry in changes_of(greengrass)
        if entry[1] in ("station-0-2", "line-site-0") and entry[0] != "CreateThingGroup"
    ]
    assert of_station == [
        ("CreateDeployment", "station-0-2"),
        ("CreateDeployment", "line-site-0"),
        ("UpdateThingGroupsForThing", "station-0-2"),
        ("CreateDeployment", "station-0-2"),
    ]
    own = [e for e in greengrass.deployments.values() if e["targetArn"] == thing("station-0-2")]
    assert own[1]["components"]["com.sightline.Capture"]["componentVersion"] == VERSION
    merge = own[1]["components"]["com.sightline.Equipment"]["configurationUpdate"]["merge"]
    assert json.loads(merge)["link"]["opcua"]["endpoint"] == "opc.tcp://10.0.0.2:4840"  # no gap
    assert own[2]["components"] == {}
    assert own[2]["deploymentName"] == "sightline line retired"


def test_retiring_first_would_remove_everything_and_the_group_first_would_conflict(
    greengrass: FakeGreengrass, content: Json
) -> None:
    """Why the order is what it is: both shortcuts, on the nucleus's own rules."""
    deploy_to_things(greengrass, content, "0.0.9")
    new = {"com.sightline.Capture": {"componentVersion": VERSION}}
    nucleus = greengrass.nuclei["station-0-1"]
    assert "com.sightline.Capture: line-site-0 wants" in nucleus.deploy(
        "line-site-0", new, {"line-site-0"}
    )
    assert nucleus.deploy("thing", {}, {"line-site-0"}) == ""
    assert "com.sightline.Capture" in nucleus.removed


def test_a_station_that_is_away_while_it_is_bridged_stays_out_of_the_group_until_it_is_back(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    deploy_to_things(greengrass, content, "0.0.9")
    greengrass.fate = lambda station, _: "QUEUED" if station == "station-1-2" else "SUCCEEDED"
    assert run("deploy", "--send") == 1
    assert "station-1-2: its own deployment has not succeeded yet" in capsys.readouterr().out
    assert "station-1-2" not in greengrass.groups["line-site-1"]
    greengrass.fate = lambda *_: "SUCCEEDED"
    assert run("deploy", "--send") == 0
    nucleus = greengrass.nuclei["station-1-2"]
    assert nucleus.removed == []
    assert set(nucleus.roots) == {"thing", "line-site-1"}
    assert nucleus.roots["thing"] == {}


def test_a_group_deployment_that_fails_on_a_station_leaves_its_own_in_force(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    deploy_to_things(greengrass, content, VERSION)
    greengrass.fate = lambda station, deployment: (
        "FAILED"
        if station == "station-2-2" and "thinggroup" in deployment["targetArn"]
        else "SUCCEEDED"
    )
    content["rollout"]["stopAtFailedShare"] = 0.5  # the others of its group are retired
    assert run("deploy", "--send") == 1
    assert greengrass.nuclei["station-2-2"].removed == []
    assert greengrass.nuclei["station-2-1"].roots["thing"] == {}
    assert "com.sightline.Capture" in greengrass.nuclei["station-2-2"].roots["thing"]


def test_an_interrupted_migration_retires_before_the_group_gets_other_versions(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    deploy_to_things(greengrass, content, VERSION)
    assert run("deploy", "--send") == 0
    deploy_to_things(greengrass, content, VERSION)  # as if they had not been retired
    content["components"]["aws.greengrass.Nucleus"] = {"version": "2.16.0"}
    assert run("deploy", "--send") == 0
    order = changes_of(greengrass)
    assert order.index(("CreateDeployment", "station-1-1")) < order.index(
        ("CreateDeployment", "line-site-1")
    )
    for nucleus in greengrass.nuclei.values():
        assert nucleus.removed == []
        assert nucleus.running["aws.greengrass.Nucleus"] == "2.16.0"


def test_a_station_that_can_be_neither_bridged_nor_retired_is_named(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    deploy_to_things(greengrass, content, "0.0.9")
    greengrass.groups["line-site-1"] = {"station-1-1"}
    greengrass.kinds["line-site-1"] = "line"
    assert run("deploy", "--send") == 1
    assert (
        "Remove it from that group (aws iot remove-thing-from-thing-group)"
        in capsys.readouterr().err
    )
    assert greengrass.changes == []


def test_what_another_tool_deployed_to_a_thing_stays(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    logs = {"aws.greengrass.LogManager": {"componentVersion": "2.3.8"}}
    for name, more in (
        ("station-0-1", {}),
        ("station-0-2", {"com.sightline.Capture": {"componentVersion": VERSION}}),
    ):
        greengrass.create_deployment(
            {"targetArn": thing(name), "deploymentName": "logs", "components": logs | more}
        )
    assert run("deploy", "--send") == 0
    assert greengrass.nuclei["station-0-1"].roots["thing"] == {"aws.greengrass.LogManager": "2.3.8"}
    assert greengrass.nuclei["station-0-2"].roots["thing"] == {"aws.greengrass.LogManager": "2.3.8"}
    assert greengrass.nuclei["station-0-2"].removed == []
