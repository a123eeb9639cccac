"""A fleet of Nucleus 2.x and Lite stations takes a roll-out by the same file."""

from typing import Any

import pytest

from tests.unit.fleet.conftest import VERSION, Run
from tests.unit.fleet.fake_greengrass import FakeGreengrass, thing_group

Json = dict[str, Any]
Capture = pytest.CaptureFixture[str]
OF_CLASSIC = {
    *("aws.greengrass.Nucleus", "aws.greengrass.TokenExchangeService"),
    *("aws.greengrass.Cli", "aws.greengrass.LogManager"),
}
OF_LITE = {"aws.greengrass.NucleusLite", "aws.greengrass.SystemLogForwarder"}


@pytest.fixture
def lite(content: Json, greengrass: FakeGreengrass) -> list[str]:
    """Site-2, canary included, and one station of site-1 run Nucleus Lite."""
    content["sites"]["site-2"]["nucleus"] = "lite"
    content["sites"]["site-1"]["stations"]["station-1-3"]["nucleus"] = "lite"
    content["components"]["aws.greengrass.NucleusLite"] = {"version": "2.6.0"}
    content["components"]["aws.greengrass.Cli"] = {"version": "2.15.0"}
    content["components"]["aws.greengrass.LogManager"] = {"version": "2.3.10"}
    content["components"]["aws.greengrass.SystemLogForwarder"] = {"version": "2.1.0"}
    names = ["station-1-3", *(f"station-2-{number}" for number in range(4))]
    for name in names:
        greengrass.nuclei[name].is_lite = True
    return names


def test_both_nuclei_get_their_components_by_group_deployments_from_one_file(
    run: Run, greengrass: FakeGreengrass, lite: list[str]
) -> None:
    assert run("deploy", "--send") == 0
    for name, nucleus in greengrass.nuclei.items():
        ours = {n for n in nucleus.running if n.startswith("com.sightline")}
        assert len(ours) == 9, name
        aws = set(nucleus.running) - ours
        assert aws == (OF_LITE if name in lite else OF_CLASSIC), name
    assert run("status") == 0


def test_the_groups_are_by_nucleus_and_both_nuclei_have_a_canary(
    run: Run, greengrass: FakeGreengrass, lite: list[str]
) -> None:
    assert run("deploy", "--send") == 0
    order = [entry["targetArn"].split("/")[-1] for entry in greengrass.deployments.values()]
    assert order == [
        "line-canary",
        "line-canary-lite",
        "line-site-0",
        "line-site-1",
        "line-site-1-lite",
        "line-site-2-lite",
    ]
    assert greengrass.groups["line-canary-lite"] == {"station-2-0"}


def test_a_lite_canary_that_fails_stops_both(
    run: Run, greengrass: FakeGreengrass, lite: list[str]
) -> None:
    greengrass.fate = lambda station, _: "FAILED" if station == "station-2-0" else "SUCCEEDED"
    assert run("deploy", "--send") == 1
    assert len(greengrass.deployments) == 2
    assert all(entry.get("canceled") for entry in greengrass.deployments.values())


def test_a_lite_station_that_the_file_calls_classic_is_refused_and_the_other_way_round(
    run: Run, content: Json, greengrass: FakeGreengrass, lite: list[str], capsys: Capture
) -> None:
    greengrass.nuclei["station-0-2"].is_lite = True
    greengrass.nuclei["station-1-3"].is_lite = False
    assert run("deploy", "--send") == 1
    said = capsys.readouterr().err
    assert "station-0-2 runs nucleus lite, the file has classic; write `nucleus: lite`" in said
    assert "station-1-3 runs nucleus classic, the file has lite" in said
    assert greengrass.changes == []


def test_a_fleet_of_lite_alone_needs_no_pin_of_what_only_2x_has(
    run: Run, content: Json, greengrass: FakeGreengrass
) -> None:
    for site in content["sites"].values():
        site["nucleus"] = "lite"
    for nucleus in greengrass.nuclei.values():
        nucleus.is_lite = True
    for name in ("aws.greengrass.Nucleus", "aws.greengrass.TokenExchangeService"):
        del content["components"][name]
    allowed = [{"kind": "restart_component", "issuers": ["engineer"]}]
    merge = {"commands": {"allowed": allowed}}
    pinned = {"version": VERSION, "configurationUpdate": {"merge": merge}}
    content["components"]["com.sightline.Publisher"] = pinned
    assert run("deploy", "--send") == 0


def test_a_version_of_nucleus_lite_that_the_stations_may_not_run_is_warned_of(
    run: Run, lite: list[str], capsys: Capture
) -> None:
    assert run("plan") == 0
    said = capsys.readouterr().out
    assert "aws.greengrass.NucleusLite 2.6.0: no deployment updates Nucleus Lite" in said


def test_what_nucleus_lite_cannot_run_is_refused_for_its_stations_only(
    run: Run, content: Json, lite: list[str], capsys: Capture
) -> None:
    del content["components"]["com.sightline.Telemetry"]
    content["components"]["com.sightline.TelemetryLambda"] = {"version": VERSION}
    assert run("plan") == 1
    refused = [line for line in capsys.readouterr().out.splitlines() if "cannot run it" in line]
    assert len(refused) == 1
    assert "com.sightline.TelemetryLambda: Nucleus Lite cannot run it" in refused[0]
    assert "station-0" not in refused[0]


def test_the_settings_of_both_are_in_one_component(
    run: Run, greengrass: FakeGreengrass, lite: list[str]
) -> None:
    assert run("deploy", "--send") == 0
    pins = {
        entry["targetArn"]: entry["components"]["com.sightline.settings.Line"]["componentVersion"]
        for entry in greengrass.deployments.values()
    }
    assert pins[thing_group("line-site-1")] == pins[thing_group("line-site-1-lite")] == "1.0.0"
