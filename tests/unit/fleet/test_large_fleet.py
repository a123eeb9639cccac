"""How often the service is asked does not grow with what need not be asked."""

import pytest

from tests.unit.fleet.fake_aws_endpoint import serving
from tests.unit.fleet.fake_greengrass import ACCOUNT, REGION
from tests.unit.fleet.large_fleet import deployed, large_file, large_fleet
from tools.fleet.fleet_client import connect_to_fleet
from tools.fleet.fleet_plan import build_fleet_plan
from tools.fleet.station_checks import StationChecker


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_a_plan_for_a_thousand_stations_asks_for_ten_pages_and_for_what_differs() -> None:
    checker, text = StationChecker.from_checkout(), large_file()
    greengrass = deployed(text, checker)
    other = text.replace("opc.tcp://10.0.7.8:4840", "opc.tcp://10.99.7.8:4840")
    with serving(greengrass.service) as address:
        cloud = connect_to_fleet(REGION, ACCOUNT, address)
        same = build_fleet_plan("line", large_fleet(text), checker, cloud)
        assert dict(greengrass.service.asked) == {"ListDeployments": 10}
        assert (len(same.stations), same.pending, same.refused) == (1000, (), ())
        greengrass.service.asked.clear()
        changed = build_fleet_plan("line", large_fleet(other), checker, cloud)
        assert [entry.station.name for entry in changed.pending] == ["station-7-8"]
        assert dict(greengrass.service.asked) == {"ListDeployments": 10, "GetDeployment": 1}
