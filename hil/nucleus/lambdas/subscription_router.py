"""Where a function's messages go: the subscriptions of the legacy subscription router, no others.

Targets are `cloud` (IoT Core) and, in this nucleus only, `pubsub` (the local topics). A message for the
cloud waits in a queue of its own, so that a slow or absent cloud does not hold the function up.
"""

import logging
import queue
import threading
from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec

from hil.nucleus.ipc.topic_filters import filter_matches
from sightline.errors import RecipeError, TransportError

log = logging.getLogger(__name__)
CLOUD_QUEUE_SIZE = 50
RouteTarget = Literal["cloud", "pubsub"]


class NotRoutedError(TransportError):
    """No subscription takes the message, or there is no room for it."""


class RouterSubscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the router's configuration."""

    id: str
    source: str
    subject: str
    target: RouteTarget


class RoutedMessageSender(Protocol):
    """What carries messages on."""

    def publish(self, target: RouteTarget, topic: str, payload: bytes) -> None:
        """Send a message; TransportError if it was not taken."""


def parse_router_subscriptions(configuration: Mapping[str, Any]) -> list[RouterSubscription]:
    """The rows of a configuration; RecipeError names what is wrong in them."""
    try:
        rows = msgspec.convert(
            configuration.get("subscriptions", {}), type=dict[str, RouterSubscription], strict=False
        )
    except msgspec.ValidationError as error:
        raise RecipeError(f"LegacySubscriptionRouter at /subscriptions: {error}") from error
    return list(rows.values())


class SubscriptionRouter:
    """The rows that concern one function."""

    def __init__(
        self,
        component: str,
        arn: str,
        subscriptions: list[RouterSubscription],
        sender: RoutedMessageSender,
    ) -> None:
        names = (f"component:{component}", arn)
        self._arn = arn
        self._rows = [row for row in subscriptions if row.source in names]
        self._sender = sender
        self._for_cloud: queue.Queue[tuple[str, bytes]] = queue.Queue(CLOUD_QUEUE_SIZE)
        threading.Thread(target=self._send_to_cloud, daemon=True).start()

    def route(self, subject: str, payload: bytes, policy: str) -> None:
        """Send a message to each target that has a row for it; NotRoutedError if it cannot be.

        Where the policy is not `AllOrError`, a target without room loses the message without a word.
        """
        targets = {row.target for row in self._rows if filter_matches(row.subject, subject)}
        if not targets:
            raise NotRoutedError(
                f"no subscription exists for the source {self._arn} and the subject {subject}; "
                "configure aws.greengrass.LegacySubscriptionRouter"
            )
        if "cloud" in targets:
            self._queue_for_cloud(subject, payload, policy)
        if "pubsub" in targets:
            self._sender.publish("pubsub", subject, payload)

    def _queue_for_cloud(self, subject: str, payload: bytes, policy: str) -> None:
        try:
            self._for_cloud.put_nowait((subject, payload))
        except queue.Full as error:
            log.warning("no room for a message to the cloud on %s", subject)
            if policy == "AllOrError":
                raise NotRoutedError(
                    f"{CLOUD_QUEUE_SIZE} messages wait for the cloud already"
                ) from error

    def _send_to_cloud(self) -> None:
        while True:
            topic, payload = self._for_cloud.get()
            try:
                self._sender.publish("cloud", topic, payload)
            except TransportError as error:
                log.warning("not sent to the cloud on %s: %s", topic, error)
