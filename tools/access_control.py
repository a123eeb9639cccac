"""The accessControl of a component's recipe, generated from the catalogue of streams."""

from collections.abc import Iterable
from typing import Any

from sightline.topics import CATALOGUE, Stream

PUBSUB = "aws.greengrass.ipc.pubsub"
MQTTPROXY = "aws.greengrass.ipc.mqttproxy"
ANY_THING = (
    "+"  # both nuclei take MQTT wildcards in resources of the proxy; {iot:thingName} only one
)

Policy = dict[str, Any]


def access_control_of(
    component: str, catalogue: Iterable[Stream] = CATALOGUE
) -> dict[str, dict[str, Policy]]:
    """What the component may do: `{service: {policy: {operations, resources}}}`, least privilege."""
    rows = tuple(catalogue)
    sent = [row for row in rows if component in row.senders]
    read = [row for row in rows if component in row.readers]
    pubsub = _policies(
        component,
        "pubsub",
        [
            ("aws.greengrass#PublishToTopic", "Sends", _topics(sent, "local")),
            ("aws.greengrass#SubscribeToTopic", "Reads", _topics(read, "local")),
        ],
    )
    mqttproxy = _policies(
        component,
        "mqttproxy",
        [
            ("aws.greengrass#PublishToIoTCore", "Sends to the cloud", _topics(sent, "cloud")),
            ("aws.greengrass#SubscribeToIoTCore", "Reads from the cloud", _topics(read, "cloud")),
        ],
    )
    services = {PUBSUB: pubsub, MQTTPROXY: mqttproxy}
    return {service: policies for service, policies in services.items() if policies}


def _topics(rows: Iterable[Stream], route: str) -> list[str]:
    return [row.topic_of(ANY_THING) for row in rows if row.route == route]


def _policies(
    component: str, service: str, grants: list[tuple[str, str, list[str]]]
) -> dict[str, Policy]:
    given = [grant for grant in grants if grant[2]]
    return {
        f"{component}:{service}:{number}": {
            "policyDescription": description,
            "operations": [operation],
            "resources": topics,
        }
        for number, (operation, description, topics) in enumerate(given, start=1)
    }
