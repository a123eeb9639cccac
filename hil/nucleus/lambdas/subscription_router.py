"""Routes a function's messages by the legacy subscription router's subscriptions.

Targets are `cloud` (IoT Core) and, in this nucleus only, `pubsub` (the local topics). Messages for the
cloud have their own queue, so that a slow or disconnected cloud does not block the function.
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
    """No subscription matches the message, or its queue is full."""


class RouterSubscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the router's configuration."""

    id: str
    source: str
    subject: str
    target: RouteTarget


class RoutedMessageSender(Protocol):
    """Publishes routed messages."""

    def publish(self, target: RouteTarget, topic: str, payload: bytes) -> None:
        """Publish a message; TransportError if it fails."""


def parse_router_subscriptions(configuration: Mapping[str, Any]) -> list[RouterSubscription]:
    """Parse the rows of a configuration; RecipeError names what is wrong in them."""
    try:
        rows = msgspec.convert(
            configuration.get("subscriptions", {}), type=dict[str, RouterSubscription], strict=False
        )
    except msgspec.ValidationError as error:
        raise RecipeError(f"LegacySubscriptionRouter at /subscriptions: {error}") from error
    return list(rows.values())


class SubscriptionRouter:
    """The router's rows for one function."""

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
        """Send a message to each target with a matching row; NotRoutedError if it cannot.

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
            log.warning("message to the cloud on %s refused: the queue is full", subject)
            if policy == "AllOrError":
                raise NotRoutedError(
                    f"the queue to the cloud is full: {CLOUD_QUEUE_SIZE} messages are waiting"
                ) from error

    def _send_to_cloud(self) -> None:
        while True:
            topic, payload = self._for_cloud.get()
            try:
                self._sender.publish("cloud", topic, payload)
            except TransportError as error:
                log.warning("not sent to the cloud on %s: %s", topic, error)
