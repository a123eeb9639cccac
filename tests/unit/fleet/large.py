"""A fleet of 1,000 stations in 20 sites, and a service that has deployed it."""

import yaml

from tests.unit.fleet.conftest import fleet_file
from tests.unit.fleet.greengrass import ACCOUNT, REGION, Greengrass
from tools.fleet.checks import Checker
from tools.fleet.desired import DesiredStation, stations_of
from tools.fleet.files import parse
from tools.fleet.planning import make_plan
from tools.fleet.requests import Place

SITES, STATIONS_OF_A_SITE = 20, 50
PLACE = Place(REGION, ACCOUNT)


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
    return stations_of(parse("large.yaml", text))


def deployed(text: str, checker: Checker) -> Greengrass:
    """A service whose 1,000 stations have what the text asks for."""
    plan = make_plan("line", large_fleet(text), checker, None)
    greengrass = Greengrass([entry.station.name for entry in plan.stations])
    for request in plan.requests(PLACE):
        greengrass.create_deployment(request)
    return greengrass
