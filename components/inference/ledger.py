"""The ledger: one verdict for each part, on disk before anyone hears of it."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from inference.ledger_error import translated
from inference.notebook import SCHEMA as NOTEBOOK_SCHEMA
from inference.notebook import Notebook, note_challenges
from sightline.codec import decode_of_any_size, encode_of_any_size
from sightline.journal import open_journal
from sightline.messages import Part, PartJudged
from sightline.transactions import transaction

_SCHEMA = """
CREATE TABLE IF NOT EXISTS verdicts (
    epoch INTEGER NOT NULL, part_number INTEGER NOT NULL, message BLOB NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (epoch, part_number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unsettled ON verdicts (epoch, part_number) WHERE settled = 0;
"""
PRUNE_EACH = 1000


class Ledger:
    """Verdicts in the order of their parts; used by one thread. All: LedgerError."""

    def __init__(self, path: Path, keeps_parts: int) -> None:
        self._connection: sqlite3.Connection = open_journal(path, _SCHEMA + NOTEBOOK_SCHEMA)
        self.notebook = Notebook(self._connection)
        self.keeps_parts = keeps_parts
        self._settled_since_prune = 0
        self.last = self._find_last()

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

    def settle(self, up_to: Part) -> int:
        """Mark all up to this part as durable elsewhere; how many were not yet."""
        with translated():
            changed = self._connection.execute(
                "UPDATE verdicts SET settled = 1"
                " WHERE settled = 0 AND (epoch, part_number) <= (?, ?)",
                (up_to.epoch, up_to.part_number),
            ).rowcount
            self._settled_since_prune += changed
            if self._settled_since_prune >= PRUNE_EACH:
                self._prune()
        return changed

    def unsettled(self, limit: int) -> list[PartJudged]:
        """The oldest verdicts that are not settled, in order."""
        with translated():
            rows = self._connection.execute(
                "SELECT message FROM verdicts WHERE settled = 0"
                " ORDER BY epoch, part_number LIMIT ?",
                (limit,),
            ).fetchall()
        return [decode_of_any_size(PartJudged, message) for (message,) in rows]

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _find_last(self) -> Part | None:
        with translated():
            row = self._connection.execute(
                "SELECT epoch, part_number FROM verdicts"
                " ORDER BY epoch DESC, part_number DESC LIMIT 1"
            ).fetchone()
        return None if row is None else Part(*row)

    def _prune(self) -> None:
        self._connection.execute(
            "DELETE FROM verdicts WHERE settled = 1 AND (epoch, part_number) < "
            "(SELECT epoch, part_number FROM verdicts ORDER BY epoch DESC, part_number DESC "
            "LIMIT 1 OFFSET ?)",
            (self.keeps_parts,),
        )
        self._settled_since_prune = 0
