"""A station is in exactly one group, and on its way to another nothing that it runs is removed."""

from typing import Any

import pytest

from tests.unit.fleet.conftest import VERSION, Run
from tests.unit.fleet.fake_greengrass import FakeGreengrass

Json = dict[str, Any]
Capture = pytest.CaptureFixture[str]


def groups_of(greengrass: FakeGreengrass, thing: str) -> set[str]:
    """The roll-out groups that a thing is in."""
    return {name for name, things in greengrass.groups.items() if thing in things} - {"line"}


def changes_of(greengrass: FakeGreengrass, *names: str) -> list[tuple[str, str]]:
    """The requests that change something, by operation and target, since the last call."""
    found = []
    for operation, request in greengrass.changes:
        target = request.get("thingName") or request.get("targetArn", "").split("/")[-1]
        found.append((operation, target or request.get("thingGroupName", "")))
    greengrass.changes.clear()
    return found


def test_a_station_joins_its_group_after_the_group_has_its_deployment(
    run: Run, greengrass: FakeGreengrass
) -> None:
    assert run("deploy", "--send", "--site", "site-0") == 0
    assert changes_of(greengrass) == [
        ("CreateThingGroup", "line-canary"),
        ("CreateThingGroup", "line-site-0"),
        ("CreateComponentVersion", ""),
        ("CreateDeployment", "line-canary"),
        ("UpdateThingGroupsForThing", "station-0-0"),
        ("UpdateThingGroupsForThing", "station-1-0"),
        ("UpdateThingGroupsForThing", "station-2-0"),
        ("CreateDeployment", "line-site-0"),
        ("UpdateThingGroupsForThing", "station-0-1"),
        ("UpdateThingGroupsForThing", "station-0-2"),
        ("UpdateThingGroupsForThing", "station-0-3"),
    ]


