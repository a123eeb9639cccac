"""What every trigger does: it tells which event of the inbox means that a part is there."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class TriggerEvent:
    """A part is there; `counter` is the PLC's number of it, where there is a PLC.

    It was counted at `monotonic_ns` or up to `delay_ns` before. `untimed` says why that is not known.
    `product` and `lot` are the PLC's word, where it has one.
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
    """Says when a part is there."""

    def start(self) -> None:
        """Begin; a trigger with a thread of its own posts events into the component's inbox."""

    def find_trigger(self, event: object) -> TriggerEvent | None:
        """What an event of the inbox means to this trigger; None: nothing."""

    def close(self) -> None:
        """End."""
