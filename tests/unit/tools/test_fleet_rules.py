"""A deployment file whose stations its components would refuse is caught."""

from tools.fleet.station_checks import StationChecker
from tools.suite_rules import (
    fleet_rules,
)


def test_a_station_of_a_deployment_file_that_its_components_would_refuse_is_caught() -> None:
    checker = StationChecker.from_checkout()
    version = checker.known_version("com.sightline.Capture")
    text = (
        "thingGroup: line\n"
        "components: {aws.greengrass.Nucleus: {version: 2.15.0}, "
        "aws.greengrass.TokenExchangeService: {version: 2.0.3}, "
        f"com.sightline.Capture: {{version: {version!r}}}, "
        f"com.sightline.Publisher: {{version: {version!r}}}}}\n"
        "sites: {one: {stations: {station-1: {merge: {com.sightline.Capture: MERGE}}}}}\n"
    )
    good = text.replace("MERGE", "{ringSlots: 4}")
    assert fleet_rules.find_refused_stations("line.yaml", good, checker) == []
    bad = fleet_rules.find_refused_stations(
        "line.yaml", text.replace("MERGE", "{ringSlots: -1}"), checker
    )
    assert "CaptureConfiguration at /ringSlots" in bad[0]
    typo = fleet_rules.find_refused_stations(
        "line.yaml", good.replace("stations:", "station:"), checker
    )
    assert "unknown field `station`" in typo[0]
    other = good.replace(f"Publisher: {{version: {version!r}", "Publisher: {version: '9.9.9'")
    assert "pinned to 9.9.9" in fleet_rules.find_refused_stations("line.yaml", other, checker)[0]
