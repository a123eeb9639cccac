"""The unmodified client of the AWS IoT Device SDK against our nucleus, over a real socket."""

import dataclasses
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from awsiot.eventstreamrpc import AccessDeniedError
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from hil.nucleus.dialects.dialect import CLASSIC, DIALECTS, LITE, Dialect
from tests.unit.nucleus.ipc_kit import COMPONENT, THING, TOKEN, ServedIpc
from tests.unit.nucleus.running_nucleus import wait_until

TIMEOUT_S = 10.0
OTHER, OTHERS_TOKEN = "com.example.other", "AAAAAAAAAAAAAAAA"
CONFIGURATION = {
    "rate": 0.5,
    "accessControl": {
        "aws.greengrass.ipc.pubsub": {
            "1": {
                "operations": ["aws.greengrass#PublishToTopic", "aws.greengrass#SubscribeToTopic"],
                "resources": ["line/*"],
            }
        },
        "aws.greengrass.ipc.mqttproxy": {
            "1": {"operations": ["*"], "resources": ["cloud/#", "sightline/+/health"]}
        },
    },
}


@pytest.fixture(params=sorted(DIALECTS))
def serving(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServedIpc]:
    """A nucleus's IPC in each of the dialects, for two components."""
    with served(tmp_path, DIALECTS[request.param]) as running:
        yield running


@contextmanager
def served(folder: Path, dialect: Dialect) -> Iterator[ServedIpc]:
    """A nucleus's IPC for two components."""
    configurations = {COMPONENT: CONFIGURATION, OTHER: CONFIGURATION}
    with ServedIpc(folder, dialect, configurations).running() as running:
        running.tokens[OTHERS_TOKEN] = OTHER
        yield running


@contextmanager
def client_of(serving: ServedIpc, token: str = TOKEN) -> Iterator[Any]:
    """The SDK's client, as a component has it."""
    connection = connect(ipc_socket=serving.socket, authtoken=token, timeout=TIMEOUT_S)
    client = GreengrassCoreIPCClientV2(client=connection, executor=None)
    try:
        yield client
    finally:
        client.close().result(TIMEOUT_S)


def binary(payload: bytes) -> Any:
    return model.PublishMessage(binary_message=model.BinaryMessage(message=payload))


def subscribed(client: Any, topic: str) -> tuple["queue.SimpleQueue[Any]", Any]:
    """What comes on a topic, and the operation that ends it."""
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    _, operation = client.subscribe_to_topic(topic=topic, **streams_into(events))
    return events, operation


def streams_into(events: "queue.SimpleQueue[Any]") -> dict[str, Callable[..., Any]]:
    """The handlers of a stream whose events go into a queue."""
    return {
        "on_stream_event": events.put,
        "on_stream_error": lambda error: False,
        "on_stream_closed": lambda: None,
    }


def test_messages_reach_another_component_whole_and_in_order(serving: ServedIpc) -> None:
    payloads = [number.to_bytes(2, "big") * 400 for number in range(200)]
    with client_of(serving) as sender, client_of(serving, OTHERS_TOKEN) as reader:
        events, _ = subscribed(reader, "line/part")
        for payload in payloads:
            sender.publish_to_topic_async(topic="line/part", publish_message=binary(payload))
        received = [events.get(timeout=TIMEOUT_S) for _ in payloads]
    assert [event.binary_message.message for event in received] == payloads
    assert {event.binary_message.context.topic for event in received} == {"line/part"}


def test_a_json_message_arrives_with_its_topic_on_a_filter(serving: ServedIpc) -> None:
    message = {"text": "é", "number": 1.5, "list": [1, None, True]}
    content = model.PublishMessage(json_message=model.JsonMessage(message=message))
    with client_of(serving) as client:
        events, _ = subscribed(client, "line/+/state")
        client.publish_to_topic(topic="line/7/state", publish_message=content)
        event = events.get(timeout=TIMEOUT_S)
    assert event.json_message.message == message
    assert event.json_message.context.topic == "line/7/state"


