"""The PLC's trigger: equipment tells of each part that the PLC counted."""

from capture.configuration import MessageTriggerConfiguration
from capture.triggers.trigger import Triggered
from sightline.bus import Delivery, Inbox
from sightline.clock import Clock, boot_id
from sightline.messages import PartTriggered


class MessageTrigger:
    """Takes `PartTriggered` from the bus."""

    def __init__(
        self, configuration: MessageTriggerConfiguration, inbox: Inbox, clock: Clock
    ) -> None:
        self._boot_id = boot_id()

    def start(self) -> None:
        """Nothing to start: the bus brings the messages."""

    def triggered(self, event: object) -> Triggered | None:
        """The trigger in a delivery; its monotonic time counts only if it is of this boot."""
        if not isinstance(event, Delivery) or not isinstance(event.message, PartTriggered):
            return None
        message = event.message
        same_boot = message.boot_id == self._boot_id
        return Triggered(
            counter=message.counter,
            utc_ns=message.counted_utc_ns,
            monotonic_ns=(
                message.received_monotonic_ns if same_boot else event.received_monotonic_ns
            ),
            belt_speed_mps=message.belt_speed_mps,
            product=message.product,
            lot=message.lot,
        )

    def close(self) -> None:
        """Nothing to end."""
