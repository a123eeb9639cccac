"""Routes local publish and subscribe. No I/O; subscriptions deliver."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hil.nucleus.ipc.topic_filters import filter_matches, is_filter


@dataclass(eq=False)
class LocalSubscription:
    """One open subscription; `deliver` gets an event's payload and must not block."""

    topic: str
    component: str
    deliver: Callable[[bytes], None]
    receives_own_messages: bool = True
    closed: bool = field(default=False, init=False)
    silent: bool = field(default=False, init=False)


class LocalPubSub:
    """The subscriptions of all connections, by exact topic and by filter."""

    def __init__(self) -> None:
        self._exact: dict[str, list[LocalSubscription]] = {}
        self._filters: list[LocalSubscription] = []

    def subscribe(self, subscription: LocalSubscription) -> Callable[[], None]:
        """Add a subscription; the returned function removes it."""
        if is_filter(subscription.topic):
            holders = self._filters
        else:
            holders = self._exact.setdefault(subscription.topic, [])
        holders.append(subscription)

        def unsubscribe() -> None:
            if not subscription.closed:
                subscription.closed = True
                holders.remove(subscription)

        return unsubscribe

    def publish(self, sender: str, topic: str, payload: bytes) -> int:
        """Deliver an event's payload to each matching subscription; returns their number."""
        receivers = list(self._receivers(sender, topic))
        for subscription in receivers:
            if not (subscription.closed or subscription.silent):
                subscription.deliver(payload)
        return len(receivers)

    def silence_subscriptions(self, sender: str, topic: str) -> None:
        """Stop delivery to the matching subscriptions; new ones are not affected."""
        for subscription in self._receivers(sender, topic):
            subscription.silent = True

    def lose_all(self) -> int:
        """Drop every subscription silently; returns their number."""
        lost = [*self._filters, *(one for held in self._exact.values() for one in held)]
        for subscription in lost:
            subscription.closed = True
        self._filters.clear()
        self._exact.clear()
        return len(lost)

    def _receivers(self, sender: str, topic: str) -> Iterator[LocalSubscription]:
        for subscription in self._exact.get(topic, ()):
            if subscription.receives_own_messages or subscription.component != sender:
                yield subscription
        for subscription in self._filters:
            wanted = subscription.receives_own_messages or subscription.component != sender
            if wanted and filter_matches(subscription.topic, topic):
                yield subscription
