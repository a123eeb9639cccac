"""How often the service is asked does not grow with what need not be asked."""

import pytest

from tests.unit.fleet.endpoint import serving
from tests.unit.fleet.greengrass import ACCOUNT, REGION
from tests.unit.fleet.large import deployed, large_file, large_fleet
from tools.fleet.checks import Checker
from tools.fleet.cloud import connect
from tools.fleet.planning import make_plan


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_a_plan_for_a_thousand_stations_asks_for_ten_pages_and_for_what_differs() -> None:
    checker, text = Checker.of_checkout(), large_file()
    greengrass = deployed(text, checker)
    other = text.replace("opc.tcp://10.0.7.8:4840", "opc.tcp://10.99.7.8:4840")
    with serving(greengrass.service) as address:
        cloud = connect(REGION, ACCOUNT, address)
        same = make_plan("line", large_fleet(text), checker, cloud)
        assert dict(greengrass.service.asked) == {"ListDeployments": 10}
        assert (len(same.stations), same.to_do, same.refused) == (1000, (), ())
        greengrass.service.asked.clear()
        changed = make_plan("line", large_fleet(other), checker, cloud)
        assert [entry.station.name for entry in changed.to_do] == ["station-7-8"]
        assert dict(greengrass.service.asked) == {"ListDeployments": 10, "GetDeployment": 1}
