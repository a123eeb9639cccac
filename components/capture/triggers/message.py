"""The PLC's trigger: equipment tells of each part that the PLC counted."""

from capture.configuration import MessageTriggerConfiguration
from capture.triggers.trigger import TriggerEvent
from sightline.clock import Clock, boot_id
from sightline.messaging.bus import Inbox
from sightline.messaging.messages import PartTriggered

MAX_DELAY_MS = 3_600_000.0


class MessageTrigger:
    """Takes `PartTriggered` from the bus."""

    def __init__(
        self, configuration: MessageTriggerConfiguration, inbox: Inbox, clock: Clock
    ) -> None:
        self._boot_id = boot_id()
        self._clock = clock

    def start(self) -> None:
        """Nothing to start: the bus brings the messages."""

    def find_trigger(self, event: object, received_monotonic_ns: int) -> TriggerEvent | None:
        """The trigger in a message; its own monotonic time counts only if it can be true."""
        if not isinstance(event, PartTriggered):
            return None
        message, untimed = event, self._find_untimed_reason(event)
        return TriggerEvent(
            counter=message.counter,
            utc_ns=message.counted_utc_ns,
            monotonic_ns=received_monotonic_ns if untimed else message.received_monotonic_ns,
            belt_speed_mps=message.belt_speed_mps,
            product=message.product,
            lot=message.lot,
            delay_ns=0 if untimed else round(min(message.delay_ms, MAX_DELAY_MS) * 1e6),
            untimed_reason=untimed,
        )

    def _find_untimed_reason(self, message: PartTriggered) -> str:
        """Why the moment of the count is not known; nothing if it is."""
        if message.boot_id != self._boot_id or message.received_monotonic_ns < 0:
            return "its trigger was received before this machine started"
        if message.received_monotonic_ns > self._clock.monotonic_ns():
            return "its trigger has a time in the future"
        if not message.delay_ms >= 0:  # nor if it is no number
            return f"its trigger has a delay of {message.delay_ms} ms, which is impossible"
        return ""

    def close(self) -> None:
        """Nothing to end."""
