"""What every trigger does: it tells which event of the inbox means that a part is there."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Triggered:
    """A part is there; `counter` is the PLC's number of it, where there is a PLC.

    `product` and `lot` are the PLC's word, where it has one.
    """

    counter: int | None
    utc_ns: int
    monotonic_ns: int
    belt_speed_mps: float | None = None
    product: str = ""
    lot: str = ""


class Trigger(Protocol):
    """Says when a part is there."""

    def start(self) -> None:
        """Begin; a trigger with a thread of its own posts events into the component's inbox."""

    def triggered(self, event: object) -> Triggered | None:
        """What an event of the inbox means to this trigger; None: nothing."""

    def close(self) -> None:
        """End."""
