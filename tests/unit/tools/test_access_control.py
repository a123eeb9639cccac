"""The development nucleus grants by the recipes exactly what the catalogue says."""

import itertools

import pytest
import yaml

from hil.nucleus.authorization import MQTTPROXY, PUBSUB, allows
from sightline.topics import CATALOGUE, COMPONENTS, Stream
from tools.recipes import configuration_of, expected_configuration, filled, recipe_path

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
    ids=lambda value: value.name if isinstance(value, Stream) else value.rsplit(".", 1)[-1],
)
def test_a_component_may_send_and_read_its_own_streams_and_no_other(
    component: str, stream: Stream
) -> None:
    recipe = yaml.safe_load(recipe_path(component).read_text(encoding="utf-8"))
    policies = recipe["ComponentConfiguration"]["DefaultConfiguration"]["accessControl"]
    service, topic = SERVICE[stream.route], stream.topic_of(THING)
    assert allows(policies, service, PUBLISH[stream.route], topic) == (component in stream.senders)
    assert allows(policies, service, SUBSCRIBE[stream.route], topic) == (
        component in stream.readers
    )


@pytest.mark.parametrize("component", COMPONENTS)
def test_filling_a_recipe_again_changes_nothing(component: str) -> None:
    recipe = recipe_path(component).read_text(encoding="utf-8")
    expected = expected_configuration(component, configuration_of(component))
    assert filled(recipe, expected) == recipe
