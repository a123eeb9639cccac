"""What the nucleus needs of its connection to IoT Core."""

from collections.abc import Awaitable, Callable
from typing import Protocol

CloudMessageReceiver = Callable[[str, bytes], None]


class CloudLink(Protocol):
    """The connection to the broker; both calls raise CloudUnreachableError while it is down."""

    def publish(self, topic: str, payload: bytes, quality_of_service: int) -> Awaitable[None]:
        """Publish; returns when the broker acknowledged it (QoS 0: when it is sent)."""

    def subscribe(
        self, topic_filter: str, quality_of_service: int, receive: CloudMessageReceiver
    ) -> Awaitable[Callable[[], None]]:
        """Subscribe to a filter; the returned function unsubscribes."""
