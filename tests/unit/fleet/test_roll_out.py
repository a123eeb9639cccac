"""Canaries first, then ever faster, and no further than the failures allow."""

import re
from typing import Any

import pytest

from tests.unit.fleet.conftest import FastClock, Run, fleet_file, list_names
from tests.unit.fleet.fake_greengrass import FakeGreengrass
from tools.fleet.deployment_file import RolloutSettings
from tools.fleet.rollout import RolloutPace

Json = dict[str, Any]
Capture = pytest.CaptureFixture[str]


def sent(greengrass: FakeGreengrass) -> list[str]:
    """The stations in the order in which they got a deployment."""
    return [entry["targetArn"].split("/")[-1] for entry in greengrass.deployments.values()]


def test_canaries_go_first_and_the_others_after_a_pause(
    run: Run, greengrass: FakeGreengrass, content: Json, clock: FastClock
) -> None:
    content["rollout"]["canaryPauseMinutes"] = 30
    assert run("deploy", "--send") == 0
    order = sent(greengrass)
    assert order[:3] == ["station-0-0", "station-1-0", "station-2-0"]
    assert sorted(order) == sorted(list_names(content))
    assert 1800.0 in clock.waits


def test_a_roll_out_that_was_stopped_in_the_pause_waits_for_what_is_left_of_it(
    run: Run, content: Json, clock: FastClock
) -> None:
    content["rollout"]["canaryPauseMinutes"] = 30
    canaries = [word for site in range(3) for word in ("--station", f"station-{site}-0")]
    assert run("deploy", "--send", *canaries) == 0
    clock.time_s += 600
    assert run("deploy", "--send") == 0
    assert max(clock.waits) == pytest.approx(1200, abs=1)


def test_canaries_that_have_had_the_change_for_weeks_cost_no_pause(
    run: Run, greengrass: FakeGreengrass, content: Json, clock: FastClock
) -> None:
    content["rollout"]["canaryPauseMinutes"] = 30
    assert run("deploy", "--send") == 0
    clock.waits.clear()
    clock.time_s += 14 * 86_400
    content["sites"]["site-1"]["stations"]["station-1-2"]["line"] = "another"
    assert run("deploy", "--send") == 0
    assert len(sent(greengrass)) == 13
    assert sum(clock.waits) < 60


def test_a_canary_that_fails_stops_everything(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    greengrass.fate = lambda station, _: "FAILED" if station == "station-1-0" else "SUCCEEDED"
    assert run("deploy", "--send") == 1
    assert len(sent(greengrass)) <= 3
    assert not [name for name in sent(greengrass) if not name.endswith("-0")]
    assert (
        "Rollout stopped: canaries failed or did not report: station-1-0" in capsys.readouterr().out
    )


def test_a_canary_that_is_ill_after_the_pause_stops_everything(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    greengrass.health["station-2-0"] = "UNHEALTHY"
    assert run("deploy", "--send") == 1
    assert len(sent(greengrass)) == 3
    assert "canaries are not healthy: station-2-0 UNHEALTHY" in capsys.readouterr().out


def test_a_canary_that_is_not_heard_of_stops_everything_in_the_end(
    run: Run, greengrass: FakeGreengrass, clock: FastClock, capsys: Capture
) -> None:
    greengrass.fate = lambda station, _: "QUEUED" if station == "station-0-0" else "SUCCEEDED"
    assert run("deploy", "--send") == 1
    assert "station-0-0: no report yet" in capsys.readouterr().out
    assert 300 <= clock.time_s <= 700  # its five minutes
    assert len(sent(greengrass)) == 3


def test_an_interrupted_roll_out_goes_on_and_waits_for_canaries_that_were_sent_before(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    assert run("deploy", "--send", "--station", "station-0-0", "--station", "station-1-0") == 0
    greengrass.fate = lambda station, _: "FAILED" if station == "station-1-0" else "SUCCEEDED"
    assert run("deploy", "--send", "--site", "site-0", "--site", "site-1") == 1
    assert "station-0-1" not in sent(greengrass)
    greengrass.fate = lambda *_: "SUCCEEDED"
    assert run("deploy", "--send") == 0
    assert set(sent(greengrass)) == set(list_names(content))


def test_a_station_that_is_not_provisioned_yet_is_named_and_holds_nobody_up(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    del greengrass.health["station-1-2"]  # there is no such thing
    greengrass.health["station-2-1"] = ""  # there is, but its nucleus has never connected
    assert run("deploy", "--send") == 1
    assert set(sent(greengrass)) == set(list_names(content)) - {"station-1-2"}
    said = capsys.readouterr().out
    assert "station-1-2: not provisioned (create_deployment: " in said
    assert "station-2-1: not provisioned (list_effective_deployments: " in said
    assert "sent 11, succeeded 10, failed 0, not provisioned 2" in said


def test_the_canaries_that_are_there_stand_for_all_but_there_must_be_one(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    del greengrass.health["station-0-0"]
    assert run("deploy", "--send", "--site", "site-0", "--site", "site-1") == 1
    assert len(sent(greengrass)) == 7
    del greengrass.health["station-2-0"]
    assert run("deploy", "--send", "--site", "site-2") == 1
    assert len(sent(greengrass)) == 7
    assert "stopped: no canary is provisioned" in capsys.readouterr().out


def test_too_many_failures_stop_the_rest(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    content["sites"] = fleet_file(sites=1, stations=60)["sites"]
    greengrass.health |= dict.fromkeys(list_names(content), "HEALTHY")
    content["rollout"] |= {"stationsPerMinute": 6, "stopAtFailedShare": 0.2, "stopAfterStations": 5}
    bad = {f"station-0-{number}" for number in range(5, 60, 2)}
    greengrass.fate = lambda station, _: "FAILED" if station in bad else "SUCCEEDED"
    assert run("deploy", "--send") == 1
    said = capsys.readouterr().out
    found = re.search(r"stopped: (\d+) of (\d+) stations failed", said)
    assert found
    assert int(found.group(1)) / int(found.group(2)) > 0.2
    assert len(sent(greengrass)) < 20


def test_the_pace_grows_while_all_goes_well_and_falls_back_after_a_failure() -> None:
    rollout = RolloutSettings(stations_per_minute=10, growth_factor=2, max_per_minute=30)
    pace = RolloutPace(rollout, 0.0)
    rates = []
    for minute in range(1, 5):
        pace.advance(minute * 60.0, failed_since=False)
        rates.append(pace.rate)
    assert rates == [20, 30, 30, 30]
    assert pace.allowed == 1 + 10 + 20 + 30 + 30
    pace.advance(250.0, failed_since=True)
    assert pace.rate == 10


def test_a_roll_out_keeps_its_pace(
    run: Run, greengrass: FakeGreengrass, content: Json, clock: FastClock
) -> None:
    content["sites"] = fleet_file(sites=1, stations=31)["sites"]
    greengrass.health |= dict.fromkeys(list_names(content), "HEALTHY")
    content["rollout"] |= {"stationsPerMinute": 10, "growthFactor": 1}
    content["sites"]["site-0"]["stations"]["station-0-0"]["canary"] = False
    assert run("deploy", "--send") == 0
    assert 170 <= clock.time_s <= 190  # thirty after the first one, ten a minute
