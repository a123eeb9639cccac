"""Planning 1,000 stations in 20 sites, against a greengrassv2 endpoint on this machine. Allowed: 10 s."""

import os

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.unit.fleet.fake_aws_endpoint import serving
from tests.unit.fleet.fake_greengrass import ACCOUNT, REGION
from tests.unit.fleet.large_fleet import deployed, large_file, large_fleet
from tools.fleet.fleet_client import connect_to_fleet
from tools.fleet.fleet_plan import FleetPlan, build_fleet_plan
from tools.fleet.station_checks import StationChecker

ALLOWED_S = 10.0


@pytest.mark.parametrize("changed", [0, 1000])
def test_plan_of_1000_stations(
    benchmark: BenchmarkFixture, changed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the file's text to the plan; with 1,000 changes each deployment is asked for, too."""
    monkeypatch.setitem(os.environ, "AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setitem(os.environ, "AWS_SECRET_ACCESS_KEY", "secret")
    greengrass = deployed(large_file(), StationChecker.from_checkout())
    text = large_file(publishing_interval_ms=20.0 if changed else 10.0)

    def plan() -> FleetPlan:
        cloud = connect_to_fleet(REGION, ACCOUNT, address)
        return build_fleet_plan("line", large_fleet(text), StationChecker.from_checkout(), cloud)

    with serving(greengrass.service) as address:
        made = benchmark.pedantic(plan, rounds=3)  # type: ignore[no-untyped-call]
    assert len(made.pending) == changed
    assert benchmark.stats is not None
    assert benchmark.stats["max"] < ALLOWED_S
