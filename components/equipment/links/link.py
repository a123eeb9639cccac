"""What every link to a machine does: it takes requests and posts events into the component's inbox.

A link works in threads of its own. It never waits for the component, and the component never waits
for it; while the machine is away, requests are dropped and the link tries again by itself.
"""

import itertools
from dataclasses import dataclass
from typing import Protocol

from sightline.messaging.messages import GateAction, GateConfirmation, TagSample, Verdict

_COUNT_IDS = itertools.count(1)


def new_count_id() -> int:
    """A name for a count of the PLC's that no other count of any link has, later ones being greater."""
    return next(_COUNT_IDS)


@dataclass(frozen=True)
class WriteVerdict:
    """Request: write a verdict to the gate, unless it is too late by then.

    `dry_run`: no such part was counted; the PLC is told first to take the number as a trial's.
    `count_id`: the count that it was decided in (see `LinkUp`); in any other one it is void.
    """

    part_number: int
    verdict: Verdict
    not_after_monotonic_ns: int
    dry_run: bool = False
    count_id: int = 0


@dataclass(frozen=True)
class WriteHeartbeat:
    """Request: show the machine that the component's main loop lives."""


@dataclass(frozen=True)
class ReadTags:
    """Request: read all tags at once; answered by `TagsRead`, or never while the machine is away."""


@dataclass(frozen=True)
class ReadOutcomes:
    """Request: read the outcomes that the machine remembers; answered by `OutcomesRead`."""


@dataclass(frozen=True)
class ReadConfirmations:
    """Request: read what the sensors behind the gate saw; answered by `ConfirmationsRead`."""


@dataclass(frozen=True)
class StopLine:
    """Request: ask the machine to stop the belt until an operator acknowledges it."""


LinkRequest = WriteVerdict | WriteHeartbeat | ReadTags | ReadOutcomes | ReadConfirmations | StopLine


class MachineLink(Protocol):
    """A machine's end of the line."""

    def start(self) -> None:
        """Begin to connect, and keep at it."""

    def request(self, request: LinkRequest) -> None:
        """Hand over a request; returns at once."""

    def close(self) -> None:
        """Leave the machine."""


@dataclass(frozen=True)
class LinkUp:
    """Event: the machine answers.

    `count_id` names what the counter's numbers mean from here on: another one with each connection,
    and each time that the counter begins anew, so that no verdict goes to another part of its number.
    """

    connected_monotonic_ns: int
    count_id: int = 0


@dataclass(frozen=True)
class LinkDown:
    """Event: the machine is away, and why."""

    reason: str


@dataclass(frozen=True)
class CounterSeen:
    """Event: the part counter has this value; the first after `LinkUp` is where it stood.

    `product` and `lot` are as the machine writes them, where it does. `delay_ms`: at most so long
    before its receipt the part was counted.
    """

    counter: int
    counted_utc_ns: int
    received_monotonic_ns: int
    belt_speed_mps: float | None
    product: str = ""
    lot: str = ""
    count_id: int = 0
    delay_ms: float = 0.0


@dataclass(frozen=True)
class TagsRead:
    """Event: one reading of each tag, and the part counter at the same moment."""

    samples: tuple[TagSample, ...]
    counter: int | None
    counted_utc_ns: int


@dataclass(frozen=True)
class GateRecord:
    """What the machine remembers of one part at the gate."""

    part_number: int
    action: GateAction
    acted_utc_ns: int
    cause: str


@dataclass(frozen=True)
class OutcomesRead:
    """Event: the outcomes that the machine remembers, oldest first, and how many there ever were."""

    counter: int
    records: tuple[GateRecord, ...]


@dataclass(frozen=True)
class ConfirmationRecord:
    """What the sensors behind the gate saw of one part; `is_stray`: of something that is none.

    `acted_utc_ns` is the time in the part's outcome.
    """

    part_number: int
    acted_utc_ns: int
    confirmation: GateConfirmation
    is_stray: bool = False


@dataclass(frozen=True)
class ConfirmationsRead:
    """Event: the confirmations that the machine remembers, oldest first, and how many there ever were."""

    counter: int
    records: tuple[ConfirmationRecord, ...]


@dataclass(frozen=True)
class BinFullSeen:
    """Event: whether the reject bin is full; None: the machine cannot tell. The first tells how it stood."""

    is_full: bool | None


@dataclass(frozen=True)
class VerdictEchoed:
    """Event: the machine took the verdict of this part."""

    part_number: int


@dataclass(frozen=True)
class VerdictNotWritten:
    """Event: a verdict was not written: its time was over (`is_late`), or it was void, or nobody there."""

    request: WriteVerdict
    reason: str
    is_late: bool = False


@dataclass(frozen=True)
class LinkFault:
    """Event: something is wrong with a connection that stands; an empty text: it is well again."""

    code: str
    text: str


@dataclass(frozen=True)
class RequestsRepeated:
    """Event: the machine was too busy for so many requests, and was asked again."""

    count: int


@dataclass(frozen=True)
class LineStopSeen:
    """Event: whether the machine's register asks for a line-stop; the first tells where it stood."""

    stopped: bool
