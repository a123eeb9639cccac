"""The ledger: one verdict for each part, on disk before anyone hears of it."""

import logging
import sqlite3
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from inference.ledger_error import LedgerDamagedError, LedgerError, part_of, translated
from inference.notebook import SCHEMA as NOTEBOOK_SCHEMA
from inference.notebook import Notebook, note_challenges
from sightline.codec import decode_of_any_size, encode_of_any_size
from sightline.errors import MessageError
from sightline.journal import Report, open_journal, set_aside
from sightline.messages import Part, PartJudged
from sightline.transactions import transaction

_SCHEMA = """
CREATE TABLE IF NOT EXISTS verdicts (
    epoch INTEGER NOT NULL, part_number INTEGER NOT NULL, message BLOB NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (epoch, part_number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unsettled ON verdicts (epoch, part_number) WHERE settled = 0;
"""
PRUNE_EACH = 1000
MAX_ROWS_AT_ONCE = 4000  # that are marked or deleted; parts wait meanwhile
UNREADABLE = "its verdict cannot be read"
LOST = (
    "Verdicts that no record has, challenges, holds and thresholds set by command are lost with it: "
    "check what is on hold."
)

log = logging.getLogger(__name__)


def _report_to_log(text: str) -> None:
    log.error("ledger", extra={"problem": text})


class Ledger:
    """Verdicts in the order of their parts; used by one thread. All: LedgerError.

    A damaged database is set aside, `report` is told, and an empty one begins.
    """

    def __init__(
        self,
        path: Path,
        keeps_parts: int,
        report: Report = _report_to_log,
        station_id: str = "",
    ) -> None:
        self._path = path
        self._report = report
        self._station_id = station_id
        self.keeps_parts = keeps_parts
        self.last: Part | None = None
        self._rows = 0
        self._settled: Part | None = None
        self._all_marked: Part | None = None
        self._connection = self._open()
        self.notebook = Notebook(self._connection, report)
        self._begin()

    def commit(self, verdicts: Sequence[PartJudged]) -> None:
        """Add verdicts, in order, as one; on disk on return. LedgerError: nothing was changed."""
        rows = [
            (verdict.part.epoch, verdict.part.part_number, encode_of_any_size(verdict))
            for verdict in verdicts
        ]
        with translated(), transaction(self._connection) as connection:
            connection.executemany(
                "INSERT INTO verdicts (epoch, part_number, message) VALUES (?, ?, ?)", rows
            )
            note_challenges(connection, verdicts)
        self.last = verdicts[-1].part
        self._rows += len(rows)

    def settle(self, up_to: Part) -> int:
        """Mark all up to this part as durable elsewhere, so many at once; how many were not yet."""
        if max(abs(up_to.epoch), abs(up_to.part_number)) >= 2**63:
            raise LedgerError(f"The verdict ledger cannot hold {up_to}.")
        if self._settled is None or up_to > self._settled:
            self._settled = up_to
        return self.settle_more()

    def settle_more(self) -> int:
        """Mark some more of what `settle` named; 0: all of it is marked."""
        if self._settled is None or self._all_marked == self._settled:
            return 0
        key = (self._settled.epoch, self._settled.part_number)
        with translated():
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
            self._prune()
        if len(marked) < MAX_ROWS_AT_ONCE:
            self._all_marked = self._settled
        return len(marked)

    def unsettled_parts(self, limit: int) -> list[Part]:
        """The oldest parts whose verdicts are not settled, in order."""
        begin = self._settled or Part(-(2**63), -(2**63))
        with translated():
            rows = self._connection.execute(
                "SELECT epoch, part_number FROM verdicts"
                " WHERE settled = 0 AND (epoch, part_number) > (?, ?)"
                " ORDER BY epoch, part_number LIMIT ?",
                (begin.epoch, begin.part_number, limit),
            ).fetchall()
        return [part_of(row) for row in rows]

    def unsettled(self, limit: int) -> list[PartJudged]:
        """The oldest verdicts that are not settled, in order."""
        return [self.verdict_on(part) for part in self.unsettled_parts(limit)]

    def verdict_on(self, part: Part) -> PartJudged:
        """The verdict on a part of the ledger; in place of one that cannot be read stands `missed`."""
        key = (part.epoch, part.part_number)
        with translated():
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

    def begin_anew(self, reason: str) -> None:
        """Set the database aside and begin an empty one; LedgerError if the disk does not let that be."""
        self._connection.close()
        try:
            kept = set_aside(self._path)
        except OSError as error:
            raise LedgerDamagedError(
                f"The verdict ledger is damaged ({reason}) and cannot be set aside: {error}. "
                "Parts are rejected until that is mended."
            ) from error
        finally:
            self._connection = self._open()
            self.notebook.use(self._connection)
        self._report(f"{self._path.name} is damaged ({reason}). It is kept as {kept.name}. {LOST}")
        self._begin()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = open_journal(
            self._path, _SCHEMA + NOTEBOOK_SCHEMA, lambda text: self._report(f"{text} {LOST}")
        )
        # A text that is none is a value like any other; it must not keep its row from being read.
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        return connection

    def _begin(self) -> None:
        """Find where the database stands; what of it cannot be read makes it a damaged one."""
        self._settled = self._all_marked = None
        try:
            self.last = self._find_last()
            with translated():
                (self._rows,) = self._connection.execute("SELECT COUNT(*) FROM verdicts").fetchone()
            self.unsettled_parts(1)
            self.notebook.look()
        except LedgerDamagedError as error:
            self.begin_anew(str(error.__cause__))

    def _find_last(self) -> Part | None:
        with translated():
            row = self._connection.execute(
                "SELECT epoch, part_number FROM verdicts"
                " ORDER BY epoch DESC, part_number DESC LIMIT 1"
            ).fetchone()
        return None if row is None else part_of(row)

    def _replace_unreadable(self, part: Part, error: MessageError) -> PartJudged:
        """A verdict that says so; it chains to the row before, and stands for the numbers in between."""
        key = (part.epoch, part.part_number)
        with translated():
            row = self._connection.execute(
                "SELECT epoch, part_number FROM verdicts WHERE (epoch, part_number) < (?, ?)"
                " ORDER BY epoch DESC, part_number DESC LIMIT 1",
                key,
            ).fetchone()
            before = None if row is None else part_of(row)
            verdict = unreadable_verdict(self._station_id, part, before, time.time_ns())
            self._connection.execute(
                "UPDATE verdicts SET message = ? WHERE epoch = ? AND part_number = ?",
                (encode_of_any_size(verdict), *key),
            )
        self._report(
            f"The verdict on part {part.part_number} of epoch {part.epoch} in {self._path.name} cannot "
            f"be read ({error}). It is recorded as missed; check this part, and the disk."
        )
        return verdict

    def _prune(self) -> None:
        excess = self._rows - self.keeps_parts
        if excess < PRUNE_EACH:
            return
        oldest = self._connection.execute(
            "SELECT epoch, part_number FROM verdicts ORDER BY epoch, part_number LIMIT 1 OFFSET ?",
            (min(excess, MAX_ROWS_AT_ONCE) - 1,),
        ).fetchone()
        self._rows -= self._connection.execute(
            "DELETE FROM verdicts WHERE settled = 1 AND (epoch, part_number) <= (?, ?)", oldest
        ).rowcount


def unreadable_verdict(
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
        reason=UNREADABLE,
        product_detected=False,
        triggered_utc_ns=now_utc_ns,
        triggered_monotonic_ns=0,
        deadline_monotonic_ns=0,
        boot_id="",
        judged_utc_ns=now_utc_ns,
        follows=before,
        gap_from=gap_from,
    )
