"""What would change is told before, checked before, and sent as the service's own model wants it."""

import json
from typing import Any

import pytest

from tests.unit.fleet.conftest import VERSION, Run, list_names
from tests.unit.fleet.fake_greengrass import FakeGreengrass, thing

Json = dict[str, Any]
Capture = pytest.CaptureFixture[str]


def test_a_plan_names_every_station_and_sends_nothing(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    assert run("plan") == 0
    said = capsys.readouterr().out
    assert all(f"{name}: new" in said for name in list_names(content))
    assert "12 of 12 stations" in said
    assert greengrass.service.asked["CreateDeployment"] == 0


def test_deploy_is_a_dry_run_that_prints_exactly_what_send_sends(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert run("deploy") == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert greengrass.deployments == {}
    assert run("deploy", "--send") == 0
    sent = [r for name, r in greengrass.service.requests if name == "CreateDeployment"]
    assert [entry["request"] for entry in printed] == sent
    assert {entry["operation"] for entry in printed} == {"CreateDeployment"}


def test_a_station_gets_its_pinned_versions_its_own_words_and_the_policies(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    content["sites"]["site-1"] |= {"products": {"1": "bottle"}, "models": ["cap"]}
    content["sites"]["site-1"]["stations"]["station-1-2"]["product"] = "bottle"
    assert run("deploy", "--send", "--station", "station-1-2") == 0
    (deployment,) = greengrass.deployments.values()
    assert deployment["targetArn"] == thing("station-1-2")
    components = deployment["components"]
    versions = {name: component["componentVersion"] for name, component in components.items()}
    assert {versions[name] for name in versions if name.startswith("com.")} == {VERSION}
    assert versions["aws.greengrass.Nucleus"] == "2.15.0"
    merges = {
        n: json.loads(c.get("configurationUpdate", {}).get("merge", "{}"))
        for n, c in components.items()
    }
    assert merges["com.sightline.Publisher"] == {"siteId": "site-1", "lineId": "line-2"}
    assert (
        merges["com.sightline.Equipment"]["link"]["opcua"]["endpoint"] == "opc.tcp://10.0.1.2:4840"
    )
    assert merges["com.sightline.Capture"]["source"]["cameras"]["cam3"] == {"node": "/dev/video3"}
    assert merges["com.sightline.Capture"]["deadlineMs"] == 500.0
    assert merges["com.sightline.Capture"]["product"] == "bottle"
    assert merges["com.sightline.Equipment"]["products"] == {"1": "bottle"}
    assert merges["com.sightline.Inference"]["models"] == [{"name": "cap"}]
    assert deployment["deploymentPolicies"] == {
        "failureHandlingPolicy": "ROLLBACK",
        "componentUpdatePolicy": {"timeoutInSeconds": 60, "action": "NOTIFY_COMPONENTS"},
        "configurationValidationPolicy": {"timeoutInSeconds": 20},
    }


def test_the_stations_word_wins_over_the_sites_and_the_sites_over_the_kinds(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    site = content["sites"]["site-0"]
    site |= {"line": "of-the-site", "merge": {"com.sightline.Capture": {"deadlineMs": 600}}}
    del site["stations"]["station-0-1"]["line"]
    site["stations"]["station-0-2"]["merge"] = {"com.sightline.Capture": {"deadlineMs": 700}}
    assert run("deploy", "--send") == 0
    found = {}
    for deployment in greengrass.deployments.values():
        merges = {
            name: json.loads(component.get("configurationUpdate", {}).get("merge", "{}"))
            for name, component in deployment["components"].items()
        }
        line = merges["com.sightline.Publisher"]["lineId"]
        found[deployment["targetArn"]] = (line, merges["com.sightline.Capture"]["deadlineMs"])
    assert found[thing("station-1-1")] == ("line-1", 500.0)
    assert found[thing("station-0-1")] == ("of-the-site", 600)
    assert found[thing("station-0-2")] == ("line-2", 700)


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
    assert len(greengrass.deployments) == 12


def test_a_fleet_that_is_as_wanted_gets_nothing_and_is_hardly_asked(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert run("deploy", "--send") == 0
    greengrass.service.asked.clear()
    assert run("plan") == 0
    assert "0 of 12 stations" in capsys.readouterr().out
    assert dict(greengrass.service.asked) == {"ListDeployments": 1}


def test_one_changed_station_is_the_only_one_that_gets_a_deployment(
    run: Run, greengrass: FakeGreengrass, content: Json, capsys: Capture
) -> None:
    assert run("deploy", "--send") == 0
    content["sites"]["site-0"]["stations"]["station-0-1"]["plc"] = "modbus-tcp://10.9.9.9:502"
    capsys.readouterr()
    assert run("plan") == 0
    said = capsys.readouterr().out
    assert "site-0/station-0-1: changed\n" in said
    assert 'com.sightline.Equipment /link/kind: "opcua" -> "modbus"' in said
    assert "com.sightline.Equipment /link/opcua/endpoint: " in said
    assert "-> default" in said
    assert "1 of 12 stations" in said
    assert run("deploy", "--send") == 0
    assert len(greengrass.deployments) == 13


def test_what_a_station_had_before_does_not_linger(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    run("deploy", "--send", "--station", "station-0-0")
    (deployment,) = greengrass.deployments.values()
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
        (
            "aws.greengrass.NucleusLite",
            {"version": "2.6.0"},
            "never gets a deployment to a single thing",
        ),
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


def test_a_deployment_that_failed_is_sent_again(
    run: Run, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    greengrass.fate = lambda station, _: "FAILED" if station == "station-1-1" else "SUCCEEDED"
    assert run("deploy", "--send") == 1
    assert "station-1-1: FAILED: com.sightline.Capture is BROKEN" in capsys.readouterr().out
    greengrass.fate = lambda *_: (
        "FAILED" if _[1]["deploymentId"] < "deployment-00013" else "SUCCEEDED"
    )
    assert run("plan", "--station", "station-1-1") == 0
    assert "station-1-1: again" in capsys.readouterr().out


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
    run("deploy", "--send", "--station", "station-0-0")
    (deployment,) = greengrass.deployments.values()
    deployment["deploymentName"] = "made by hand"
    del greengrass.deployments[deployment["deploymentId"]]
    greengrass.deployments["x"] = {**deployment, "deploymentId": "gone"}
    assert run("plan", "--station", "station-0-0") == 1
    assert "get_deployment: " in capsys.readouterr().err


def test_two_sites_are_compared(run: Run, content: Json, capsys: Capture) -> None:
    content["sites"]["site-1"]["models"] = ["surface"]
    assert run("diff", "site-0", "site-1") == 0
    said = capsys.readouterr().out
    assert "com.sightline.Inference /models  " in said
    assert '[{"name": "surface"}]' in said
    assert '4 values: "line-0"' not in said  # the lines are the same at both
    assert '"site-0"' in said
