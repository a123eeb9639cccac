"""Checks accessControl; whatever no policy allows is refused."""

from collections.abc import Mapping
from typing import Any

from hil.nucleus.ipc.topic_filters import filter_matches, glob_matches
from hil.nucleus.nucleus_errors import UnauthorizedError

PUBSUB = "aws.greengrass.ipc.pubsub"
MQTTPROXY = "aws.greengrass.ipc.mqttproxy"
CLI = "aws.greengrass.Cli"
STATIONS_TOPICS = "sightline"  # the first level of all topics of stations; the second is the thing

Policies = Mapping[str, Any]


def is_authorized(access_control: Policies, service: str, operation: str, resource: str) -> bool:
    """Whether a policy of the service allows the operation on the resource.

    `access_control` is `{service: {policy: {"operations": [...], "resources": [...]}}}`.
    """
    policies = access_control.get(service)
    if not isinstance(policies, Mapping):
        return False
    return any(
        _allows_resource(policy, "operations", operation, mqtt=False)
        and _allows_resource(policy, "resources", resource, mqtt=service == MQTTPROXY)
        for policy in policies.values()
        if isinstance(policy, Mapping)
    )


def check_authorized(access_control: Policies, service: str, operation: str, resource: str) -> None:
    """UnauthorizedError unless the component's accessControl allows the operation."""
    if not is_authorized(access_control, service, operation, resource):
        raise UnauthorizedError


def check_own_thing(thing_name: str, topic: str) -> None:
    """UnauthorizedError for a topic of another station, also by a wildcard.

    The policies of recipes must name any thing (`sightline/+/...`): with AWS, the policy of the thing's
    certificate withholds the others.
    """
    first, *more = topic.split("/")
    if first == STATIONS_TOPICS and more[:1] != [thing_name]:
        raise UnauthorizedError


def _allows_resource(policy: Policies, key: str, wanted: str, mqtt: bool) -> bool:
    values = policy.get(key)
    if not isinstance(values, list) or not wanted:
        return False
    return any(
        value == "*" or glob_matches(value, wanted) or (mqtt and filter_matches(value, wanted))
        for value in values
        if isinstance(value, str)
    )
