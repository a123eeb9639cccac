"""Nucleus Lite forgets subscriptions when one of its daemons restarts, and tells nobody."""

import os
import queue
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hil.nucleus.dialects.dialect import LITE
from tests.unit.nucleus.running_nucleus import RecipeBuilder, broker, nucleus, wait_until
from tests.unit.nucleus.test_client_of_the_sdk import (
    TIMEOUT_S,
    binary,
    client_of,
    served,
    streams_into,
    subscribed,
)

NAME = "com.example.Hears"
PROGRAM = """
import pathlib, time
from awsiot.greengrasscoreipc import model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

client = GreengrassCoreIPCClientV2(executor=None)
quiet = dict(
    on_stream_error=lambda error: False, on_stream_closed=lambda: print("closed", flush=True)
)

def local(event):
    print("local", event.binary_message.message.decode(), flush=True)

def cloud(event):
    print("cloud", event.message.payload.decode(), flush=True)

def open_both():
    client.subscribe_to_topic(topic="line/a", on_stream_event=local, **quiet)
    while True:
        try:
            client.subscribe_to_iot_core(
                topic_name="cloud/a", qos="1", on_stream_event=cloud, **quiet
            )
            break
        except model.ServiceError:
            time.sleep(0.05)

open_both()
number = 0
while True:
    number += 1
    content = model.BinaryMessage(message=str(number).encode())
    message = model.PublishMessage(binary_message=content)
    client.publish_to_topic(topic="line/a", publish_message=message)
    try:
        client.publish_to_iot_core(topic_name="cloud/a", qos="1", payload=str(number).encode())
    except model.ServiceError:
        pass
    print("sent", number, flush=True)
    if pathlib.Path("again").exists():
        pathlib.Path("again").unlink()
        open_both()
    time.sleep(0.02)
"""


def test_local_subscriptions_are_lost_while_publishing_is_answered_as_before(
    tmp_path: Path,
) -> None:
    with served(tmp_path, LITE) as serving, client_of(serving) as client:
        exact, operation = subscribed(client, "line/a")
        by_filter, _ = subscribed(client, "line/+")
        client.publish_to_topic(topic="line/a", publish_message=binary(b"before"))
        assert exact.get(timeout=TIMEOUT_S).binary_message.message == b"before"
        assert by_filter.get(timeout=TIMEOUT_S).binary_message.message == b"before"
        assert serving.call(serving.lose_local_subscriptions) == 2
        client.publish_to_topic(topic="line/a", publish_message=binary(b"lost"))
        again, _ = subscribed(client, "line/a")
        client.publish_to_topic(topic="line/a", publish_message=binary(b"after"))
        assert again.get(timeout=TIMEOUT_S).binary_message.message == b"after"
        operation.close().result(TIMEOUT_S)  # the old stream is still there to be closed
    assert exact.empty()
    assert by_filter.empty()


def test_subscriptions_of_the_cloud_are_lost_while_publishing_goes_on(tmp_path: Path) -> None:
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with served(tmp_path, LITE) as serving, client_of(serving) as client:
        client.subscribe_to_iot_core(topic_name="cloud/+", qos="1", **streams_into(events))
        assert serving.call(serving.lose_cloud_subscriptions) == 1
        serving.call(lambda: serving.cloud.send("cloud/a", b"lost"))
        client.publish_to_iot_core(topic_name="cloud/a", qos="1", payload=b"x")
        assert serving.cloud.published == [("cloud/a", b"x", 1)]
        client.subscribe_to_iot_core(topic_name="cloud/+", qos="1", **streams_into(events))
        serving.call(lambda: serving.cloud.send("cloud/a", b"after"))
        assert events.get(timeout=TIMEOUT_S).message.payload == b"after"
    assert events.empty()
    assert not serving.cloud.receivers  # what was lost is not given up a second time


def test_what_is_lost_is_lost_once(tmp_path: Path) -> None:
    with served(tmp_path, LITE) as serving, client_of(serving) as client:
        subscribed(client, "line/a")
        lose: list[Callable[[], int]] = [
            serving.lose_local_subscriptions,
            serving.lose_cloud_subscriptions,
        ]
        assert [serving.call(one) for one in (*lose, *lose)] == [1, 0, 0, 0]


def hears(folder: Path) -> RecipeBuilder:
    """A component that sends to itself, by both ways."""
    (folder / "hears.py").write_text(PROGRAM)
    component = RecipeBuilder(NAME, run=f'exec "$SIGHTLINE_PYTHON" {folder / "hears.py"}')
    anything = {"1": {"operations": ["*"], "resources": ["*"]}}
    component.configuration = {
        "accessControl": {
            "aws.greengrass.ipc.pubsub": anything,
            "aws.greengrass.ipc.mqttproxy": anything,
        }
    }
    return component


@pytest.mark.parametrize(
    ("number", "lost", "stays"),
    [(signal.SIGUSR1, "local", "cloud"), (signal.SIGUSR2, "cloud", "local")],
)
def test_a_signal_makes_the_nucleus_lose_them(
    tmp_path: Path, number: signal.Signals, lost: str, stays: str
) -> None:
    with (
        broker(tmp_path) as (_, port),
        nucleus(tmp_path, [hears(tmp_path)], port=port, dialect="lite") as running,
    ):
        wait_until(lambda: lost in running.log(NAME) and stays in running.log(NAME))
        os.kill(running.process.pid, number)

        def is_deaf() -> bool:
            end = running.log(NAME).splitlines()[-12:]
            words = {line.partition(" ")[0] for line in end}
            return "sent" in words and stays in words and lost not in words

        wait_until(is_deaf)
        assert "closed" not in running.log(NAME)
        (running.root / "work" / NAME / "again").touch()
        wait_until(lambda: not is_deaf())
        assert running.component(NAME)["restarts"] == 0


def test_the_classic_nucleus_loses_nothing_and_lives(tmp_path: Path) -> None:
    with (
        broker(tmp_path) as (_, port),
        nucleus(tmp_path, [hears(tmp_path)], port=port) as running,
    ):
        wait_until(lambda: "local" in running.log(NAME) and "cloud" in running.log(NAME))
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            os.kill(running.process.pid, number)
        before = len(running.log(NAME))
        wait_until(lambda: running.log(NAME)[before:].count("local") > 20)
        assert "cloud" in running.log(NAME)[before:]
