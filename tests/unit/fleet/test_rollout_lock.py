"""Two operators are kept apart, and who sent what can be read afterwards."""

import json
from typing import Any

import pytest

from tests.unit.fleet.conftest import FastClock, Run
from tests.unit.fleet.fake_greengrass import FakeGreengrass

Json = dict[str, Any]
Capture = pytest.CaptureFixture[str]
LOCK = "fleet/locks/line.json"
OTHER = {
    "operator": "ann@hall-3",
    "command": "deploy line.yaml",
    "since": "2026-11-20T22:00:00+00:00",
    "process": 17,
    "broken": "",
}


def lock_by_another(greengrass: FakeGreengrass) -> None:
    greengrass.bucket.objects[LOCK] = json.dumps(OTHER).encode()


@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_while_another_rolls_out_nothing_is_sent_and_it_is_said_who_since_when_and_what(
    run: Run, greengrass: FakeGreengrass, capsys: Capture, command: str
) -> None:
    lock_by_another(greengrass)
    assert run(command, "--send") == 1
    said = capsys.readouterr().err
    assert "ann@hall-3 since 2026-11-20T22:00:00+00:00: deploy line.yaml" in said
    assert "--break-lock REASON" in said
    assert greengrass.changes == []
    assert json.loads(greengrass.bucket.objects[LOCK]) == OTHER


def test_a_lock_never_expires_by_itself(
    run: Run, greengrass: FakeGreengrass, clock: FastClock
) -> None:
    lock_by_another(greengrass)
    clock.time_s = 30 * 86_400
    assert run("deploy", "--send") == 1
    assert greengrass.changes == []


def test_a_dry_run_and_a_plan_need_no_lock(run: Run, greengrass: FakeGreengrass) -> None:
    lock_by_another(greengrass)
    assert run("plan") == 0
    assert run("deploy") == 0
    assert run("status") == 1


def test_a_lock_is_held_during_the_roll_out_and_released_after_it(
    run: Run, greengrass: FakeGreengrass
) -> None:
    seen: list[Json] = []

    def look(*_: Any) -> str:
        seen.append(json.loads(greengrass.bucket.objects[LOCK]))
        return "SUCCEEDED"

    greengrass.fate = look
    assert run("deploy", "--operator", "kim", "--send") == 0
    assert (seen[0]["operator"], seen[0]["command"]) == ("kim", "deploy line.yaml")
    assert LOCK not in greengrass.bucket.objects


def test_a_refused_file_releases_the_lock(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    content["components"]["com.sightline.Telemetry"] = {"version": "9.9.9"}
    assert run("deploy", "--send") == 1
    assert LOCK not in greengrass.bucket.objects


def test_who_breaks_a_lock_says_why_and_both_names_stand_in_it(
    run: Run, greengrass: FakeGreengrass
) -> None:
    lock_by_another(greengrass)
    seen: list[Json] = []

    def look(*_: Any) -> str:
        seen.append(json.loads(greengrass.bucket.objects[LOCK]))
        return "SUCCEEDED"

    greengrass.fate = look
    assert run("deploy", "--operator", "kim", "--break-lock", "her laptop died", "--send") == 0
    assert seen[0]["operator"] == "kim"
    assert seen[0]["broken"].startswith("her laptop died (was: ann@hall-3 since 2026-11-20")


def test_who_lost_the_lock_sends_nothing_more_and_leaves_the_others_lock(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    def lose(*_: Any) -> str:
        lock_by_another(greengrass)
        return "SUCCEEDED"

    greengrass.fate = lose
    assert run("deploy", "--send") == 1
    assert "was broken by ann@hall-3" in capsys.readouterr().err
    assert [n for n, _ in greengrass.changes].count("CreateDeployment") == 1
    assert json.loads(greengrass.bucket.objects[LOCK]) == OTHER


def test_without_the_components_bucket_it_is_said_what_to_do(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    greengrass.bucket.exists = False
    assert run("deploy", "--send") == 1
    assert "publish the components first" in capsys.readouterr().err


def test_a_bucket_of_another_account_is_refused(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    greengrass.bucket.account = "999999999999"
    assert run("deploy", "--send") == 1
    assert "AccessDenied" in capsys.readouterr().err
    assert greengrass.changes == []


def test_the_history_says_who_sent_what(run: Run, content: Json, capsys: Capture) -> None:
    assert run("deploy", "--operator", "kim", "--send") == 0
    content["sites"]["site-1"]["product"] = "bottle-750"
    assert run("deploy", "--operator", "ann", "--send") == 0
    assert run("rollback", "--operator", "lee", "--send") == 0
    capsys.readouterr()
    assert run("history", "--site", "site-1") == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert ["lee" in rows[0], "ann" in rows[1], "kim" in rows[2]] == [True] * 3
    assert "back to deployment-00003" in rows[0]
    assert all("line.yaml" in row and "0.1.0" in row for row in rows)