def test_what_no_policy_allows_is_refused_and_the_connection_goes_on(serving: ServedIpc) -> None:
    with client_of(serving) as client:
        with pytest.raises(model.UnauthorizedError):
            client.publish_to_topic(topic="elsewhere", publish_message=binary(b"x"))
        with pytest.raises(model.UnauthorizedError):
            subscribed(client, "#")
        with pytest.raises(model.UnauthorizedError):
            client.publish_to_iot_core(topic_name="elsewhere", qos="1", payload=b"x")
        client.publish_to_topic(topic="line/ok", publish_message=binary(b"x"))


@pytest.mark.parametrize("thing", ["another-station", "+", ""])
def test_a_component_speaks_and_hears_at_the_cloud_as_its_own_station_only(
    serving: ServedIpc, thing: str
) -> None:
    """The policies of recipes name any thing; the thing's own policy withholds the others in AWS."""
    with client_of(serving) as client:
        with pytest.raises(model.UnauthorizedError):
            client.publish_to_iot_core(
                topic_name=f"sightline/{thing}/health", qos="1", payload=b"x"
            )
        with pytest.raises(model.UnauthorizedError):
            client.subscribe_to_iot_core(
                topic_name=f"sightline/{thing}/health", qos="1", **streams_into(queue.SimpleQueue())
            )
        own = f"sightline/{THING}/health"
        client.publish_to_iot_core(topic_name=own, qos="1", payload=b"y")
        wait_until(lambda: serving.cloud.published == [(own, b"y", 1)])


def test_a_subscription_that_was_closed_gets_nothing_more(serving: ServedIpc) -> None:
    with client_of(serving) as client:
        events, operation = subscribed(client, "line/a")
        operation.close().result(TIMEOUT_S)
        others, _ = subscribed(client, "line/a")
        client.publish_to_topic(topic="line/a", publish_message=binary(b"x"))
        assert others.get(timeout=TIMEOUT_S)
    assert events.empty()


def test_a_wrong_token_does_not_connect(serving: ServedIpc) -> None:
    with pytest.raises(Exception, match=r"(?i)access|closed|denied|disconnect"):
        connect(ipc_socket=serving.socket, authtoken="unknown", timeout=TIMEOUT_S)


def test_a_message_for_the_cloud_is_handed_on(serving: ServedIpc) -> None:
    with client_of(serving) as client:
        client.publish_to_iot_core(topic_name="cloud/a", qos="1", payload=b"\x00\xff")
        wait_until(lambda: serving.cloud.published == [("cloud/a", b"\x00\xff", 1)])


def test_with_lite_a_cloud_that_is_away_is_an_error_at_once(tmp_path: Path) -> None:
    with served(tmp_path, LITE) as serving, client_of(serving) as client:
        serving.cloud.away = True
        with pytest.raises(model.ServiceError):
            client.publish_to_iot_core(topic_name="cloud/a", qos="1", payload=b"x")
        serving.cloud.away = False
        client.publish_to_iot_core(topic_name="cloud/a", qos="1", payload=b"x")


def test_classic_takes_messages_while_the_cloud_is_away_and_hands_them_on_in_order(
    tmp_path: Path,
) -> None:
    with served(tmp_path, CLASSIC) as serving, client_of(serving) as client:
        serving.cloud.away = True
        for number in range(20):
            client.publish_to_iot_core(topic_name="cloud/a", qos="1", payload=bytes([number]))
        assert serving.cloud.published == []
        serving.cloud.away = False
        wait_until(lambda: len(serving.cloud.published) == 20)
        assert [payload[0] for _, payload, _ in serving.cloud.published] == list(range(20))


def test_classic_refuses_what_its_memory_has_no_room_for(tmp_path: Path) -> None:
    small = dataclasses.replace(CLASSIC, spool_bytes=1000)
    with served(tmp_path, small) as serving, client_of(serving) as client:
        serving.cloud.away = True
        client.publish_to_iot_core(topic_name="cloud/a", qos="1", payload=bytes(900))
        with pytest.raises(model.ServiceError):
            client.publish_to_iot_core(topic_name="cloud/a", qos="1", payload=bytes(101))
        serving.cloud.away = False
        wait_until(lambda: len(serving.cloud.published) == 1)
        client.publish_to_iot_core(topic_name="cloud/a", qos="1", payload=bytes(1000))


