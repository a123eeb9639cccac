"""A station whose telemetry is a Lambda component, from the deployment file that says so."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.run.run_arguments import REPOSITORY, parse_run_arguments
from tests.pipeline.conftest import NUCLEUS
from tests.pipeline.running_station import RunningStation

DEPLOYMENT = REPOSITORY / "recipes" / "deployments" / "laptop-lambda.yaml"
pytestmark = [
    pytest.mark.station,
    pytest.mark.skipif(
        NUCLEUS == "lite", reason="Greengrass Nucleus Lite has no Lambda components"
    ),
]


@pytest.fixture
def station(tmp_path: Path, bottles: Path) -> Iterator[RunningStation]:
    arguments = parse_run_arguments(
        [
            *("--deployment", str(DEPLOYMENT), "--parts", "6", "--rate", "3", "--port", "0"),
            *("--folder", str(tmp_path / "run"), "--station", f"test-{uuid.uuid4().hex[:8]}"),
        ]
    )
    station = RunningStation(arguments, bottles)
    yield station
    station.stop()


def test_records_carry_the_state_of_the_machine_that_the_lambda_told(
    station: RunningStation,
) -> None:
    station.start()
    station.wait_until_settled()
    assert "com.sightline.TelemetryLambda" in station.components()
    assert "com.sightline.Telemetry" not in station.components()
    records = station.records()
    assert len(records) == 6
    last = records[-1]
    assert last["machine"]["status"] == last["productionLineStatus"] == "running"
    assert 2 < last["machine"]["values"]["motor_current"] < 6
    assert last["machine"]["ageS"] < 5
    health = station.machine.fetch_cloud_summary()["health"]["com.sightline.Telemetry"]
    assert health["ready"]
    assert health["counters"]["states_to_cloud"] > 0
