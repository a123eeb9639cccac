"""What is wrong is refused with a clear word, while a whole station runs; nothing is lost by it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import psutil
import pytest
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from sightline.messaging.messages import PartCaptured
from sightline.messaging.topics import INFERENCE, PART_CAPTURED
from sightline.storage.model_store import store_model
from tests.pipeline.conftest import StartStation
from tests.pipeline.running_station import Json, RunningStation

pytestmark = pytest.mark.station
MOST_PARTS = 600  # the line runs until all was tried
WRONG_MESSAGES = (
    b"no JSON at all",
    b'{"station_id": "x", "part": "the first one"}',
    b'{"station_id": "x", "schema_version": 99}',
    b'{"station_id": "' + b"x" * 6700 + b'"}',
)


@contextmanager
def connected_as(station: RunningStation, component: str) -> Iterator[GreengrassCoreIPCClientV2]:
    """A second connection with a component's own token, as a faulty version of it would have."""
    process = psutil.Process(int(station.components()[component]["pid"]))
    given = process.environ()
    ipc = connect(
        ipc_socket=given["AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"],
        authtoken=given["SVCUID"],
    )
    client = GreengrassCoreIPCClientV2(client=ipc)
    yield client
    client.close()


def health_of(station: RunningStation, component: str) -> Json:
    """What the component reports of itself, as the cloud side has it."""
    health: Json = station.machine.fetch_cloud_summary()["health"][component]
    return health


def fault_text(station: RunningStation, component: str, code: str) -> str:
    """The words of a fault, or nothing."""
    faults = health_of(station, component)["faults"]
    return next((str(fault["text"]) for fault in faults if fault["code"] == code), "")


def test_wrong_messages_configurations_and_models_are_refused_and_no_part_suffers(
    start_station: StartStation, tmp_path: Path
) -> None:
    station = start_station(MOST_PARTS, rate_hz=3)
    station.wait_for_parts(3)
    _send_wrong_messages(station)
    _give_wrong_configuration(station)
    _install_broken_model(station, tmp_path)
    station.wait_for_parts(station.counted() + 3)
    station.stop_line()
    records = station.records()
    assert [record["partNumber"] for record in records] == list(range(1, station.counted() + 1))
    assert not [record for record in records if record["verdict"] == "missed"]
    assert len({str(record["models"]) for record in records}) == 1
    assert not any(component["restarts"] for component in station.components().values())


def _send_wrong_messages(station: RunningStation) -> None:
    topic = PART_CAPTURED.build_topic(station.arguments.station)
    with connected_as(station, "com.sightline.Capture") as client:
        for payload in WRONG_MESSAGES:
            message = model.PublishMessage(binary_message=model.BinaryMessage(message=payload))
            client.publish_to_topic(topic=topic, publish_message=message)
    station.wait_for(
        "all wrong messages refused",
        lambda: (
            health_of(station, INFERENCE)["counters"].get("messages_refused") == len(WRONG_MESSAGES)
        ),
    )
    log = (station.folder / "nucleus" / "logs" / f"{INFERENCE}.log").read_text()
    assert "found schema version 99; known is 1" in log
    assert "at most 6656 are allowed" in log
    assert PartCaptured.__name__ in log


def _give_wrong_configuration(station: RunningStation) -> None:
    with connected_as(station, INFERENCE) as client:
        _merge(client, {"policy": {"productScore": "plenty"}})
        station.wait_for(
            "the refusal",
            lambda: (
                "/policy/productScore" in fault_text(station, INFERENCE, "configuration-refused")
            ),
        )
        assert "plenty" in fault_text(station, INFERENCE, "configuration-refused")
        _merge(client, {"policy": {"productScore": "0.5"}})
        station.wait_for(
            "the correction", lambda: not fault_text(station, INFERENCE, "configuration-refused")
        )


def _merge(client: GreengrassCoreIPCClientV2, values: Json) -> None:
    client.update_configuration(
        key_path=[], timestamp=datetime.now(timezone.utc), value_to_merge=values
    )


def _install_broken_model(station: RunningStation, folder: Path) -> None:
    broken = folder / "broken"
    broken.mkdir()
    (broken / "model.onnx").write_bytes(b"this is no model")
    store_model(broken, "surface", station.folder / "station" / "models")
    station.wait_for(
        "the refusal",
        lambda: "cannot be loaded as a model" in fault_text(station, INFERENCE, "model-surface"),
    )
