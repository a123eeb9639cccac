"""Local publish and subscribe: who gets what, and in which order."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.nucleus.ipc.topic_filters import filter_matches, glob_matches
from hil.nucleus.ipc_operations.local_pubsub import LocalPubSub, LocalSubscription


def subscribed(pubsub: LocalPubSub, topic: str, component: str = "reader") -> list[bytes]:
    received: list[bytes] = []
    pubsub.subscribe(LocalSubscription(topic, component, received.append))
    return received


@given(st.lists(st.tuples(st.sampled_from(["a/b", "a/c"]), st.binary(max_size=4)), max_size=30))
def test_each_subscriber_gets_its_messages_in_the_order_of_their_publication(
    messages: list[tuple[str, bytes]],
) -> None:
    pubsub = LocalPubSub()
    exact, all_of_a = subscribed(pubsub, "a/b"), subscribed(pubsub, "a/#")
    for topic, payload in messages:
        pubsub.publish("sender", topic, payload)
    assert exact == [payload for topic, payload in messages if topic == "a/b"]
    assert all_of_a == [payload for _, payload in messages]


def test_a_subscription_that_is_taken_away_gets_nothing_more() -> None:
    pubsub, received = LocalPubSub(), list[bytes]()
    unsubscribe = pubsub.subscribe(LocalSubscription("a", "reader", received.append))
    pubsub.publish("sender", "a", b"1")
    unsubscribe()
    unsubscribe()
    pubsub.publish("sender", "a", b"2")
    assert received == [b"1"]


def test_a_subscription_that_ends_another_while_messages_go_out_does_no_harm() -> None:
    pubsub, received = LocalPubSub(), list[bytes]()
    ends: list[Callable[[], None]] = []
    pubsub.subscribe(LocalSubscription("a", "first", lambda _: ends[0]()))
    ends.append(pubsub.subscribe(LocalSubscription("a", "second", received.append)))
    pubsub.publish("sender", "a", b"1")
    assert received == []


def test_a_component_may_choose_not_to_hear_itself() -> None:
    pubsub, received = LocalPubSub(), list[bytes]()
    pubsub.subscribe(LocalSubscription("a/+", "one", received.append, receives_own_messages=False))
    pubsub.publish("one", "a/b", b"own")
    pubsub.publish("other", "a/b", b"other's")
    assert received == [b"other's"]


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("#", "a/b", True),
        ("+/b", "/b", True),
        ("a/#/c", "a/b/c", False),
        ("a+", "ab", False),
    ],
)
def test_filters_match_as_in_mqtt(topic_filter: str, topic: str, expected: bool) -> None:
    assert filter_matches(topic_filter, topic) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("conf/*", "conf/a/b", True),
        ("conf/*", "con", False),
        ("*/x", "a/b/x", True),
        ("a.b", "axb", False),
        ("a${*}", "a*", True),
        ("a${*}", "ab", False),
    ],
)
def test_resources_are_globs(pattern: str, text: str, expected: bool) -> None:
    assert glob_matches(pattern, text) is expected
