"""Planning 1,000 stations in 20 sites, against a greengrassv2 endpoint on this machine. Allowed: 10 s."""

import os

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.unit.fleet.endpoint import serving
from tests.unit.fleet.greengrass import ACCOUNT, REGION
from tests.unit.fleet.large import deployed, large_file, large_fleet
from tools.fleet.checks import Checker
from tools.fleet.cloud import connect
from tools.fleet.planning import Plan, make_plan

ALLOWED_S = 10.0


@pytest.mark.parametrize("changed", [0, 1000])
def test_plan_of_1000_stations(
    benchmark: BenchmarkFixture, changed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the file's text to the plan; with 1,000 changes each deployment is asked for, too."""
    monkeypatch.setitem(os.environ, "AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setitem(os.environ, "AWS_SECRET_ACCESS_KEY", "secret")
    greengrass = deployed(large_file(), Checker.of_checkout())
    text = large_file(publishing_interval_ms=20.0 if changed else 10.0)

    def plan() -> Plan:
        cloud = connect(REGION, ACCOUNT, address)
        return make_plan("line", large_fleet(text), Checker.of_checkout(), cloud)

    with serving(greengrass.service) as address:
        made = benchmark.pedantic(plan, rounds=3)  # type: ignore[no-untyped-call]
    assert len(made.to_do) == changed
    assert benchmark.stats is not None
    assert benchmark.stats["max"] < ALLOWED_S
