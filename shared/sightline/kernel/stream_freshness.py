"""Streams that must not fall silent: each row of the catalogue says how long it may."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from sightline.clock import Clock
from sightline.kernel.health import ComponentHealth
from sightline.messaging.topics import MessageStream

log = logging.getLogger(__name__)
NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class StreamSilent:
    """An event: nothing came on a stream for longer than its row allows."""

    stream: MessageStream


class StreamFreshness:
    """Watches the streams that a component reads; used by its main thread.

    A stream is watched from its first message on, or from the start where its row says that it is always
    sent. Parts are never watched: a line may stand still.
    """

    def __init__(
        self, streams: Iterable[MessageStream], health: ComponentHealth, clock: Clock
    ) -> None:
        self._health = health
        self._clock = clock
        self._streams = {s.name: s for s in streams if s.max_silence_s is not None}
        now_ns = clock.monotonic_ns()
        self._heard_ns = {s.name: now_ns for s in self._streams.values() if s.always_sent}
        self._silent: set[str] = set()

    def note_message(self, stream: MessageStream, received_monotonic_ns: int) -> None:
        """A message came on a stream."""
        if stream.name not in self._streams:
            return
        self._heard_ns[stream.name] = received_monotonic_ns
        if stream.name in self._silent:
            self._silent.discard(stream.name)
            self._health.clear_fault(stream.silence_fault)
            log.info("stream is received again", extra={"stream": stream.name})

    def find_silent(self) -> list[MessageStream]:
        """The streams that fell silent since the last call; each is a fault until it is heard again."""
        now_ns = self._clock.monotonic_ns()
        found = []
        for name, heard_ns in self._heard_ns.items():
            stream = self._streams[name]
            max_silence_s = stream.max_silence_s or 0.0
            if name not in self._silent and now_ns - heard_ns > max_silence_s * NS_PER_S:
                self._silent.add(name)
                found.append(stream)
                self._report(stream, max_silence_s)
        return found

    def _report(self, stream: MessageStream, max_silence_s: float) -> None:
        senders = " or ".join(stream.senders)
        text = (
            f"No {stream.name} from {senders} for more than {max_silence_s:g} s; it is sent at least "
            f"that often. Check that {senders} is running."
        )
        self._health.raise_fault(stream.silence_fault, text, "warning")
        log.error("stream is silent", extra={"stream": stream.name, "max_silence_s": max_silence_s})
