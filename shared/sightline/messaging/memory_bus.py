"""The bus within one process: the same codec and order as the real one, for tests and replay."""

from collections import defaultdict

import msgspec

from sightline.messaging.bus import Inbox
from sightline.messaging.codec import encode
from sightline.messaging.topics import MessageStream


class MemoryExchange:
    """Where memory buses meet: keeps all that was published, and who wants what."""

    def __init__(self) -> None:
        self.published: list[tuple[MessageStream, bytes]] = []
        self._subscribers: dict[str, list[Inbox]] = defaultdict(list)

    def subscribe(self, stream: MessageStream, inbox: Inbox) -> None:
        """Add an inbox to the readers of a stream."""
        self._subscribers[stream.name].append(inbox)

    def publish(self, stream: MessageStream, payload: bytes) -> None:
        """Deliver to each reader in order."""
        self.published.append((stream, payload))
        for inbox in self._subscribers[stream.name]:
            inbox.deliver(stream, payload)

    def messages_on(self, stream: MessageStream) -> list[msgspec.Struct]:
        """All messages published on a stream so far."""
        return [
            msgspec.json.decode(payload, type=stream.message)
            for published, payload in self.published
            if published is stream
        ]


class MemoryBus:
    """One component's end of an exchange."""

    def __init__(self, exchange: MemoryExchange, inbox: Inbox) -> None:
        self._exchange = exchange
        self._inbox = inbox

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        """Encode and deliver."""
        self._exchange.publish(stream, encode(message))

    def subscribe(self, stream: MessageStream) -> None:
        """Let the stream's messages come into this bus's inbox."""
        self._exchange.subscribe(stream, self._inbox)

    def close(self) -> None:
        """Nothing to leave."""
