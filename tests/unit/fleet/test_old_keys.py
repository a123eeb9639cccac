"""A deployment file of the last release: its old keys are told, and the stations get the new ones."""

import copy
import json

from tests.unit.fleet.conftest import VERSION, Json, Run, read_settings
from tests.unit.fleet.fake_greengrass import FakeGreengrass
from tests.unit.fleet.test_plan_and_deploy import Capture
from tools.fleet.deployment_file import parse_deployment_file
from tools.fleet.desired_state import build_desired_stations

CAPTURE = "com.sightline.Capture"


def old_file(content: Json) -> None:
    """Old keys at each place of a file that can have them."""
    content["rollout"]["greatestPerMinute"] = 7
    merge = content["components"][CAPTURE]["configurationUpdate"]["merge"]
    merge["conditions"] = {"lowestBrightness": 10, "highestBrightness": 240}
    site = content["sites"]["site-0"]
    site["merge"] = {CAPTURE: {"conditions": {"lowestBrightness": 11}}}
    station = site["stations"]["station-0-2"]
    station["merge"] = {CAPTURE: {"conditions": {"minBrightness": 12}}}


def test_stations_get_new_keys_only_and_the_inner_place_wins(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    content["components"][CAPTURE] = copy.deepcopy(content["components"][CAPTURE])
    old_file(content)
    assert run("deploy", "--send") == 0
    told = capsys.readouterr().err
    for words in (
        "/rollout/greatestPerMinute = 7 is now called /rollout/maxPerMinute",
        "/configurationUpdate/merge/conditions/lowestBrightness = 10 is now called",
        f"/sites/site-0/merge/{CAPTURE}/conditions/lowestBrightness = 11 is now called",
    ):
        assert words in told
    kind = next(iter(greengrass.deployments.values()))["components"][CAPTURE]
    merged = json.loads(kind["configurationUpdate"]["merge"])["conditions"]
    assert merged == {"minBrightness": 10, "maxBrightness": 240}
    own = read_settings(greengrass, "1.0.0")
    found = {name: entry["components"][CAPTURE].get("conditions") for name, entry in own.items()}
    assert found["station-1-1"] is None
    assert found["station-0-1"] == {"minBrightness": 11}
    assert found["station-0-2"] == {"minBrightness": 12}


def test_what_is_for_an_older_version_keeps_its_keys(content: Json, capsys: Capture) -> None:
    old_file(content)
    pinned = content["components"][CAPTURE]
    content["components"][CAPTURE] = {**pinned, "version": "0.0.9"}
    file = parse_deployment_file("line.yaml", json.dumps(content))
    by_name = {station.name: station for station in build_desired_stations(file)}
    merge = by_name["station-0-1"].components[CAPTURE].merge
    assert merge["conditions"] == {"lowestBrightness": 11, "highestBrightness": 240}
    assert "lowestBrightness" not in capsys.readouterr().err
    assert VERSION != "0.0.9"


def test_a_wrong_value_is_named_by_the_key_that_the_file_has(
    run: Run, content: Json, capsys: Capture
) -> None:
    content["rollout"]["greatestPerMinute"] = 0
    assert run("plan", "--offline") != 0
    assert "/rollout/greatestPerMinute" in "".join(capsys.readouterr())


def test_a_file_of_this_release_is_told_nothing(run: Run, content: Json, capsys: Capture) -> None:
    assert run("plan", "--offline") == 0
    assert "old key" not in capsys.readouterr().err
