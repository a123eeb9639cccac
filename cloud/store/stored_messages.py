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
    """A gate correction: the outcome of a part, known after its record."""

    thing: str
    received_utc_ns: int
    correction: GateCorrection


@dataclass(frozen=True)
class StoredGap:
    """A gap record with its JSON as received."""

    thing: str
    received_utc_ns: int
    gap: GapRecord
    body: str


@dataclass(frozen=True)
class StoredState:
    """A machine's state with its JSON as received.

    `received_utc_ns` is None for what was stored before this process started.
    """

    thing: str
    state: MachineState
    body: str
    received_utc_ns: int | None = None


@dataclass(frozen=True)
class StoredHealth:
    """A component's health with its JSON as received.

    `received_utc_ns` is None for what was stored before this process started.
    """

    thing: str
    health: StationHealth
    body: str
    received_utc_ns: int | None = None


@dataclass(frozen=True)
class StoredOutcome:
    """A command's outcome with its JSON as received."""

    thing: str
    outcome: CommandOutcome
    body: str


@dataclass(frozen=True)
class StoredStep:
    """A commissioning step with its JSON as received."""

    thing: str
    step: CommissioningStep
    body: str


@dataclass(frozen=True)
class StoredView:
    """A camera view; kept in memory only."""

    thing: str
    view: CameraView
    received_utc_ns: int | None = None


@dataclass(frozen=True)
class PastFault:
    """A fault that a component reported, with its first and last report."""

    component: str
    code: str
    level: str
    text: str
    since_utc_ns: int
    until_utc_ns: int


RefusalKind = Literal["refused", "conflict"]


@dataclass(frozen=True)
class StoredRefusal:
    """A refused message: the reason and its first bytes.

    `conflict`: it was received before with different content; the first version is kept.
    """

    topic: str
    reason: str
    payload: bytes
    refused_utc_ns: int
    kind: RefusalKind = "refused"


@dataclass(frozen=True)
class DeadLetterNotice:
    """A dead letter for a station: a message that will never be stored."""

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
    """What a batch added: the new records, in order, and the number of repeats.

    `conflicts`: repeats with different content. `adjustments`: changes of the stations' counts by gap
    records and gate corrections; a count may also decrease.
    """

    new: tuple[StoredRecord, ...]
    duplicates: int
    conflicts: tuple[StoredRefusal, ...] = ()
    adjustments: StationCounts = field(default_factory=dict)
