"""A fleet of 1,000 stations in 20 sites, and a service that has deployed it."""

import yaml

from tests.unit.fleet.conftest import fleet_file
from tests.unit.fleet.fake_greengrass import ACCOUNT, REGION, FakeGreengrass
from tools.fleet.deployment_file import parse_deployment_file
from tools.fleet.deployment_requests import AwsLocation
from tools.fleet.desired_state import DesiredStation, build_desired_stations
from tools.fleet.fleet_plan import build_fleet_plan
from tools.fleet.station_checks import StationChecker

SITES, STATIONS_OF_A_SITE = 20, 50
PLACE = AwsLocation(REGION, ACCOUNT)


def large_file(publishing_interval_ms: float = 10.0) -> str:
    """The file's text; another interval changes every station."""
    content = fleet_file(SITES, STATIONS_OF_A_SITE)
    merge = {"link": {"opcua": {"publishingIntervalMs": publishing_interval_ms}}}
    pinned = content["components"]["com.sightline.Telemetry"]
    changed = {**pinned, "configurationUpdate": {"merge": merge}}
    content["components"]["com.sightline.Equipment"] = changed
    return yaml.dump(content, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def large_fleet(text: str) -> list[DesiredStation]:
    """The stations of a text."""
    return build_desired_stations(parse_deployment_file("large.yaml", text))


def deployed(text: str, checker: StationChecker) -> FakeGreengrass:
    """A service whose 1,000 stations have what the text asks for."""
    plan = build_fleet_plan("line", large_fleet(text), checker, None)
    greengrass = FakeGreengrass([entry.station.name for entry in plan.stations])
    for request in plan.build_requests(PLACE):
        greengrass.create_deployment(request)
    return greengrass
