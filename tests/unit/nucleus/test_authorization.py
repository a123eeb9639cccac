"""accessControl: nothing is allowed that no policy allows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.nucleus.ipc_operations.authorization import (
    MQTTPROXY,
    PUBSUB,
    check_authorized,
    is_authorized,
)
from hil.nucleus.nucleus_errors import UnauthorizedError

PUBLISH = "aws.greengrass#PublishToTopic"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def policy(operations: list[str], resources: list[str], service: str = PUBSUB) -> dict[str, Any]:
    return {service: {"policy:1": {"operations": operations, "resources": resources}}}


def test_without_a_policy_nothing_is_allowed() -> None:
    with pytest.raises(UnauthorizedError):
        check_authorized({}, PUBSUB, PUBLISH, "a")


@pytest.mark.parametrize(
    "policies",
    [
        policy(["aws.greengrass#SubscribeToTopic"], ["a"]),
        policy([PUBLISH], ["b"]),
        policy([PUBLISH], []),
        policy([], ["a"]),
        policy([PUBLISH], ["a"], service=MQTTPROXY),
        {PUBSUB: {"1": {"operations": PUBLISH, "resources": "a"}}},
        {PUBSUB: {"1": {"operations": [PUBLISH]}}},
        {PUBSUB: {"1": None}},
        {PUBSUB: []},
    ],
)
def test_a_policy_for_something_else_allows_nothing(policies: dict[str, Any]) -> None:
    assert not is_authorized(policies, PUBSUB, PUBLISH, "a")


@given(st.dictionaries(st.text(max_size=5), JSON))
def test_policies_of_any_shape_never_allow_by_mistake(policies: dict[str, Any]) -> None:
    assert not is_authorized(policies, PUBSUB, PUBLISH, "a/topic/of/nobody")


def test_a_policy_allows_its_operation_on_its_resources() -> None:
    assert is_authorized(policy([PUBLISH], ["a/*"]), PUBSUB, PUBLISH, "a/b")
    assert is_authorized(policy(["*"], ["*"]), PUBSUB, PUBLISH, "a/b")


def test_filters_of_mqtt_count_for_the_cloud_only() -> None:
    publish = "aws.greengrass#PublishToIoTCore"
    assert is_authorized(policy([publish], ["s/+/h"], MQTTPROXY), MQTTPROXY, publish, "s/1/h")
    assert not is_authorized(policy([PUBLISH], ["s/+/h"]), PUBSUB, PUBLISH, "s/1/h")


def test_an_empty_topic_is_not_allowed() -> None:
    assert not is_authorized(policy([PUBLISH], ["*"]), PUBSUB, PUBLISH, "")
