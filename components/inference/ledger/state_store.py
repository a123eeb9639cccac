"""What inference stores beside its verdicts, in the ledger's database: thresholds, challenges, holds.

A verdict and what it means for challenges are committed as one; so are a command's change and its
reply.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from inference.ledger.ledger_errors import LEDGER_ERRORS, parse_part_key
from sightline.clock import Clock
from sightline.errors import MessageError
from sightline.kernel.command_execution import Reply
from sightline.kernel.commands import MAX_STORED_REPLIES, build_command_reply
from sightline.messaging.codec import decode_of_any_size, encode_of_any_size
from sightline.messaging.messages import (
    CommandAccepted,
    CommandCarriedOut,
    CommandResult,
    HoldRange,
    Part,
    PartJudged,
)
from sightline.messaging.topics import COMMAND_CARRIED_OUT
from sightline.storage.journal import DamageReport
from sightline.storage.transactions import transaction

STATE_SCHEMA = """
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


class ProductThresholds(msgspec.Struct, frozen=True, kw_only=True):
    """What was set for a version of a product: label to tier to score; `changes` counts up."""

    version: str
    changes: int = 0
    labels: dict[str, dict[str, float]] = {}


@dataclass(frozen=True)
class ThresholdChange:
    """What a command changes: the thresholds of a product."""

    product: str
    thresholds: ProductThresholds


@dataclass(frozen=True)
class HoldRelease:
    """What a command changes: the hold of this name is released."""

    hold: str


def store_challenges(connection: sqlite3.Connection, verdicts: Sequence[PartJudged]) -> None:
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


class StateStore:
    """Used by the ledger's thread, on its connection; keeps the replies to commands. All: LedgerError.

    What cannot be read is reported; a hold stays open then. `written` is called after each stored reply.
    """

    stream = COMMAND_CARRIED_OUT

    def __init__(
        self,
        connection: sqlite3.Connection,
        report: DamageReport,
        clock: Clock,
        written: Callable[[], object],
    ) -> None:
        self._connection = connection
        self._report = report
        self._clock = clock
        self._written = written

    def use_connection(self, connection: sqlite3.Connection) -> None:
        """Another database from now on."""
        self._connection = connection

    def check_readable(self) -> None:
        """LedgerDamagedError if what is read at a start cannot be."""
        self.load_last_found()
        self.load_open_holds()
        self.load_thresholds()

    def load_last_found(self) -> tuple[Part, int] | None:
        """The last challenge that was found, and when (UTC)."""
        with LEDGER_ERRORS.translate_errors():
            row = self._connection.execute(
                "SELECT epoch, part_number, judged_utc_ns FROM challenges WHERE result = 'found'"
                " ORDER BY epoch DESC, part_number DESC LIMIT 1"
            ).fetchone()
        if row is None:
            return None
        return parse_part_key(row[:2]), row[2] if isinstance(row[2], int) else 0

    def load_open_holds(self) -> list[HoldRange]:
        """The holds that nobody acknowledged, oldest first."""
        with LEDGER_ERRORS.translate_errors():
            rows = self._connection.execute(
                "SELECT hold, message FROM holds WHERE acknowledged_by = '' ORDER BY rowid"
            ).fetchall()
        return [
            self._decode_or_report(HoldRange, message, f"the hold {hold}")
            or HoldRange(hold=hold, first=None, last=_parse_hold_name(hold))
            for hold, message in rows
        ]

    def load_thresholds(self) -> dict[str, ProductThresholds]:
        """What was set, by product."""
        with LEDGER_ERRORS.translate_errors():
            rows = self._connection.execute("SELECT product, message FROM thresholds").fetchall()
        read = {
            product: self._decode_or_report(
                ProductThresholds, message, f"what was set for {product}"
            )
            for product, message in rows
        }
        return {product: found for product, found in read.items() if found is not None}

    def find_reply(self, command_id: str) -> CommandCarriedOut | None:
        """The reply that a command got, or None if it is new."""
        with LEDGER_ERRORS.translate_errors():
            row = self._connection.execute(
                "SELECT message FROM answers WHERE command_id = ?", (command_id,)
            ).fetchone()
        return (
            None
            if row is None
            else self._decode_or_report(CommandCarriedOut, row[0], "the reply to a command")
        )

    def store_reply(
        self, command: CommandAccepted, result: CommandResult, reply: Reply, from_part: Part | None
    ) -> CommandCarriedOut:
        """Store a reply and what the command changes, as one; on disk on return."""
        message = build_command_reply(
            command, self._clock.utc_ns(), reply.text, result=result, from_part=from_part
        )
        with LEDGER_ERRORS.translate_errors(), transaction(self._connection) as connection:
            _store_change(connection, reply.change, command.command_id)
            connection.execute(
                "INSERT OR REPLACE INTO answers (command_id, message) VALUES (?, ?)",
                (command.command_id, encode_of_any_size(message)),
            )
            connection.execute(
                "DELETE FROM answers WHERE sequence <= (SELECT MAX(sequence) FROM answers) - ?",
                (MAX_STORED_REPLIES,),
            )
        self._written()
        return message

    def store_again(
        self, holds: Sequence[HoldRange], thresholds: Mapping[str, ProductThresholds]
    ) -> None:
        """Write down again what is in force, in a database that begins anew."""
        with LEDGER_ERRORS.translate_errors(), transaction(self._connection) as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO holds (hold, message) VALUES (?, ?)",
                [(held.hold, encode_of_any_size(held)) for held in holds],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO thresholds VALUES (?, ?)",
                [(product, encode_of_any_size(found)) for product, found in thresholds.items()],
            )

    def _decode_or_report(self, kind: type[N], message: object, what: str) -> N | None:
        try:
            if not isinstance(message, bytes):
                raise MessageError(f"found {type(message).__name__}")
            return decode_of_any_size(kind, message)
        except MessageError as error:
            self._report(f"In the ledger, {what} cannot be read: {error}.")
            return None


def _store_change(
    connection: sqlite3.Connection,
    change: ThresholdChange | HoldRelease | None,
    command_id: str,
) -> None:
    """Within the transaction that stores the reply."""
    match change:
        case ThresholdChange(product, thresholds):
            connection.execute(
                "INSERT OR REPLACE INTO thresholds VALUES (?, ?)",
                (product, encode_of_any_size(thresholds)),
            )
        case HoldRelease(hold):
            connection.execute(
                "UPDATE holds SET acknowledged_by = ? WHERE acknowledged_by = '' AND hold = ?",
                (command_id, hold),
            )


def _parse_hold_name(hold: str) -> Part:
    """The challenge part after which a hold is named."""
    epoch, _, number = str(hold).partition("-")
    return Part(int(epoch), int(number)) if epoch.isdecimal() and number.isdecimal() else Part(0, 0)
