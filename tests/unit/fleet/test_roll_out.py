"""Canaries first, then site by site, and no further than failures and health allow."""

from typing import Any

import pytest

from tests.unit.fleet.conftest import FastClock, Run, fleet_file, list_names
from tests.unit.fleet.fake_greengrass import FakeGreengrass

Json = dict[str, Any]
Capture = pytest.CaptureFixture[str]


def sent(greengrass: FakeGreengrass) -> list[str]:
    """The targets in the order in which they got a deployment."""
    return [entry["targetArn"].split("/")[-1] for entry in greengrass.deployments.values()]


def canceled(greengrass: FakeGreengrass) -> list[str]:
    """The targets whose deployment was canceled or aborted."""
    return [
        entry["targetArn"].split("/")[-1]
        for entry in greengrass.deployments.values()
        if entry.get("canceled")
    ]


def test_canaries_go_first_and_the_sites_after_a_pause_in_the_files_order(
    run: Run, greengrass: FakeGreengrass, content: Json, clock: FastClock
) -> None:
    content["rollout"]["canaryPauseMinutes"] = 30
    content["sites"] = dict(reversed(content["sites"].items()))
    assert run("deploy", "--send") == 0
    assert sent(greengrass) == ["line-canary", "line-site-2", "line-site-1", "line-site-0"]
    created = [entry["creationTimestamp"] for entry in greengrass.deployments.values()]
    assert (created[1] - created[0]).total_seconds() == pytest.approx(1800, abs=1)
    assert {name: len(n.running) for name, n in greengrass.nuclei.items()} == dict.fromkeys(
        list_names(content), 11
    )


def test_a_site_may_have_canaries_of_its_own(
    run: Run, greengrass: FakeGreengrass, content: Json, clock: FastClock
) -> None:
    content["rollout"]["canaryPauseMinutes"] = 30
    content["sites"]["site-1"]["stations"]["station-1-3"]["canary"] = "site"
    assert run("deploy", "--send") == 0
    groups = ["line-canary", "line-site-0", "line-site-1-canary", "line-site-1", "line-site-2"]
    assert sent(greengrass) == groups
    assert greengrass.groups["line-site-1-canary"] == {"station-1-3"}
    assert sum(clock.waits) == pytest.approx(3600, abs=60)


