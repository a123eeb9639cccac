"""The ledger: one verdict for each part, on disk before anyone hears of it."""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from inference.ledger.ledger_errors import (
    LEDGER_ERRORS,
    LedgerDamagedError,
    LedgerError,
    parse_part_key,
)
from inference.ledger.state_store import STATE_SCHEMA, StateStore, store_challenges
from sightline.clock import Clock, SystemClock
from sightline.errors import MessageError
from sightline.messaging.codec import decode_of_any_size, encode_of_any_size
from sightline.messaging.messages import Part, PartJudged
from sightline.storage.journal import DamageReport, open_journal, set_aside
from sightline.storage.transactions import transaction

_SCHEMA = """
CREATE TABLE IF NOT EXISTS verdicts (
    epoch INTEGER NOT NULL, part_number INTEGER NOT NULL, message BLOB NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (epoch, part_number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unsettled ON verdicts (epoch, part_number) WHERE settled = 0;
"""
MIN_PRUNED_ROWS = 1000
MAX_ROWS_AT_ONCE = 4000  # that are marked or deleted; parts wait meanwhile
UNREADABLE_VERDICT_REASON = "its verdict cannot be read"
LOSS_NOTICE = (
    "Verdicts that no record has, challenges, holds and thresholds set by command are lost with it: "
    "check what is on hold."
)

log = logging.getLogger(__name__)


def _log_problem(text: str) -> None:
    log.error("ledger", extra={"problem": text})


def _report_nothing() -> None:
    pass


