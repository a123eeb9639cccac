"""A component's surroundings in one process: a clock that is moved by hand, and a bus that can refuse."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sightline.configuration import ConfigurationStruct
from sightline.errors import TransportError
from sightline.kernel.component import ComponentContext
from sightline.kernel.health import ComponentHealth
from sightline.messaging.bus import Inbox
from sightline.messaging.topics import MessageStream

S = 1_000_000_000


class KernelConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """One interval."""

    interval_s: float = 5.0


class HandMovedClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ns = 1000 * S

    def monotonic_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return self.now_ns

    def move(self, seconds: float) -> None:
        self.now_ns += round(seconds * S)


@dataclass
class RefusingBus:
    """Keeps what is published; a stream whose name is in `refuses` is not taken."""

    published: list[tuple[str, msgspec.Struct]] = field(default_factory=list)
    refuses: dict[str, Exception] = field(default_factory=dict)

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        if stream.name in self.refuses:
            raise self.refuses[stream.name]
        self.published.append((stream.name, message))

    def refuse(self, *streams: MessageStream) -> None:
        self.refuses = {stream.name: TransportError("no room") for stream in streams}

    def subscribe(self, stream: MessageStream) -> None: ...

    def close(self) -> None: ...


def build_context(
    folder: Path, clock: HandMovedClock, bus: RefusingBus
) -> ComponentContext[KernelConfiguration]:
    """What a component is built from, here."""
    health = ComponentHealth("com.sightline.Capture", "1.0.0", "line-1", clock)
    return ComponentContext(KernelConfiguration(), bus, Inbox(), clock, health, "line-1", folder)
