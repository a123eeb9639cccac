"""Recipes grant exactly what the catalogue says, and the development nucleus reads them so."""

import itertools

import pytest
import yaml

from hil.nucleus.ipc_operations.authorization import MQTTPROXY, PUBSUB, is_authorized
from sightline.messaging.topics import CAPTURE, CATALOGUE, COMPONENTS, PUBLISHER, MessageStream
from tools.access_control import CLI, build_access_control
from tools.recipes import (
    build_expected_configuration,
    fill_recipe,
    find_configuration_type,
    recipe_path,
)

THING = "station-1"
PUBLISH = {"local": "aws.greengrass#PublishToTopic", "cloud": "aws.greengrass#PublishToIoTCore"}
SUBSCRIBE = {
    "local": "aws.greengrass#SubscribeToTopic",
    "cloud": "aws.greengrass#SubscribeToIoTCore",
}
SERVICE = {"local": PUBSUB, "cloud": MQTTPROXY}


@pytest.mark.parametrize(
    ("component", "stream"),
    list(itertools.product(COMPONENTS, CATALOGUE)),
    ids=lambda value: value.name if isinstance(value, MessageStream) else value.rsplit(".", 1)[-1],
)
def test_a_component_may_send_and_read_its_own_streams_and_no_other(
    component: str, stream: MessageStream
) -> None:
    recipe = yaml.safe_load(recipe_path(component).read_text(encoding="utf-8"))
    policies = recipe["ComponentConfiguration"]["DefaultConfiguration"]["accessControl"]
    service, topic = SERVICE[stream.route], stream.build_topic(THING)
    assert is_authorized(policies, service, PUBLISH[stream.route], topic) == (
        component in stream.senders
    )
    assert is_authorized(policies, service, SUBSCRIBE[stream.route], topic) == (
        component in stream.readers
    )


@pytest.mark.parametrize("component", COMPONENTS)
def test_filling_a_recipe_again_changes_nothing(component: str) -> None:
    recipe = recipe_path(component).read_text(encoding="utf-8")
    expected = build_expected_configuration(component, find_configuration_type(component))
    assert fill_recipe(recipe, expected) == recipe


def test_a_component_may_do_what_the_catalogue_says_and_no_more() -> None:
    services = build_access_control(PUBLISHER)
    resources = {
        (operation, topic)
        for policies in services.values()
        for policy in policies.values()
        for operation in policy["operations"]
        for topic in policy["resources"]
    }
    assert ("aws.greengrass#SubscribeToTopic", "sightline/part/judged") in resources
    assert ("aws.greengrass#PublishToIoTCore", "sightline/+/records") in resources
    assert ("aws.greengrass#PublishToTopic", "sightline/part/judged") not in resources
    assert not any("*" in topic or "#" in topic for _, topic in resources)
    assert ("aws.greengrass#RestartComponent", CAPTURE) in resources
    assert set(services) == {PUBSUB, MQTTPROXY, CLI}
    assert CLI not in build_access_control(CAPTURE)
    assert next(iter(services[PUBSUB])) == "com.sightline.Publisher:pubsub:1"