def test_one_site_is_deployed_alone_after_the_canaries(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    assert run("deploy", "--send", "--site", "site-1") == 0
    assert sent(greengrass) == ["line-canary", "line-site-1"]
    assert run("deploy", "--send") == 0
    assert sent(greengrass)[2:] == ["line-site-0", "line-site-2"]


def test_a_roll_out_that_was_stopped_in_the_pause_waits_for_what_is_left_of_it(
    run: Run, greengrass: FakeGreengrass, content: Json, clock: FastClock
) -> None:
    content["rollout"]["canaryPauseMinutes"] = 30

    def stop_after_ten_minutes(seconds: float) -> None:
        clock.time_s += seconds
        if clock.time_s >= 600:
            raise KeyboardInterrupt

    clock.wait = stop_after_ten_minutes  # type: ignore[method-assign]
    assert run("deploy", "--send") == 1
    assert sent(greengrass) == ["line-canary"]
    del clock.wait
    assert run("deploy", "--send") == 0
    assert sum(clock.waits) == pytest.approx(1200, abs=1)


def test_canaries_that_have_had_the_change_for_weeks_cost_no_pause(
    run: Run, greengrass: FakeGreengrass, content: Json, clock: FastClock
) -> None:
    content["rollout"]["canaryPauseMinutes"] = 30
    assert run("deploy", "--send") == 0
    clock.waits.clear()
    clock.time_s += 14 * 86_400
    content["sites"]["site-1"]["stations"]["station-1-2"]["line"] = "another"
    assert run("deploy", "--send") == 0
    assert sent(greengrass)[4:] == ["line-site-1"]
    assert sum(clock.waits) < 60


def test_a_canary_that_fails_stops_everything(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    greengrass.fate = lambda station, _: "FAILED" if station == "station-1-0" else "SUCCEEDED"
    assert run("deploy", "--send") == 1
    assert sent(greengrass) == canceled(greengrass) == ["line-canary"]
    said = capsys.readouterr().out
    assert "Rollout stopped: canaries: station-1-0 (FAILED: com.sightline.Capture" in said


def test_a_canary_that_falls_ill_in_the_pause_stops_everything_at_once(
    run: Run, greengrass: FakeGreengrass, content: Json, clock: FastClock, capsys: Capture
) -> None:
    content["rollout"]["canaryPauseMinutes"] = 60

    def fall_ill(seconds: float) -> None:
        clock.time_s += seconds
        if clock.time_s > 600:
            greengrass.health["station-2-0"] = "UNHEALTHY"

    clock.wait = fall_ill  # type: ignore[method-assign]
    greengrass.installed["station-2-0"] = [
        {"componentName": "com.sightline.Capture", "lifecycleState": "BROKEN"}
    ]
    assert run("deploy", "--send") == 1
    assert 600 < clock.time_s < 700
    assert sent(greengrass) == canceled(greengrass) == ["line-canary"]
    said = capsys.readouterr().out
    assert "station-2-0: com.sightline.Capture BROKEN" in said
    assert "Rollout stopped: canaries: station-2-0" in said


def test_a_canary_with_a_broken_component_stops_everything_though_it_calls_itself_healthy(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    greengrass.installed["station-2-0"] = [
        {"componentName": "com.sightline.Inference", "lifecycleState": "BROKEN"},
        {"componentName": "com.sightline.Capture", "lifecycleState": "RUNNING"},
    ]
    assert run("deploy", "--send") == 1
    assert sent(greengrass) == ["line-canary"]
    said = capsys.readouterr().out
    assert "canaries are not healthy: station-2-0 com.sightline.Inference BROKEN" in said


def test_a_canary_that_is_not_heard_of_stops_everything_in_the_end(
    run: Run, greengrass: FakeGreengrass, clock: FastClock, capsys: Capture
) -> None:
    greengrass.fate = lambda station, _: "QUEUED" if station == "station-0-0" else "SUCCEEDED"
    assert run("deploy", "--send") == 1
    assert "station-0-0: no report yet" in capsys.readouterr().out
    assert 300 <= clock.time_s <= 700  # its five minutes
    assert sent(greengrass) == canceled(greengrass) == ["line-canary"]


def test_stations_that_fall_ill_after_their_deployment_stop_the_groups_that_follow(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    greengrass.health["station-1-1"] = "UNHEALTHY"
    content["rollout"]["stopAfterStations"] = 1
    assert run("deploy", "--send") == 1
    assert sent(greengrass) == ["line-canary", "line-site-0", "line-site-1"]
    said = capsys.readouterr().out
    assert "station-1-1: UNHEALTHY" in said
    assert "Rollout stopped: 1 of 9 stations failed or are not healthy" in said


def test_a_station_of_an_earlier_group_that_falls_ill_later_counts(
    run: Run, greengrass: FakeGreengrass, content: Json, clock: FastClock, capsys: Capture
) -> None:
    content["rollout"]["stopAfterStations"] = 1
    greengrass.fate = lambda station, _: (
        "IN_PROGRESS" if station == "station-2-2" and clock.time_s < 60 else "SUCCEEDED"
    )

    def fall_ill(seconds: float) -> None:
        clock.time_s += seconds
        greengrass.health["station-0-1"] = "UNHEALTHY"  # while site-2 is under way

    clock.wait = fall_ill  # type: ignore[method-assign]
    assert run("deploy", "--send") == 1
    assert "line-site-2" in canceled(greengrass)
    assert "stations failed or are not healthy" in capsys.readouterr().out


def test_an_unhealthy_station_that_waits_for_the_change_does_not_stop_it(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    """It may be the cure: its state from before does not count."""
    greengrass.health["station-1-1"] = "UNHEALTHY"
    real = greengrass.fate

    def cure(station: str, deployment: Json) -> str:
        greengrass.health[station] = "HEALTHY"
        return real(station, deployment)

    greengrass.fate = cure
    content["rollout"]["stopAfterStations"] = 1
    assert run("deploy", "--send") == 0


def test_an_interrupted_roll_out_goes_on_and_waits_for_canaries_that_were_sent_before(
    run: Run, greengrass: FakeGreengrass, content: Json, clock: FastClock
) -> None:
    greengrass.fate = lambda station, _: "QUEUED" if station == "station-0-0" else "SUCCEEDED"

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    clock.wait, real = interrupt, clock.wait  # type: ignore[method-assign]
    assert run("deploy", "--send") == 1
    assert sent(greengrass) == ["line-canary"]
    assert not [key for key in greengrass.bucket.objects if "locks" in key]  # it is released
    clock.wait = real  # type: ignore[method-assign]
    greengrass.fate = lambda *_: "SUCCEEDED"
    assert run("deploy", "--send") == 0
    assert sent(greengrass) == ["line-canary", "line-site-0", "line-site-1", "line-site-2"]


def test_a_station_that_is_not_provisioned_yet_is_named_and_holds_nobody_up(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    greengrass.remove_thing("station-1-2")
    greengrass.health["station-2-1"] = ""  # there is, but its nucleus has never connected
    assert run("deploy", "--send") == 1
    said = capsys.readouterr().out
    assert "station-1-2: not provisioned" in said
    assert "station-2-1: not provisioned" in said
    assert "stations: succeeded 10, failed 0, not provisioned 2" in said
    assert "station-1-2" not in greengrass.groups["line-site-1"]


def test_a_station_that_is_provisioned_into_its_group_later_gets_the_deployment_by_itself(
    run: Run, greengrass: FakeGreengrass
) -> None:
    greengrass.remove_thing("station-1-2")
    run("deploy", "--send")
    greengrass.add_thing("station-1-2")
    assert greengrass.nuclei["station-1-2"].running == {}
    provisioned = {"thingName": "station-1-2", "thingGroupsToAdd": ["line-site-1"]}
    greengrass.update_thing_groups_for_thing(provisioned)
    assert greengrass.nuclei["station-1-2"].running["com.sightline.settings.Line"] == "1.0.0"
    assert run("status") == 0


def test_the_canaries_that_are_there_stand_for_all_but_there_must_be_one(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    greengrass.remove_thing("station-0-0")
    assert run("deploy", "--send", "--site", "site-0") == 1  # it is named
    assert sent(greengrass) == ["line-canary", "line-site-0"]
    greengrass.remove_thing("station-1-0")
    greengrass.health["station-2-0"] = ""
    assert run("deploy", "--send") == 1
    assert len(sent(greengrass)) == 2
    assert "stopped: no canary is provisioned" in capsys.readouterr().out


def test_a_fleet_without_any_station_yet_gets_its_groups_and_deployments(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    for name in list_names(content):
        greengrass.remove_thing(name)
    run("deploy", "--send")
    assert len(sent(greengrass)) == 4


def test_too_many_failures_abort_the_job_and_stop_the_rest(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    content["sites"] = fleet_file(sites=2, stations=30)["sites"]
    for name in set(list_names(content)) - set(greengrass.health):
        greengrass.add_thing(name)
    content["rollout"] |= {"stopAtFailedShare": 0.2, "stopAfterStations": 5}
    bad = {f"station-0-{number}" for number in range(1, 30, 2)}
    greengrass.fate = lambda station, _: "FAILED" if station in bad else "SUCCEEDED"
    assert run("deploy", "--send") == 1
    said = capsys.readouterr().out
    assert "Rollout stopped:" in said
    assert sent(greengrass) == ["line-canary", "line-site-0"]
    assert "line-site-0" in canceled(greengrass)


def test_failures_count_over_all_groups_that_are_too_small_for_a_jobs_own_criterion(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    content["rollout"] |= {"stopAtFailedShare": 0.2, "stopAfterStations": 8}
    bad = {"station-0-1", "station-0-2", "station-1-1"}
    greengrass.fate = lambda station, _: "FAILED" if station in bad else "SUCCEEDED"
    assert run("deploy", "--send") == 1
    assert sent(greengrass) == ["line-canary", "line-site-0", "line-site-1"]
    assert "3 of 9 stations failed or are not healthy" in capsys.readouterr().out


def test_a_deployment_that_was_canceled_is_sent_again(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    greengrass.fate = lambda station, _: "FAILED" if station == "station-1-0" else "SUCCEEDED"
    assert run("deploy", "--send") == 1
    greengrass.fate = lambda *_: "SUCCEEDED"
    assert run("plan") == 0
    assert "line-canary: again" in capsys.readouterr().out
    assert run("deploy", "--send") == 0
    assert sent(greengrass)[:2] == ["line-canary", "line-canary"]


def test_stations_that_join_their_group_do_so_at_the_roll_outs_pace(
    run: Run, greengrass: FakeGreengrass, content: Json, clock: FastClock
) -> None:
    """A job reaches whoever joins its group at once: the pace has to be kept by the joining."""
    content["sites"] = fleet_file(sites=1, stations=36)["sites"]
    for name in set(list_names(content)) - set(greengrass.health):
        greengrass.add_thing(name)
    for name in set(greengrass.health) - set(list_names(content)):
        greengrass.remove_thing(name)
    content["rollout"] |= {"stationsPerMinute": 10, "growthFactor": 1}
    assert run("deploy", "--send") == 0
    assert 170 <= clock.time_s <= 200  # 35 after the canary: 10 at once, 10 in each minute


def test_a_failure_stops_the_joining(run: Run, greengrass: FakeGreengrass, content: Json) -> None:
    content["sites"] = fleet_file(sites=1, stations=36)["sites"]
    for name in set(list_names(content)) - set(greengrass.health):
        greengrass.add_thing(name)
    content["rollout"] |= {"stationsPerMinute": 10, "growthFactor": 1}
    greengrass.fate = lambda station, _: "SUCCEEDED" if station.endswith("-0") else "FAILED"
    assert run("deploy", "--send") == 1
    assert len(greengrass.groups["line-site-0"]) == 10
