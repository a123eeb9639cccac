"""What inference keeps beside its verdicts, in the ledger's database: thresholds, challenges, holds.

A verdict and what it means for challenges are committed as one; so are a command's effect and its
answer.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from inference.ledger_error import part_of, translated
from sightline.codec import decode_of_any_size, encode_of_any_size
from sightline.commands import ANSWERS_KEPT
from sightline.errors import MessageError
from sightline.journal import Report
from sightline.messages import CommandCarriedOut, HeldBack, Part, PartJudged
from sightline.transactions import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS challenges (
    epoch INTEGER NOT NULL, part_number INTEGER NOT NULL, label TEXT NOT NULL,
    result TEXT NOT NULL, judged_utc_ns INTEGER NOT NULL,
    PRIMARY KEY (epoch, part_number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holds (
    hold TEXT PRIMARY KEY, message BLOB NOT NULL, acknowledged_by TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS thresholds (product TEXT PRIMARY KEY, message BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, command_id TEXT NOT NULL UNIQUE,
    message BLOB NOT NULL);
"""

N = TypeVar("N", bound=msgspec.Struct)


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """What was set for a version of a product: label to tier to score; `changes` counts up."""

    version: str
    changes: int = 0
    labels: dict[str, dict[str, float]] = {}


def note_challenges(connection: sqlite3.Connection, verdicts: Sequence[PartJudged]) -> None:
    """Within the transaction that commits the verdicts."""
    for verdict in verdicts:
        if verdict.challenge:
            connection.execute(
                "INSERT INTO challenges VALUES (?, ?, ?, ?, ?)",
                (
                    *(verdict.part.epoch, verdict.part.part_number, verdict.challenge),
                    *(verdict.challenge_result, verdict.judged_utc_ns),
                ),
            )
        if verdict.held_back is not None:
            connection.execute(
                "INSERT INTO holds (hold, message) VALUES (?, ?)",
                (verdict.held_back.hold, encode_of_any_size(verdict.held_back)),
            )


class Notebook:
    """Reads and writes the notes; used by the ledger's thread, on its connection. All: LedgerError.

    What cannot be read is reported; a hold stays open then.
    """

    def __init__(self, connection: sqlite3.Connection, report: Report) -> None:
        self._connection = connection
        self._report = report

    def use(self, connection: sqlite3.Connection) -> None:
        """Another database from now on."""
        self._connection = connection

    def look(self) -> None:
        """LedgerDamagedError if what is read at a start cannot be."""
        self.last_found()
        self.open_holds()
        self.thresholds()

    def last_found(self) -> tuple[Part, int] | None:
        """The last challenge that was found, and when (UTC)."""
        with translated():
            row = self._connection.execute(
                "SELECT epoch, part_number, judged_utc_ns FROM challenges WHERE result = 'found'"
                " ORDER BY epoch DESC, part_number DESC LIMIT 1"
            ).fetchone()
        if row is None:
            return None
        return part_of(row[:2]), row[2] if isinstance(row[2], int) else 0

    def open_holds(self) -> list[HeldBack]:
        """The holds that nobody acknowledged, oldest first."""
        with translated():
            rows = self._connection.execute(
                "SELECT hold, message FROM holds WHERE acknowledged_by = '' ORDER BY rowid"
            ).fetchall()
        return [
            self._read(HeldBack, message, f"the hold {hold}")
            or HeldBack(hold=hold, first=None, last=_part_named(hold))
            for hold, message in rows
        ]

    def thresholds(self) -> dict[str, Thresholds]:
        """What was set, by product."""
        with translated():
            rows = self._connection.execute("SELECT product, message FROM thresholds").fetchall()
        read = {
            product: self._read(Thresholds, message, f"what was set for {product}")
            for product, message in rows
        }
        return {product: found for product, found in read.items() if found is not None}

    def answer(self, command_id: str) -> CommandCarriedOut | None:
        """The answer that a command got, or None if it is new."""
        with translated():
            row = self._connection.execute(
                "SELECT message FROM answers WHERE command_id = ?", (command_id,)
            ).fetchone()
        return None if row is None else self._read(CommandCarriedOut, row[0], "a command's answer")

    def keep(
        self,
        answer: CommandCarriedOut,
        *,
        thresholds: tuple[str, Thresholds] | None = None,
        acknowledges: str = "",
    ) -> None:
        """Keep an answer and what the command changed, as one; on disk on return."""
        with translated(), transaction(self._connection) as connection:
            if thresholds is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO thresholds VALUES (?, ?)",
                    (thresholds[0], encode_of_any_size(thresholds[1])),
                )
            if acknowledges:
                connection.execute(
                    "UPDATE holds SET acknowledged_by = ? WHERE acknowledged_by = '' AND hold = ?",
                    (answer.command_id, acknowledges),
                )
            connection.execute(
                "INSERT OR REPLACE INTO answers (command_id, message) VALUES (?, ?)",
                (answer.command_id, encode_of_any_size(answer)),
            )
            connection.execute(
                "DELETE FROM answers WHERE sequence <= (SELECT MAX(sequence) FROM answers) - ?",
                (ANSWERS_KEPT,),
            )

    def restore(self, holds: Sequence[HeldBack], thresholds: Mapping[str, Thresholds]) -> None:
        """Write down again what is in force, in a database that begins anew."""
        with translated(), transaction(self._connection) as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO holds (hold, message) VALUES (?, ?)",
                [(held.hold, encode_of_any_size(held)) for held in holds],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO thresholds VALUES (?, ?)",
                [(product, encode_of_any_size(found)) for product, found in thresholds.items()],
            )

    def _read(self, kind: type[N], message: object, what: str) -> N | None:
        try:
            if not isinstance(message, bytes):
                raise MessageError(f"found {type(message).__name__}")
            return decode_of_any_size(kind, message)
        except MessageError as error:
            self._report(f"In the ledger, {what} cannot be read: {error}.")
            return None


def _part_named(hold: str) -> Part:
    """The challenge part that a hold is named after."""
    epoch, _, number = str(hold).partition("-")
    return Part(int(epoch), int(number)) if epoch.isdecimal() and number.isdecimal() else Part(0, 0)
