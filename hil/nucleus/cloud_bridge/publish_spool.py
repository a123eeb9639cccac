"""The in-memory spool for IoT Core, as in Nucleus 2.x: a publish is answered once it is spooled.

Its content is lost when the nucleus ends.
"""

import asyncio
from dataclasses import dataclass

from hil.nucleus.cloud_bridge.cloud_link import CloudLink
from sightline.errors import CloudUnreachableError

IN_FLIGHT = 5
RETRY_S = 0.2


class SpoolError(Exception):
    """The spool is full."""


@dataclass(frozen=True)
class SpooledMessage:
    """A message of quality of service 1."""

    topic: str
    payload: bytes


class Spool:
    """Publishes in order; used in the event loop's thread."""

    def __init__(self, cloud: CloudLink, max_bytes: int) -> None:
        self._cloud = cloud
        self._max_bytes = max_bytes
        self._waiting: list[SpooledMessage] = []
        self._waiting_bytes = 0
        self._sending: asyncio.Task[None] | None = None

    def add(self, topic: str, payload: bytes) -> None:
        """Keep a message until IoT Core acknowledges it; SpoolError if the spool is full."""
        if self._waiting_bytes + len(payload) > self._max_bytes:
            raise SpoolError(f"{self._waiting_bytes} bytes are waiting; the spool is full")
        self._waiting.append(SpooledMessage(topic, payload))
        self._waiting_bytes += len(payload)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.get_running_loop().create_task(self._send_waiting_messages())

    def close(self) -> None:
        """Stop publishing and drop what waits."""
        if self._sending is not None:
            self._sending.cancel()

    async def _send_waiting_messages(self) -> None:
        while self._waiting:
            batch = self._waiting[:IN_FLIGHT]
            taken = await asyncio.gather(*(self._try_publish(message) for message in batch))
            left = [message for message, gone in zip(batch, taken, strict=True) if not gone]
            self._waiting[: len(batch)] = left
            self._waiting_bytes = sum(len(message.payload) for message in self._waiting)
            if left:
                await asyncio.sleep(RETRY_S)

    async def _try_publish(self, message: SpooledMessage) -> bool:
        try:
            await self._cloud.publish(message.topic, message.payload, 1)
        except CloudUnreachableError:
            return False
        return True