def test_a_station_moves_with_a_new_version_and_no_component_stops_or_conflicts(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    assert run("deploy", "--send") == 0
    greengrass.changes.clear()
    for name in content["components"]:
        if name.startswith("com.sightline"):
            content["components"][name] = {**content["components"][name], "version": "9.9.9"}
    station = content["sites"]["site-0"]["stations"].pop("station-0-1")
    content["sites"]["site-2"]["stations"]["station-0-1"] = station
    assert run("plan") == 0
    assert "station-0-1 joins from line-site-0" in capsys.readouterr().out
    assert run("deploy", "--send", "--unchecked") == 0
    moved = [r for name, r in greengrass.changes if name == "UpdateThingGroupsForThing"]
    assert moved == [
        {
            "thingName": "station-0-1",
            "thingGroupsToAdd": ["line-site-2"],
            "thingGroupsToRemove": ["line-site-0"],
        }
    ]
    order = changes_of(greengrass)
    assert order.index(("CreateDeployment", "line-site-2")) < order.index(
        ("UpdateThingGroupsForThing", "station-0-1")
    )
    assert groups_of(greengrass, "station-0-1") == {"line-site-2"}
    nucleus = greengrass.nuclei["station-0-1"]
    assert nucleus.removed == []
    assert nucleus.running["com.sightline.Capture"] == "9.9.9"
    assert set(nucleus.roots) == {"line-site-2"}


def test_the_other_orders_would_conflict_or_bring_the_old_version(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    """Why a move is one request after the new deployment: a nucleus in two groups refuses the second."""
    assert run("deploy", "--send") == 0
    nucleus = greengrass.nuclei["station-0-1"]
    new = {"com.sightline.Capture": {"componentVersion": "9.9.9"}}
    refused = nucleus.deploy("line-site-2", new, {"line", "line-site-0", "line-site-2"})
    assert refused == f"com.sightline.Capture: line-site-2 wants 9.9.9, line-site-0 wants {VERSION}"
    assert nucleus.removed == []


def test_a_canary_that_becomes_an_ordinary_station_moves(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    assert run("deploy", "--send") == 0
    content["sites"]["site-1"]["stations"]["station-1-0"]["canary"] = False
    content["sites"]["site-1"]["stations"]["station-1-3"]["canary"] = True
    assert run("deploy", "--send") == 0
    assert greengrass.groups["line-canary"] == {"station-0-0", "station-1-3", "station-2-0"}
    assert groups_of(greengrass, "station-1-0") == {"line-site-1"}
    for name in ("station-1-0", "station-1-3"):
        assert greengrass.nuclei[name].removed == []


def test_a_station_that_is_in_two_groups_is_taken_out_of_the_wrong_one(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert run("deploy", "--send") == 0
    greengrass.groups["line-site-2"].add("station-0-1")
    assert run("status") == 0
    assert run("plan") == 0
    assert "station-0-1 joins from line-site-2" in capsys.readouterr().out
    assert run("deploy", "--send") == 0
    assert groups_of(greengrass, "station-0-1") == {"line-site-0"}


def test_a_station_that_is_not_in_the_file_leaves_its_group_and_keeps_what_it_runs(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    assert run("deploy", "--send") == 0
    del content["sites"]["site-0"]["stations"]["station-0-3"]
    assert run("plan") == 0
    assert "line-site-0: station-0-3 leaves it (not in the file)" in capsys.readouterr().out
    assert run("deploy", "--send") == 0
    assert groups_of(greengrass, "station-0-3") == set()
    assert "com.sightline.Capture" in greengrass.nuclei["station-0-3"].running


def test_a_site_that_moved_to_another_name_takes_its_stations_along(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    assert run("deploy", "--send") == 0
    content["sites"]["hall-7"] = content["sites"].pop("site-1")
    assert run("deploy", "--send") == 0
    assert greengrass.groups["line-site-1"] == set()
    assert greengrass.groups["line-hall-7"] == {"station-1-1", "station-1-2", "station-1-3"}
    assert greengrass.nuclei["station-1-1"].removed == []


def test_a_station_that_was_provisioned_without_a_hook_is_fetched_into_its_group(
    run: Run, greengrass: FakeGreengrass
) -> None:
    greengrass.groups["line-new"], greengrass.kinds["line-new"] = {"station-1-2"}, "line"
    assert run("deploy", "--send") == 0
    assert groups_of(greengrass, "station-1-2") == {"line-site-1"}
    assert greengrass.groups["line-new"] == set()


def test_groups_of_another_kind_with_a_like_name_are_left_alone(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    greengrass.groups |= {"line-nx": {"other"}, "line-nx-canary": {"other"}}
    greengrass.kinds |= {"line-nx": "line-nx", "line-nx-canary": "line-nx"}
    assert run("deploy", "--send") == 0
    assert greengrass.groups["line-nx-canary"] == {"other"}
    greengrass.kinds["line-site-1"] = "line-site"
    assert run("plan") == 1
    assert "line-site-1 belongs to the kind line-site" in capsys.readouterr().out


@pytest.mark.parametrize("site", ["canary", "lite", "new"])
def test_a_site_whose_group_would_have_the_name_of_another_is_refused(
    run: Run, content: Json, capsys: Capture, site: str
) -> None:
    content["sites"][site] = content["sites"].pop("site-1")
    if site == "lite":
        content["sites"]["x"] = content["sites"].pop("site-2") | {"nucleus": "lite"}
        content["sites"]["x-lite"] = {"stations": {"station-9": {}}}
    assert run("plan", "--offline") == 1
    said = capsys.readouterr().err
    assert ("would both be the thing group" in said) != (site == "new")
    assert "rename the site" in said


def test_a_deployment_of_the_kinds_own_group_with_the_same_components_is_refused(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    request = {
        "targetArn": "arn:aws:iot:eu-central-1:123456789012:thinggroup/line",
        "components": {"aws.greengrass.LogManager": {"componentVersion": "2.3.8"}},
    }
    greengrass.create_deployment(request)
    assert run("plan") == 0
    capsys.readouterr()
    request["components"]["com.sightline.Capture"] = {"componentVersion": VERSION}  # type: ignore[index]
    greengrass.create_deployment(request)
    assert run("plan") == 1
    assert "thing group line has a deployment of its own" in capsys.readouterr().out
