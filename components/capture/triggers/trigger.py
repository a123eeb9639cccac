"""What every trigger source does: it posts events, and says which of them mean that a part is there."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class TriggerEvent:
    """A part is there; `counter` is the PLC's number of it, where there is a PLC.

    It was counted at `monotonic_ns` or up to `delay_ns` before. `untimed_reason` says why that is not known.
    `product` and `lot` are what the PLC sets, where it does.
    """

    counter: int | None
    utc_ns: int
    monotonic_ns: int
    belt_speed_mps: float | None = None
    product: str = ""
    lot: str = ""
    delay_ns: int = 0
    untimed_reason: str = ""

    @property
    def earliest_monotonic_ns(self) -> int:
        """The earliest moment at which the part can have been counted."""
        return self.monotonic_ns - self.delay_ns


class TriggerSource(Protocol):
    """Says when a part is there. One that is not built in posts events of any type of its own."""

    def start(self) -> None:
        """Begin; a source with a thread of its own posts events into the component's inbox."""

    def find_trigger(self, event: object, received_monotonic_ns: int) -> TriggerEvent | None:
        """What an event of the inbox, or a message received then, means to this source; None: nothing."""

    def close(self) -> None:
        """End."""
