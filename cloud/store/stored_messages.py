"""The messages that a store keeps, and the batches in which they are committed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sightline.messaging.messages import (
    CameraView,
    CommandOutcome,
    CommissioningStep,
    GapRecord,
    GateCorrection,
    InspectionRecord,
    MachineState,
    StationHealth,
)


@dataclass(frozen=True)
class StoredRecord:
    """A record with its JSON as received."""

    thing: str
    received_utc_ns: int
    record: InspectionRecord
    body: str


@dataclass(frozen=True)
class StoredCorrection:
    """What the gate did with a part, known after its record."""

    thing: str
    received_utc_ns: int
    correction: GateCorrection


@dataclass(frozen=True)
class StoredGap:
    """Parts that nobody saw, with the message's JSON as received."""

    thing: str
    received_utc_ns: int
    gap: GapRecord
    body: str


@dataclass(frozen=True)
class StoredState:
    """A machine's state with its JSON as received.

    When it was received is not known of what was stored before this process began.
    """

    thing: str
    state: MachineState
    body: str
    received_utc_ns: int | None = None


@dataclass(frozen=True)
class StoredHealth:
    """A component's health with its JSON as received.

    When it was received is not known of what was stored before this process began.
    """

    thing: str
    health: StationHealth
    body: str
    received_utc_ns: int | None = None


@dataclass(frozen=True)
class StoredOutcome:
    """What became of a command, with its JSON as received."""

    thing: str
    outcome: CommandOutcome
    body: str


@dataclass(frozen=True)
class StoredStep:
    """What a component made of a command of the commissioning, with its JSON as received."""

    thing: str
    step: CommissioningStep
    body: str


@dataclass(frozen=True)
class StoredView:
    """How a camera saw; kept in memory only."""

    thing: str
    view: CameraView
    received_utc_ns: int | None = None


@dataclass(frozen=True)
class PastFault:
    """A fault that a component told: since when, and when it was told last."""

    component: str
    code: str
    level: str
    text: str
    since_utc_ns: int
    until_utc_ns: int


RefusalKind = Literal["refused", "conflict"]


@dataclass(frozen=True)
class StoredRefusal:
    """A message that was not taken: its reason and the first bytes of it.

    `conflict`: it was told before with other content, and what came first stays.
    """

    topic: str
    reason: str
    payload: bytes
    refused_utc_ns: int
    kind: RefusalKind = "refused"


@dataclass(frozen=True)
class DeadLetterNotice:
    """What a station is told of a message that will never be stored."""

    thing: str
    record_id: str
    reason: str


@dataclass
class MessageBatch:
    """Messages that are committed together."""

    records: list[StoredRecord] = field(default_factory=list)
    corrections: list[StoredCorrection] = field(default_factory=list)
    gaps: list[StoredGap] = field(default_factory=list)
    states: list[StoredState] = field(default_factory=list)
    health: list[StoredHealth] = field(default_factory=list)
    outcomes: list[StoredOutcome] = field(default_factory=list)
    steps: list[StoredStep] = field(default_factory=list)
    views: list[StoredView] = field(default_factory=list)
    refusals: list[StoredRefusal] = field(default_factory=list)
    dead_letters: list[DeadLetterNotice] = field(default_factory=list)


StationCounts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class CommitResult:
    """What a batch added: the records that were new, in order, and how many were known already.

    `conflicts`: repeats with other content. `adjustments`: what gaps and corrections of the gate add
    to the counts of their stations beside the new records; a count may go down, too.
    """

    new: tuple[StoredRecord, ...]
    duplicates: int
    conflicts: tuple[StoredRefusal, ...] = ()
    adjustments: StationCounts = field(default_factory=dict)