class Ledger:
    """Verdicts in the order of their parts; used by one thread. All: LedgerError.

    A damaged database is set aside, `report` gets the text, and an empty one begins. `written` is called
    after each change that the disk took.
    """

    def __init__(
        self,
        path: Path,
        max_parts: int,
        report: DamageReport = _log_problem,
        station_id: str = "",
        *,
        clock: Clock | None = None,
        written: Callable[[], object] = _report_nothing,
    ) -> None:
        self._path = path
        self._report = report
        self._station_id = station_id
        self._clock = clock or SystemClock()
        self._written = written
        self.max_parts = max_parts
        self.last_part: Part | None = None
        self._rows = 0
        self._settled_up_to: Part | None = None
        self._marked_up_to: Part | None = None
        self._connection = self._open_database()
        self.state_store = StateStore(self._connection, report, self._clock, written)
        self._load_position()

    def commit(self, verdicts: Sequence[PartJudged]) -> None:
        """Add verdicts, in order, as one; on disk on return. LedgerError: nothing was changed."""
        rows = [
            (verdict.part.epoch, verdict.part.part_number, encode_of_any_size(verdict))
            for verdict in verdicts
        ]
        with LEDGER_ERRORS.translate_errors(), transaction(self._connection) as connection:
            connection.executemany(
                "INSERT INTO verdicts (epoch, part_number, message) VALUES (?, ?, ?)", rows
            )
            store_challenges(connection, verdicts)
        self.last_part = verdicts[-1].part
        self._rows += len(rows)
        self._written()

    def mark_settled(self, up_to: Part) -> int:
        """Mark all up to this part as durable elsewhere, so many at once; how many were not yet."""
        if max(abs(up_to.epoch), abs(up_to.part_number)) >= 2**63:
            raise LedgerError(f"The verdict ledger cannot hold {up_to}.")
        if self._settled_up_to is None or up_to > self._settled_up_to:
            self._settled_up_to = up_to
        return self.mark_more_settled()

    def mark_more_settled(self) -> int:
        """Mark some more of what `mark_settled` named; 0: all of it is marked."""
        if self._settled_up_to is None or self._marked_up_to == self._settled_up_to:
            return 0
        key = (self._settled_up_to.epoch, self._settled_up_to.part_number)
        with LEDGER_ERRORS.translate_errors():
            marked = self._connection.execute(
                "SELECT epoch, part_number FROM verdicts"
                " WHERE settled = 0 AND (epoch, part_number) <= (?, ?)"
                " ORDER BY epoch, part_number LIMIT ?",
                (*key, MAX_ROWS_AT_ONCE),
            ).fetchall()
            if marked:
                self._connection.execute(
                    "UPDATE verdicts SET settled = 1"
                    " WHERE settled = 0 AND (epoch, part_number) <= (?, ?)",
                    marked[-1],
                )
            self._delete_oldest()
        if len(marked) < MAX_ROWS_AT_ONCE:
            self._marked_up_to = self._settled_up_to
        if marked:
            self._written()
        return len(marked)

    def find_unsettled_parts(self, limit: int) -> list[Part]:
        """The oldest parts whose verdicts are not settled, in order."""
        begin = self._settled_up_to or Part(-(2**63), -(2**63))
        with LEDGER_ERRORS.translate_errors():
            rows = self._connection.execute(
                "SELECT epoch, part_number FROM verdicts"
                " WHERE settled = 0 AND (epoch, part_number) > (?, ?)"
                " ORDER BY epoch, part_number LIMIT ?",
                (begin.epoch, begin.part_number, limit),
            ).fetchall()
        return [parse_part_key(row) for row in rows]

    def load_unsettled(self, limit: int) -> list[PartJudged]:
        """The oldest verdicts that are not settled, in order."""
        return [self.load_verdict(part) for part in self.find_unsettled_parts(limit)]

    def load_verdict(self, part: Part) -> PartJudged:
        """The verdict on a part of the ledger; in place of one that cannot be read stands `missed`."""
        key = (part.epoch, part.part_number)
        with LEDGER_ERRORS.translate_errors():
            (message,) = self._connection.execute(
                "SELECT message FROM verdicts WHERE epoch = ? AND part_number = ?", key
            ).fetchone()
        try:
            if not isinstance(message, bytes):
                raise MessageError(f"found {type(message).__name__}")
            verdict = decode_of_any_size(PartJudged, message)
            if verdict.part != part:
                raise MessageError(f"found the verdict on {verdict.part}")
        except MessageError as error:
            return self._replace_unreadable(part, error)
        return verdict

    def replace_damaged(self, reason: str) -> None:
        """Set the database aside and begin an empty one; LedgerError if the disk does not let that be."""
        self._connection.close()
        try:
            fate = f"kept as {set_aside(self._path).name}"
        except FileNotFoundError:  # the try before could not open a new one
            fate = "set aside before"
        except OSError as error:
            raise LedgerDamagedError(
                f"The verdict ledger is damaged ({reason}) and cannot be set aside: {error}. "
                "Parts are rejected until its folder can be written."
            ) from error
        finally:
            self._connection = self._open_database()
            self.state_store.use_connection(self._connection)
        self._report(f"{self._path.name} is damaged ({reason}). It is {fate}. {LOSS_NOTICE}")
        self._load_position()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _open_database(self) -> sqlite3.Connection:
        connection = open_journal(
            self._path,
            _SCHEMA + STATE_SCHEMA,
            lambda text: self._report(f"{text} {LOSS_NOTICE}"),
        )
        # A text that is none is a value like any other; it must not keep its row from being read.
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        return connection

    def _load_position(self) -> None:
        """Find where the database stands; what of it cannot be read makes it a damaged one."""
        self._settled_up_to = self._marked_up_to = None
        try:
            self.last_part = self._find_last_part()
            with LEDGER_ERRORS.translate_errors():
                (self._rows,) = self._connection.execute("SELECT COUNT(*) FROM verdicts").fetchone()
            self.find_unsettled_parts(1)
            self.state_store.check_readable()
        except LedgerDamagedError as error:
            self.replace_damaged(str(error.__cause__))

    def _find_last_part(self) -> Part | None:
        with LEDGER_ERRORS.translate_errors():
            row = self._connection.execute(
                "SELECT epoch, part_number FROM verdicts"
                " ORDER BY epoch DESC, part_number DESC LIMIT 1"
            ).fetchone()
        return None if row is None else parse_part_key(row)

    def _replace_unreadable(self, part: Part, error: MessageError) -> PartJudged:
        """A verdict that says so; it chains to the row before, and stands for the numbers in between."""
        key = (part.epoch, part.part_number)
        with LEDGER_ERRORS.translate_errors():
            row = self._connection.execute(
                "SELECT epoch, part_number FROM verdicts WHERE (epoch, part_number) < (?, ?)"
                " ORDER BY epoch DESC, part_number DESC LIMIT 1",
                key,
            ).fetchone()
            before = None if row is None else parse_part_key(row)
            verdict = build_unreadable_verdict(self._station_id, part, before, self._clock.utc_ns())
            self._connection.execute(
                "UPDATE verdicts SET message = ? WHERE epoch = ? AND part_number = ?",
                (encode_of_any_size(verdict), *key),
            )
        self._report(
            f"The verdict on part {part.part_number} of epoch {part.epoch} in {self._path.name} cannot "
            f"be read ({error}). It is recorded as missed; check this part, and the disk."
        )
        return verdict

    def _delete_oldest(self) -> None:
        excess = self._rows - self.max_parts
        if excess < MIN_PRUNED_ROWS:
            return
        oldest = self._connection.execute(
            "SELECT epoch, part_number FROM verdicts ORDER BY epoch, part_number LIMIT 1 OFFSET ?",
            (min(excess, MAX_ROWS_AT_ONCE) - 1,),
        ).fetchone()
        self._rows -= self._connection.execute(
            "DELETE FROM verdicts WHERE settled = 1 AND (epoch, part_number) <= (?, ?)", oldest
        ).rowcount


def build_unreadable_verdict(
    station_id: str, part: Part, before: Part | None, now_utc_ns: int
) -> PartJudged:
    """`missed` in place of a verdict that is lost; the times of the part are lost with it."""
    gap_from = None
    if before is not None and before.epoch == part.epoch:
        gap_from = before.part_number + 1 if before.part_number + 1 < part.part_number else None
    return PartJudged(
        station_id=station_id,
        part=part,
        verdict="missed",
        reason=UNREADABLE_VERDICT_REASON,
        product_detected=False,
        triggered_utc_ns=now_utc_ns,
        triggered_monotonic_ns=0,
        deadline_monotonic_ns=0,
        boot_id="",
        judged_utc_ns=now_utc_ns,
        follows=before,
        gap_from=gap_from,
    )
