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
    """Which parts are asked for: the newest first, before a cursor, of a number, verdict or station."""

    limit: int
    before: int | None = None
    part_number: int | None = None
    verdict: str | None = None
    station: str | None = None


@dataclass(frozen=True)
class PartsPage:
    """JSON bodies of records, newest first, and the cursor of the next page (None: no more)."""

    bodies: tuple[str, ...]
    next_cursor: int | None


@dataclass(frozen=True)
class StoreHistory:
    """What a store knows from before: the counts of all records, and the last ones themselves."""

    counts: StationCounts
    records: Iterator[StoredRecord]
    states: tuple[StoredState, ...]
    health: tuple[StoredHealth, ...]
    duplicates: int
    refused: int
    conflicts: int = 0


class RecordStore(Protocol):
    """Keeps each record once, by its thing and recordId: the first wins."""

    def commit(self, batch: MessageBatch) -> CommitResult:
        """Store a batch as a whole; it is on disk when this returns. RetryableError if it cannot."""

    def load_parts(self, query: PartsQuery) -> PartsPage:
        """A page of records."""

    def load_part(self, record_id: str, thing: str | None = None) -> str | None:
        """The JSON of a record or gap, or None; without a thing, of the one that its id names."""


class HistoryStore(Protocol):
    """What a site asks of its store beside the records: what was before, commands, and what was refused."""

    def load_history(self) -> StoreHistory:
        """What the summary goes on from."""

    def load_outcomes(self, limit: int) -> tuple[str, ...]:
        """The last outcomes of commands as JSON, newest first."""

    def load_outcomes_for_command(self, command_id: str, thing: str | None) -> tuple[str, ...]:
        """What became of one command of a station (None: of any) as JSON, newest first."""

    def load_steps(self, thing: str, limit: int) -> tuple[str, ...]:
        """The last steps of a station's commissioning as JSON, newest first."""

    def load_faults(self, thing: str, after_utc_ns: int) -> tuple[PastFault, ...]:
        """A station's faults that were told after this, the last to begin first; 500 at most."""

    def load_refusals(self, limit: int) -> tuple[StoredRefusal, ...]:
        """The last messages that were refused, newest first."""
