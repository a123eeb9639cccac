"""The accessControl of a component's recipe, generated from the catalogue of streams."""

from collections.abc import Iterable
from typing import Any

from sightline.topics import CATALOGUE, COMPONENTS, PUBLISHER, Stream

CLI = "aws.greengrass.Cli"  # both nuclei check these operations under this name
RESTARTS: dict[str, tuple[str, ...]] = {PUBLISHER: COMPONENTS}  # who may start whom again
PUBSUB = "aws.greengrass.ipc.pubsub"
MQTTPROXY = "aws.greengrass.ipc.mqttproxy"
ANY_THING = (
    "+"  # both nuclei take MQTT wildcards in resources of the proxy; {iot:thingName} only one
)

Policy = dict[str, Any]


def access_control_of(
    component: str, catalogue: Iterable[Stream] = CATALOGUE
) -> dict[str, dict[str, Policy]]:
    """What the component may do: `{service: {policy: {operations, resources}}}`, least privilege.

    Without descriptions: Nucleus Lite counts every entry of a recipe, and has room for 255.
    """
    rows = tuple(catalogue)
    sent = [row for row in rows if component in row.senders]
    read = [row for row in rows if component in row.readers]
    pubsub = _policies(
        component,
        "pubsub",
        [
            ("aws.greengrass#PublishToTopic", _topics(sent, "local")),
            ("aws.greengrass#SubscribeToTopic", _topics(read, "local")),
        ],
    )
    mqttproxy = _policies(
        component,
        "mqttproxy",
        [
            ("aws.greengrass#PublishToIoTCore", _topics(sent, "cloud")),
            ("aws.greengrass#SubscribeToIoTCore", _topics(read, "cloud")),
        ],
    )
    restarts = [("aws.greengrass#RestartComponent", list(RESTARTS.get(component, ())))]
    cli = _policies(component, "cli", restarts)
    services = {PUBSUB: pubsub, MQTTPROXY: mqttproxy, CLI: cli}
    return {service: policies for service, policies in services.items() if policies}


def _topics(rows: Iterable[Stream], route: str) -> list[str]:
    return [row.topic_of(ANY_THING) for row in rows if row.route == route]


def _policies(
    component: str, service: str, grants: list[tuple[str, list[str]]]
) -> dict[str, Policy]:
    given = [grant for grant in grants if grant[1]]
    return {
        f"{component}:{service}:{number}": {"operations": [operation], "resources": resources}
        for number, (operation, resources) in enumerate(given, start=1)
    }
