"""A message of 1 KB through the nucleus: from the publishing call to the subscriber's callback."""

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from pytest_benchmark.fixture import BenchmarkFixture

from tests.unit.nucleus.running_nucleus import RecipeBuilder, nucleus, wait_until

NAME = "com.example.Idle"
TOPIC = "bench/message"
MAX_MESSAGE_MEDIAN_S = 1e-3


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    """The unmodified client of the SDK, connected to a nucleus process as one of its components."""
    idle = RecipeBuilder(NAME, run="exec sleep 600")
    allowed = {
        "operations": ["aws.greengrass#PublishToTopic", "aws.greengrass#SubscribeToTopic"],
        "resources": ["bench/*"],
    }
    idle.configuration = {"accessControl": {"aws.greengrass.ipc.pubsub": {"1": allowed}}}
    with nucleus(tmp_path, [idle]) as running:
        running.wait_for_state(NAME, "RUNNING")
        given = wait_until(lambda: _environment(int(running.component(NAME)["pid"])))
        ipc = connect(
            ipc_socket=given["AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"],
            authtoken=given["SVCUID"],
        )
        client = GreengrassCoreIPCClientV2(client=ipc, executor=None)
        yield client
        client.close()


def _environment(pid: int) -> dict[str, str]:
    """What the component was given; empty while its process is not there yet."""
    try:
        given = psutil.Process(pid).environ()
    except psutil.Error:
        return {}
    return given if "SVCUID" in given else {}


def test_a_message_of_one_kilobyte_from_publisher_to_subscriber(
    benchmark: BenchmarkFixture, client: Any
) -> None:
    arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    client.subscribe_to_topic(
        topic=TOPIC,
        on_stream_event=lambda event: arrived.put(event.binary_message.message),
        on_stream_error=lambda error: False,
        on_stream_closed=lambda: None,
    )
    message = model.PublishMessage(binary_message=model.BinaryMessage(message=b"x" * 1024))

    def there_and_back() -> bytes:
        client.publish_to_topic_async(topic=TOPIC, publish_message=message)
        return arrived.get(timeout=5)

    assert benchmark(there_and_back) == b"x" * 1024
    assert benchmark.stats is not None
    assert benchmark.stats.stats.median <= MAX_MESSAGE_MEDIAN_S
