"""What the nucleus needs of the way to IoT Core."""

from collections.abc import Awaitable, Callable
from typing import Protocol

CloudMessageReceiver = Callable[[str, bytes], None]


class CloudLink(Protocol):
    """The way to the broker; both calls raise CloudUnreachableError when it is away."""

    def publish(self, topic: str, payload: bytes, quality_of_service: int) -> Awaitable[None]:
        """Publish; done when the broker acknowledged it (quality of service 0: when it is sent)."""

    def subscribe(
        self, topic_filter: str, quality_of_service: int, receive: CloudMessageReceiver
    ) -> Awaitable[Callable[[], None]]:
        """Receive what matches a filter, until the function returned is called."""
