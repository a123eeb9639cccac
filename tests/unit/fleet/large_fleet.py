"""A fleet of 1,000 stations in 20 sites, and an account in which they are provisioned."""

from collections import Counter

import yaml

from tests.unit.fleet.conftest import fleet_file, list_names
from tests.unit.fleet.fake_greengrass import FakeGreengrass

SITES, STATIONS_OF_A_SITE = 20, 50


def large_file(publishing_interval_ms: float = 10.0) -> str:
    """The file's text; another interval changes every station."""
    content = fleet_file(SITES, STATIONS_OF_A_SITE)
    merge = {"link": {"opcua": {"publishingIntervalMs": publishing_interval_ms}}}
    pinned = content["components"]["com.sightline.Telemetry"]
    changed = {**pinned, "configurationUpdate": {"merge": merge}}
    content["components"]["com.sightline.Equipment"] = changed
    return yaml.dump(content, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def provisioned(text: str) -> FakeGreengrass:
    """An account whose 1,000 stations are in the kind's group and have no deployment yet."""
    return FakeGreengrass(
        list_names(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    )


def count_requests(greengrass: FakeGreengrass) -> Counter[str]:
    """The requests since the last call, by operation."""
    asked = greengrass.service.asked + greengrass.iot.asked + greengrass.bucket.asked
    for counter in (greengrass.service.asked, greengrass.iot.asked, greengrass.bucket.asked):
        counter.clear()
    return asked
