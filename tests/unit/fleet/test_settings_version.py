"""What is a station's own travels in a settings component, whose version follows its content."""

from typing import Any

from tests.unit.fleet.conftest import Run, list_names, read_settings
from tests.unit.fleet.fake_greengrass import FakeGreengrass, thing_group

Json = dict[str, Any]


def test_what_is_a_stations_own_travels_in_the_settings_component(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    content["sites"]["site-1"] |= {"products": {"1": "bottle"}, "models": ["cap"]}
    content["sites"]["site-1"]["stations"]["station-1-2"]["product"] = "bottle"
    assert run("deploy", "--send") == 0
    settings = read_settings(greengrass, "1.0.0")
    assert set(settings) == set(list_names(content))
    own = settings["station-1-2"]
    assert (own["schema_version"], own["thing"], own["site"]) == (1, "station-1-2", "site-1")
    components = own["components"]
    assert components["com.sightline.Publisher"] == {"siteId": "site-1", "lineId": "line-2"}
    assert (
        components["com.sightline.Equipment"]["link"]["opcua"]["endpoint"]
        == "opc.tcp://10.0.1.2:4840"
    )
    assert components["com.sightline.Equipment"]["products"] == {"1": "bottle"}
    assert components["com.sightline.Capture"]["source"]["cameras"]["cam3"] == {
        "node": "/dev/video3"
    }
    assert components["com.sightline.Capture"]["product"] == "bottle"
    assert components["com.sightline.Inference"]["models"] == [{"name": "cap"}]
    assert "deadlineMs" not in components["com.sightline.Capture"]  # the kind's, in the deployment


def test_the_stations_word_wins_over_the_sites(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    site = content["sites"]["site-0"]
    site |= {"line": "of-the-site", "merge": {"com.sightline.Capture": {"deadlineMs": 600}}}
    del site["stations"]["station-0-1"]["line"]
    site["stations"]["station-0-2"]["merge"] = {"com.sightline.Capture": {"deadlineMs": 700}}
    assert run("deploy", "--send") == 0
    settings = read_settings(greengrass, "1.0.0")
    found = {
        name: (
            own["components"]["com.sightline.Publisher"]["lineId"],
            own["components"]["com.sightline.Capture"].get("deadlineMs"),
        )
        for name, own in settings.items()
    }
    assert found["station-1-1"] == ("line-1", None)
    assert found["station-0-1"] == ("of-the-site", 600)
    assert found["station-0-2"] == ("line-2", 700)


def test_settings_that_were_published_before_keep_their_version(
    run: Run, greengrass: FakeGreengrass, content: Json
) -> None:
    for product in ("one", "two", "one"):
        content["sites"]["site-2"]["product"] = product
        assert run("deploy", "--send") == 0
    pins = [
        entry["components"]["com.sightline.settings.Line"]["componentVersion"]
        for entry in greengrass.deployments.values()
        if entry["targetArn"] == thing_group("line-site-2")
    ]
    assert pins == ["1.0.0", "1.0.1", "1.0.0"]


def test_an_artifact_whose_version_was_not_created_is_published_again(
    run: Run, greengrass: FakeGreengrass
) -> None:
    key = "com.sightline.settings.Line/1.0.0/settings.zip"
    greengrass.bucket.objects[key] = b"of an interrupted run"
    assert run("deploy", "--send") == 0
    assert greengrass.bucket.objects[key] != b"of an interrupted run"
