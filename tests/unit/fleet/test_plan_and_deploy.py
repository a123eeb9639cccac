"""What would change is told before, checked before, and sent as the service's own model wants it."""

import json
from typing import Any

import pytest

from tests.unit.fleet.conftest import VERSION, Run
from tests.unit.fleet.fake_greengrass import FakeGreengrass, thing_group

Json = dict[str, Any]
Capture = pytest.CaptureFixture[str]


GROUPS = ["line-canary", "line-site-0", "line-site-1", "line-site-2"]


def merges_of(deployment: Json) -> dict[str, Json]:
    """What a deployment merges into each component."""
    return {
        name: json.loads(component.get("configurationUpdate", {}).get("merge", "{}"))
        for name, component in deployment["components"].items()
    }


def test_a_plan_names_every_group_and_sends_nothing(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert run("plan") == 0
    said = capsys.readouterr().out
    assert "line-canary: new, 3 stations, canary" in said
    assert all(f"{name}: new, 3 stations" in said for name in GROUPS)
    assert all(f"thing group {name}: is created" in said for name in GROUPS)
    assert "com.sightline.settings.Line 1.0.0: is published" in said
    assert "station-1-2 joins" in said
    assert "4 of 4 groups would change (12 provisioned stations)" in said
    assert greengrass.changes == []


def test_deploy_is_a_dry_run_that_prints_exactly_what_send_sends(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    words = ("--operator", "kim")
    assert run("deploy", *words) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert greengrass.changes == []
    assert greengrass.bucket.objects == {}
    assert run("deploy", *words, "--send") == 0
    sent = [
        (name, json.loads(json.dumps(r, default=bytes.decode))) for name, r in greengrass.changes
    ]
    put = [entry["request"] for entry in printed if entry["operation"] == "PutObject"]
    assert [e for e in printed if e["operation"] != "PutObject"] == [
        {"operation": name, "request": request} for name, request in sent
    ]
    assert [entry["Key"] for entry in put] == ["com.sightline.settings.Line/1.0.0/settings.zip"]
    assert put[0]["ExpectedBucketOwner"] == "123456789012"
    assert put[0]["Bucket"] == "sightline-components-eu-central-1-123456789012"


def test_a_group_gets_pinned_versions_the_kinds_configuration_the_jobs_pace_and_the_policies(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    content["rollout"] |= {"stationsPerMinute": 10, "growthFactor": 1.5, "maxPerMinute": 60}
    assert run("deploy", "--send") == 0
    by_target = {entry["targetArn"]: entry for entry in greengrass.deployments.values()}
    assert set(by_target) == {thing_group(name) for name in GROUPS}
    deployment = by_target[thing_group("line-site-1")]
    components = deployment["components"]
    versions = {name: component["componentVersion"] for name, component in components.items()}
    assert versions.pop("com.sightline.settings.Line") == "1.0.0"
    assert {versions[name] for name in versions if name.startswith("com.")} == {VERSION}
    assert versions["aws.greengrass.Nucleus"] == "2.15.0"
    assert merges_of(deployment)["com.sightline.Capture"] == {
        "source": {"kind": "v4l2"},
        "deadlineMs": 500.0,
        "settingsVersion": "1.0.0",  # with these settings and no others
    }
    ours = {"com.sightline.Equipment", "com.sightline.Telemetry", "com.sightline.Publisher"}
    assert all(merges_of(deployment)[name] == {"settingsVersion": "1.0.0"} for name in ours)
    assert merges_of(deployment)["com.sightline.model.Cap"] == {}
    assert deployment["deploymentPolicies"] == {
        "failureHandlingPolicy": "ROLLBACK",
        "componentUpdatePolicy": {"timeoutInSeconds": 60, "action": "NOTIFY_COMPONENTS"},
        "configurationValidationPolicy": {"timeoutInSeconds": 20},
    }
    rule = {
        "failureType": "ALL",
        "action": "CANCEL",
        "thresholdPercentage": 5.0,
        "minNumberOfExecutedThings": 5,
    }
    assert deployment["iotJobConfiguration"] == {
        "jobExecutionsRolloutConfig": {
            "exponentialRate": {
                "baseRatePerMinute": 10,
                "incrementFactor": 1.5,
                "rateIncreaseCriteria": {"numberOfSucceededThings": 10},
            },
            "maximumPerMinute": 60,
        },
        "abortConfig": {"criteriaList": [rule]},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 5},
    }
    canary = by_target[thing_group("line-canary")]["iotJobConfiguration"]["abortConfig"]
    one = rule | {"thresholdPercentage": 0.01, "minNumberOfExecutedThings": 1}
    assert canary == {"criteriaList": [one]}  # one failure among canaries


@pytest.mark.parametrize(
    ("factor", "rate"), [(1, {"maximumPerMinute": 10}), (1.05, {"maximumPerMinute": 10})]
)
def test_a_pace_that_does_not_grow_is_a_constant_one(
    run: Run, greengrass: FakeGreengrass, content: Json, factor: float, rate: Json
) -> None:
    content["rollout"] |= {"growthFactor": factor}
    assert run("deploy", "--send", "--site", "site-0") == 0
    for deployment in greengrass.deployments.values():
        assert deployment["iotJobConfiguration"]["jobExecutionsRolloutConfig"] == rate


@pytest.mark.parametrize(
    ("component", "merge", "said"),
    [
        ("aws.greengrass.TokenExchangeService", {"port": 1}, "reads no settings of a station"),
        ("com.sightline.model.Cap", {"stationFolder": "/x"}, "reads no settings of a station"),
        ("com.sightline.Capture", {"stationFolder": "/x"}, "sets stationFolder of"),
        ("com.sightline.Capture", {"accessControl": {}}, "sets accessControl of"),
        ("com.sightline.Capture", {"settingsVersion": "1.0.0"}, "sets settingsVersion of"),
        ("com.sightline.Other", {}, "which is missing from /components"),
    ],
)
def test_what_no_station_can_have_of_its_own_is_refused(
    run: Run, content: Json, capsys: Capture, component: str, merge: Json, said: str
) -> None:
    content["sites"]["site-0"]["merge"] = {component: merge}
    assert run("plan", "--offline") == 1
    words = capsys.readouterr().err
    assert "site-0 " in words
    assert said in words


def test_what_a_component_would_refuse_is_refused_before_anything_is_sent(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    station = content["sites"]["site-2"]["stations"]["station-2-3"]
    station["merge"] = {"com.sightline.Capture": {"ringSlots": 0}}
    assert run("plan") == 1
    said = capsys.readouterr().out
    assert (
        "station-2-3 at /components/com.sightline.Capture: CaptureConfiguration at /ringSlots"
        in said
    )
    assert run("deploy", "--send") == 1
    assert greengrass.deployments == {}


def test_a_version_that_this_checkout_cannot_check_needs_a_word(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    content["components"]["com.sightline.Telemetry"] = {"version": "9.9.9"}
    assert run("deploy", "--send") == 1
    assert "pinned to 9.9.9" in capsys.readouterr().err
    assert greengrass.deployments == {}
    assert run("deploy", "--send", "--unchecked") == 0
    assert len(greengrass.deployments) == 4


def test_a_fleet_that_is_as_wanted_gets_nothing_and_no_station_is_asked(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert run("deploy", "--send") == 0
    for service in (greengrass.service, greengrass.iot):
        service.asked.clear()
    greengrass.bucket.asked.clear()
    assert run("plan") == 0
    assert "0 of 4 groups" in capsys.readouterr().out
    assert dict(greengrass.service.asked) == {
        "ListDeployments": 1,
        "GetDeployment": 4,
        "ListCoreDevices": 1,
    }
    assert dict(greengrass.iot.asked) == {
        "ListThingGroups": 1,
        "DescribeThingGroup": 5,
        "ListThingsInThingGroup": 5,
        "ListJobExecutionsForJob": 4,
    }
    assert not greengrass.bucket.asked
    before = len(greengrass.changes)
    assert run("deploy", "--send") == 0
    assert len(greengrass.changes) == before


def test_one_changed_station_changes_its_group_alone_and_every_station_gets_to_know_it(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    assert run("deploy", "--send") == 0
    content["sites"]["site-0"]["stations"]["station-0-1"]["plc"] = "modbus-tcp://10.9.9.9:502"
    capsys.readouterr()
    assert run("plan") == 0
    said = capsys.readouterr().out
    assert "line-site-0: changed, 3 stations\n" in said
    assert "com.sightline.settings.Line 1.0.0 -> 1.0.1" in said
    assert 'station-0-1: com.sightline.Equipment /link/kind: "opcua" -> "modbus"' in said
    assert "station-0-1: com.sightline.Equipment /link/opcua/endpoint: " in said
    assert "-> default" in said
    assert "station-0-2" not in said
    assert "1 of 4 groups" in said
    assert run("deploy", "--send") == 0
    assert len(greengrass.deployments) == 5
    latest = list(greengrass.deployments.values())[-1]
    assert latest["targetArn"] == thing_group("line-site-0")
    assert latest["components"]["com.sightline.settings.Line"]["componentVersion"] == "1.0.1"


def test_what_a_station_had_before_does_not_linger(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    run("deploy", "--send")
    deployment = next(iter(greengrass.deployments.values()))
    resets = {
        name: component.get("configurationUpdate", {}).get("reset")
        for name, component in deployment["components"].items()
    }
    aws = {name for name in resets if name.startswith("aws.")}
    assert len(aws) == 2
    assert {name for name, reset in resets.items() if reset is None} == aws  # AWS's stays as it is
    assert {tuple(reset) for reset in resets.values() if reset} == {
        ("",)
    }  # ours: all, before the merge


@pytest.mark.parametrize(
    ("name", "component", "said"),
    [
        ("aws.greengrass.Nucleus", None, "aws.greengrass.Nucleus: not pinned"),
        ("aws.greengrass.TokenExchangeService", None, "TokenExchangeService: not pinned"),
        (
            "aws.greengrass.TokenExchangeService",
            {"version": "3.0.0"},
            "pinned to 3.0.0; >=2.0.3 <3.0.0",
        ),
        ("com.sightline.settings.Line", {"version": "1.0.0"}, "the fleet tool adds this one"),
        (
            "aws.greengrass.Nucleus",
            {"version": "2.15.0", "configurationUpdate": {"reset": [""]}},
            "the role alias and the endpoints",
        ),
        ("com.sightline.driver.Cameras", None, "source v4l2 without com.sightline.driver.Cameras"),
    ],
)
def test_what_would_cut_a_station_off_or_leave_it_blind_is_refused(
    run: Run,
    greengrass: FakeGreengrass,
    content: Json,
    capsys: Capture,
    name: str,
    component: Json | None,
    said: str,
) -> None:
    content["components"].pop(name, None)
    if component is not None:
        content["components"][name] = component
    assert run("plan") == 1
    assert said in capsys.readouterr().out
    assert run("deploy", "--send") == 1
    assert greengrass.deployments == {}


def test_a_trigger_by_gpio_needs_the_drivers_too(run: Run, content: Json, capsys: Capture) -> None:
    del content["components"]["com.sightline.driver.Cameras"]
    for site in content["sites"].values():
        del site["cameras"]
    merge = content["components"]["com.sightline.Capture"]["configurationUpdate"]["merge"]
    merge.clear()
    assert run("plan") == 0  # pictures, and a trigger that the PLC tells
    capsys.readouterr()
    merge["trigger"] = {"kind": "gpio"}
    assert run("plan") == 1
    assert "trigger gpio without com.sightline.driver.Cameras" in capsys.readouterr().out


def test_who_may_have_components_started_again_needs_the_nucleuss_service_for_it(
    run: Run, content: Json, capsys: Capture
) -> None:
    allowed = [{"kind": "restart_component", "issuers": ["engineer"]}]
    content["components"]["com.sightline.Publisher"] = {
        **content["components"]["com.sightline.Publisher"],
        "configurationUpdate": {"merge": {"commands": {"allowed": allowed}}},
    }
    assert run("plan") == 1
    assert "aws.greengrass.Cli: not pinned" in capsys.readouterr().out
    content["components"]["aws.greengrass.Cli"] = {"version": "2.15.0"}
    run("plan")
    assert "not pinned" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "folder",
    ["/var/lib/$(id)", "a`id`", 'a"; id; "', "a b", "a\nb", "--store", "ä", "", "a\\b", "a;b"],
)
@pytest.mark.parametrize("component", ["com.sightline.model.Cap", "com.sightline.Capture"])
def test_a_text_that_reaches_a_script_is_refused_if_it_is_more_than_a_path(
    run: Run, content: Json, capsys: Capture, folder: str, component: str
) -> None:
    content["components"][component] = {
        "version": VERSION,
        "configurationUpdate": {"merge": {"stationFolder": folder}},
    }
    assert run("plan") == 1
    assert "/stationFolder: found" in capsys.readouterr().out


def test_components_that_would_look_for_the_settings_in_different_folders_are_refused(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    merge = content["components"]["com.sightline.Capture"]["configurationUpdate"]["merge"]
    merge["stationFolder"] = "/data/station"
    assert run("plan") == 1
    said = capsys.readouterr().out
    assert "different folders, /stationFolder = /data/station, /var/lib/sightline" in said
    for name in ("Inference", "Equipment", "Telemetry", "Publisher"):
        folder = {"configurationUpdate": {"merge": {"stationFolder": "/data/station"}}}
        content["components"][f"com.sightline.{name}"] = {"version": VERSION, **folder}
    assert run("deploy", "--send") == 0
    deployment = next(iter(greengrass.deployments.values()))
    assert merges_of(deployment)["com.sightline.settings.Line"] == {
        "stationFolder": "/data/station"
    }


def test_a_deployment_that_failed_on_a_station_is_sent_again(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    greengrass.fate = lambda station, _: "FAILED" if station == "station-2-1" else "SUCCEEDED"
    assert run("deploy", "--send") == 1
    said = capsys.readouterr().out
    assert "station-2-1: FAILED: com.sightline.Capture is BROKEN" in said
    assert run("plan") == 0
    said = capsys.readouterr().out
    assert "line-site-2: again" in said
    assert "1 of 4 groups" in said
    greengrass.fate = lambda *_: "SUCCEEDED"
    assert run("deploy", "--send") == 0
    assert run("plan") == 0
    assert "0 of 4 groups" in capsys.readouterr().out


def test_an_unknown_site_or_a_broken_file_is_named(
    run: Run, content: Json, capsys: Capture
) -> None:
    assert run("plan", "--site", "site-9") == 1
    assert "no site 'site-9' in the file; it has site-0, site-1, site-2" in capsys.readouterr().err
    content["rollout"]["stationsPerMinute"] = 0
    assert run("plan") == 1
    assert "line.yaml at /rollout/stationsPerMinute: Expected" in capsys.readouterr().err
    content["rollout"] = {}
    content["sites"]["site-1"]["stations"]["station-0-0"] = {}
    assert run("plan") == 1
    assert "site site-0 already has this station" in capsys.readouterr().err


def test_what_the_service_answers_is_told(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    run("deploy", "--send")
    key, deployment = next(iter(greengrass.deployments.items()))
    greengrass.deployments[key] = {**deployment, "deploymentId": "gone"}
    assert run("plan") == 1
    assert "get_deployment: " in capsys.readouterr().err


def test_two_sites_are_compared(run: Run, content: Json, capsys: Capture) -> None:
    content["sites"]["site-1"]["models"] = ["surface"]
    assert run("diff", "site-0", "site-1") == 0
    said = capsys.readouterr().out
    assert "com.sightline.Inference /models  " in said
    assert '[{"name": "surface"}]' in said
    assert '4 values: "line-0"' not in said  # the lines are the same at both
    assert '"site-0"' in said