def test_classic_refuses_a_topic_that_none_can_publish_on_before_it_spools(tmp_path: Path) -> None:
    with served(tmp_path, CLASSIC) as serving, client_of(serving) as client:
        with pytest.raises(model.ServiceError):
            client.publish_to_iot_core(topic_name="cloud/#", qos="1", payload=b"x")
        client.publish_to_iot_core(topic_name="cloud/a", qos="1", payload=b"x")


def test_a_message_from_the_cloud_arrives(serving: ServedIpc) -> None:
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with client_of(serving) as client:
        client.subscribe_to_iot_core(topic_name="cloud/+", qos="1", **streams_into(events))
        serving.call(lambda: serving.cloud.send("cloud/a", b"\x00\xff"))
        event = events.get(timeout=TIMEOUT_S)
    assert (event.message.topic_name, event.message.payload) == ("cloud/a", b"\x00\xff")


def test_a_message_that_the_broker_kept_comes_after_the_response(serving: ServedIpc) -> None:
    serving.cloud.retained = ("cloud/a", b"kept")
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with client_of(serving) as client:
        client.subscribe_to_iot_core(topic_name="cloud/+", qos="1", **streams_into(events))
        assert events.get(timeout=TIMEOUT_S).message.payload == b"kept"


def test_lite_takes_ten_messages_that_are_not_acknowledged_yet(tmp_path: Path) -> None:
    message = {"topic_name": "cloud/a", "qos": "1", "payload": b"x"}
    with served(tmp_path, LITE) as serving, client_of(serving) as client:
        serving.cloud.acknowledges = False
        taken = [client.publish_to_iot_core_async(**message) for _ in range(10)]
        with pytest.raises(model.ServiceError):
            client.publish_to_iot_core(**message)
        serving.cloud.acknowledges = True
        for future in taken:
            future.result(TIMEOUT_S)
        client.publish_to_iot_core(**message)


def test_a_connection_that_ends_takes_its_subscriptions_along(serving: ServedIpc) -> None:
    with client_of(serving, OTHERS_TOKEN) as other:
        with client_of(serving) as client:
            client.subscribe_to_iot_core(
                topic_name="cloud/+", qos="1", **streams_into(queue.SimpleQueue())
            )
        wait_until(lambda: not serving.cloud.receivers)
        other.publish_to_iot_core(topic_name="cloud/a", qos="1", payload=b"x")


def test_configuration_is_read_changed_and_watched(serving: ServedIpc) -> None:
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with client_of(serving) as client:
        assert client.get_configuration(key_path=["rate"]).value == {"rate": 0.5}
        client.subscribe_to_configuration_update(key_path=[], **streams_into(events))
        client.update_configuration(
            key_path=[], timestamp=datetime.now(timezone.utc), value_to_merge={"rate": 2}
        )
        event = events.get(timeout=TIMEOUT_S).configuration_update_event
        assert (event.component_name, event.key_path) == (COMPONENT, ["rate"])
        assert client.get_configuration(key_path=["rate"]).value == {"rate": 2}
        with pytest.raises(model.ResourceNotFoundError):
            client.get_configuration(key_path=["missing"])


def test_an_error_of_the_classic_nucleus_has_its_text(tmp_path: Path) -> None:
    with (
        served(tmp_path, CLASSIC) as serving,
        client_of(serving) as client,
        pytest.raises(model.UnauthorizedError) as refused,
    ):
        client.publish_to_topic(topic="elsewhere", publish_message=binary(b"x"))
    assert refused.value.message


def test_an_unknown_token_is_refused_with_a_word_and_never_just_hung_up_on(tmp_path: Path) -> None:
    with served(tmp_path, CLASSIC) as serving:
        for _ in range(20):
            with pytest.raises(AccessDeniedError), client_of(serving, "BBBBBBBBBBBBBBBB"):
                pass


def test_a_component_reports_its_state(serving: ServedIpc) -> None:
    serving.control.accepts = True
    with client_of(serving) as client:
        client.update_state(state="RUNNING")
    assert serving.control.reported == [(COMPONENT, "RUNNING")]


def test_a_long_folder_still_gives_a_socket_and_it_is_removed_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    with served(folder, CLASSIC) as serving, client_of(serving) as client:
        assert client.get_configuration(key_path=["rate"]).value == {"rate": 0.5}
        assert len(serving.socket.encode()) < 108
        holder = Path(serving.socket).parent
    assert holder != folder
    assert not holder.exists()
