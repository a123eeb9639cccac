"""The accessControl of a component's recipe, generated from the catalogue of streams."""

from collections.abc import Iterable
from typing import Any

from sightline.messaging.topics import CATALOGUE, COMPONENTS, PUBLISHER, MessageStream

CLI = "aws.greengrass.Cli"  # both nuclei check these operations under this name
ALLOWED_RESTARTS: dict[str, tuple[str, ...]] = {PUBLISHER: COMPONENTS}  # who may start whom again
PUBSUB = "aws.greengrass.ipc.pubsub"
MQTTPROXY = "aws.greengrass.ipc.mqttproxy"
ANY_THING = (
    "+"  # both nuclei take MQTT wildcards in resources of the proxy; {iot:thingName} only one
)

AccessPolicy = dict[str, Any]


def build_access_control(
    component: str, catalogue: Iterable[MessageStream] = CATALOGUE
) -> dict[str, dict[str, AccessPolicy]]:
    """Build a component's accessControl, least privilege: `{service: {policy: {operations, resources}}}`.

    Without descriptions: Nucleus Lite counts every entry of a recipe, and has room for 255.
    """
    rows = tuple(catalogue)
    sent = [row for row in rows if component in row.senders]
    read = [row for row in rows if component in row.readers]
    pubsub = _build_access_policies(
        component,
        "pubsub",
        [
            ("aws.greengrass#PublishToTopic", _topics(sent, "local")),
            ("aws.greengrass#SubscribeToTopic", _topics(read, "local")),
        ],
    )
    mqttproxy = _build_access_policies(
        component,
        "mqttproxy",
        [
            ("aws.greengrass#PublishToIoTCore", _topics(sent, "cloud")),
            ("aws.greengrass#SubscribeToIoTCore", _topics(read, "cloud")),
        ],
    )
    restarts = [("aws.greengrass#RestartComponent", list(ALLOWED_RESTARTS.get(component, ())))]
    cli = _build_access_policies(component, "cli", restarts)
    services = {PUBSUB: pubsub, MQTTPROXY: mqttproxy, CLI: cli}
    return {service: policies for service, policies in services.items() if policies}


def _topics(rows: Iterable[MessageStream], route: str) -> list[str]:
    return [row.build_topic(ANY_THING) for row in rows if row.route == route]


def _build_access_policies(
    component: str, service: str, grants: list[tuple[str, list[str]]]
) -> dict[str, AccessPolicy]:
    given = [grant for grant in grants if grant[1]]
    return {
        f"{component}:{service}:{number}": {"operations": [operation], "resources": resources}
        for number, (operation, resources) in enumerate(given, start=1)
    }
