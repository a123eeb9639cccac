"""The store's protocols: what is asked of it and what it returns."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from cloud.store.stored_messages import (
    CommitResult,
    MessageBatch,
    PastFault,
    StationCounts,
    StoredHealth,
    StoredRecord,
    StoredRefusal,
    StoredState,
)


@dataclass(frozen=True)
class PartsQuery:
    """A query of parts, newest first: before a cursor, by number, verdict, station or serial number."""

    limit: int
    before: int | None = None
    part_number: int | None = None
    verdict: str | None = None
    station: str | None = None
    serial: str | None = None


@dataclass(frozen=True)
class PartsPage:
    """JSON bodies of records, newest first, and the cursor of the next page (None: no more)."""

    bodies: tuple[str, ...]
    next_cursor: int | None


@dataclass(frozen=True)
class StoreHistory:
    """A store's history: the counts of all records, and the last records themselves."""

    counts: StationCounts
    records: Iterator[StoredRecord]
    states: tuple[StoredState, ...]
    health: tuple[StoredHealth, ...]
    duplicates: int
    refused: int
    conflicts: int = 0


class RecordStore(Protocol):
    """Stores each record once, by thing and recordId: the first wins."""

    def commit(self, batch: MessageBatch) -> CommitResult:
        """Store a batch as a whole; it is on disk when this returns. RetryableError if it cannot."""

    def load_parts(self, query: PartsQuery) -> PartsPage:
        """Load a page of records."""

    def load_part(self, record_id: str, thing: str | None = None) -> str | None:
        """Load the JSON of a record or gap, or None; without a thing, it is found by the id."""


class HistoryStore(Protocol):
    """What a store holds besides the records: history, commands, faults and refused messages."""

    def load_history(self) -> StoreHistory:
        """Load what the summary starts from."""

    def load_outcomes(self, limit: int) -> tuple[str, ...]:
        """Load the last outcomes of commands as JSON, newest first."""

    def load_outcomes_for_command(self, command_id: str, thing: str | None) -> tuple[str, ...]:
        """Load the outcomes of one command as JSON, newest first; thing None: of any station."""

    def load_steps(self, thing: str, limit: int) -> tuple[str, ...]:
        """Load the last steps of a station's commissioning as JSON, newest first."""

    def load_faults(self, thing: str, after_utc_ns: int) -> tuple[PastFault, ...]:
        """Load a station's faults reported after this time, the last to begin first; at most 500."""

    def load_refusals(self, limit: int) -> tuple[StoredRefusal, ...]:
        """Load the last refused messages, newest first."""
