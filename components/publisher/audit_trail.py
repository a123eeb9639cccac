"""The audit trail: each command once by its id, with what became of it, and the station's mode."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec

from publisher.command_authorisation import CommandDecision
from publisher.outbox import QueuedMessage, build_database_errors
from sightline.messaging.codec import encode_of_any_size
from sightline.messaging.messages import (
    Command,
    CommandAccepted,
    CommandCarriedOut,
    CommandOutcome,
    OperatingMode,
)
from sightline.storage.journal import open_journal
from sightline.storage.transactions import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS commands (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    command_id TEXT NOT NULL UNIQUE,
    received_utc_ns INTEGER NOT NULL,
    command TEXT NOT NULL,
    result TEXT NOT NULL,
    reason TEXT NOT NULL,
    repeats INTEGER NOT NULL DEFAULT 0,
    announced INTEGER NOT NULL,
    told INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS untold ON commands (sequence) WHERE told = 0;
CREATE INDEX IF NOT EXISTS unannounced ON commands (sequence) WHERE announced = 0;
CREATE TABLE IF NOT EXISTS carried_out (command_id TEXT PRIMARY KEY, message TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS modes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    mode TEXT NOT NULL,
    since_utc_ns INTEGER NOT NULL,
    command_id TEXT NOT NULL
);
"""
ENTRY_COLUMNS = (
    "sequence, received_utc_ns, command, result, reason,"
    " (SELECT message FROM carried_out WHERE carried_out.command_id = commands.command_id)"
)
MAX_KEPT_COMMANDS = 100_000
MAX_READ_MODES = 100
MAX_READ_UNANSWERED = 1000
STATION_MODES: frozenset[str] = frozenset(get_args(OperatingMode))


@dataclass(frozen=True)
class ModeChange:
    """A mode, from when on it holds, and the command that brought it."""

    mode: OperatingMode
    since_utc_ns: int
    command_id: str


@dataclass(frozen=True)
class AuditEntry:
    """A command of the trail with its outcome."""

    sequence: int
    received_utc_ns: int
    command: Command
    decision: CommandDecision
    carried_out: CommandCarriedOut | None = None

    def build_outcome(self) -> CommandOutcome:
        """The answer to the cloud: the component's, where there is one."""
        answer = self.carried_out
        return CommandOutcome(
            station_id=self.command.station_id,
            command_id=self.command.command_id,
            kind=self.command.kind,
            issued_by=self.command.issued_by,
            result=self.decision.result,
            decided_utc_ns=self.received_utc_ns if answer is None else answer.decided_utc_ns,
            reason=self.decision.reason,
            from_part=None if answer is None else answer.from_part,
        )

    def build_accepted(self) -> CommandAccepted:
        """The word to the station's components; for a command that was allowed only."""
        known = msgspec.structs.asdict(self.command)
        wanted = {name: known[name] for name in CommandAccepted.__struct_fields__ if name in known}
        extra = {"sequence": self.sequence, "accepted_utc_ns": self.received_utc_ns}
        return msgspec.convert({**wanted, **extra}, CommandAccepted)


class AuditTrail:
    """The main thread writes; the answers' sender has a connection of its own. All: OutboxError."""

    def __init__(self, path: Path, report: Callable[[str], None] | None = None) -> None:
        self._disk = build_database_errors("audit trail", path)
        self._writer = open_journal(path, SCHEMA, report)
        self._sender = open_journal(path, SCHEMA)

    @property
    def damage(self) -> str:
        """Whether the file was found to be damaged, in words: a new process sets it aside."""
        return self._disk.damage

    def note_repeat(self, command_id: str) -> bool:
        """Whether the command is known; if so, the repeat is noted and its answer is due again."""
        with self._disk.translate_errors():
            changed = self._writer.execute(
                "UPDATE commands SET repeats = repeats + 1, told = 0 WHERE command_id = ?",
                (command_id,),
            )
        return changed.rowcount > 0

    def append(
        self,
        command: Command,
        decision: CommandDecision,
        received_utc_ns: int,
        mode: ModeChange | None,
        announced: bool = False,
    ) -> None:
        """Note a command, its outcome and the mode it brings, as one; on disk on return.

        `announced`: the station's components are not told of it.
        """
        announced = announced or decision.result not in ("done", "accepted")
        text = encode_of_any_size(command).decode()
        with self._disk.translate_errors(), transaction(self._writer) as connection:
            connection.execute(
                "INSERT INTO commands"
                " (command_id, received_utc_ns, command, result, reason, announced)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    *(command.command_id, received_utc_ns, text),
                    *(decision.result, decision.reason, announced),
                ),
            )
            if mode is not None:
                connection.execute(
                    "INSERT INTO modes (mode, since_utc_ns, command_id) VALUES (?, ?, ?)",
                    (mode.mode, mode.since_utc_ns, mode.command_id),
                )
            connection.execute(
                "DELETE FROM commands WHERE told AND announced"
                " AND sequence <= (SELECT MAX(sequence) FROM commands) - ?",
                (MAX_KEPT_COMMANDS,),
            )

    def store_carried_out(self, answer: CommandCarriedOut) -> bool:
        """Note what a component made of a command; False if that is known, or the command is not."""
        text = encode_of_any_size(answer).decode()
        with self._disk.translate_errors(), transaction(self._writer) as connection:
            changed = connection.execute(
                "UPDATE commands SET result = ?, reason = ?, announced = 1, told = 0"
                " WHERE command_id = ? AND result IN ('accepted', 'expired') AND result != ?",
                (answer.result, answer.reason, answer.command_id, answer.result),
            ).rowcount
            if changed:
                connection.execute(
                    "INSERT OR REPLACE INTO carried_out VALUES (?, ?)", (answer.command_id, text)
                )
                connection.execute(
                    "DELETE FROM carried_out WHERE rowid <= (SELECT MAX(rowid) FROM carried_out) - ?",
                    (MAX_KEPT_COMMANDS,),
                )
        return changed > 0

    def load_modes(self) -> list[ModeChange]:
        """The last changes of the mode, the oldest first."""
        with self._disk.translate_errors():
            rows = self._writer.execute(
                "SELECT mode, since_utc_ns, command_id FROM modes ORDER BY sequence DESC LIMIT ?",
                (MAX_READ_MODES,),
            ).fetchall()
        known = [row for row in rows if row[0] in STATION_MODES and isinstance(row[1], int)]
        return [ModeChange(*row) for row in reversed(known)]

    def load_unannounced(self) -> list[AuditEntry]:
        """The allowed commands that the station's components have not been told."""
        with self._disk.translate_errors():
            rows = self._writer.execute(
                f"SELECT {ENTRY_COLUMNS} FROM commands WHERE announced = 0 ORDER BY sequence LIMIT 16"
            ).fetchall()
            entries = [_parse_entry(row) for row in rows]
            for row, entry in zip(rows, entries, strict=True):
                if entry is None:  # damaged: it is not carried out, and blocks none behind it
                    self._writer.execute(
                        "UPDATE commands SET announced = 1, told = 1 WHERE sequence = ?", row[:1]
                    )
        return [entry for entry in entries if entry is not None]

    def load_unanswered(self) -> list[AuditEntry]:
        """The last commands that were accepted, and of which nobody said what became of them."""
        with self._disk.translate_errors():
            rows = self._writer.execute(
                f"SELECT {ENTRY_COLUMNS} FROM commands WHERE result = 'accepted' AND announced = 1"
                " ORDER BY sequence DESC LIMIT ?",
                (MAX_READ_UNANSWERED,),
            ).fetchall()
        return [entry for row in rows if (entry := _parse_entry(row)) is not None]

    def mark_announced(self, entry: AuditEntry) -> None:
        """They were told."""
        with self._disk.translate_errors():
            self._writer.execute(
                "UPDATE commands SET announced = 1 WHERE sequence = ?", (entry.sequence,)
            )

    def load_oldest(self) -> QueuedMessage | None:
        """The answer to send next, or None; one that cannot be read is told no more."""
        while True:
            with self._disk.translate_errors():
                row = self._sender.execute(
                    f"SELECT {ENTRY_COLUMNS} FROM commands WHERE told = 0 ORDER BY sequence LIMIT 1"
                ).fetchone()
            if row is None:
                return None
            entry = _parse_entry(row)
            if entry is not None:
                return QueuedMessage(entry.sequence, encode_of_any_size(entry.build_outcome()))
            with self._disk.translate_errors():
                self._sender.execute("UPDATE commands SET told = 1 WHERE sequence = ?", row[:1])

    def remove(self, stored: QueuedMessage) -> None:
        """The cloud has the answer; one that was carried out meanwhile has another to be told."""
        sent = msgspec.json.decode(stored.payload, type=CommandOutcome)
        with self._disk.translate_errors():
            self._sender.execute(
                "UPDATE commands SET told = 1 WHERE sequence = ? AND result = ?",
                (stored.sequence, sent.result),
            )

    set_aside = remove  # an answer that cannot be sent stays in the trail, as all do

    def close(self) -> None:
        """Give the file back."""
        self._sender.close()
        self._writer.close()


def _parse_entry(row: tuple[Any, ...]) -> AuditEntry | None:
    """None for a row that nothing can be made of."""
    sequence, received_utc_ns, text, result, reason, answer = row
    try:
        command = msgspec.json.decode(text, type=Command)
        told = None if answer is None else msgspec.json.decode(answer, type=CommandCarriedOut)
        decision = msgspec.convert({"result": result, "reason": reason}, CommandDecision)
        entry = AuditEntry(sequence, msgspec.convert(received_utc_ns, int), command, decision, told)
    except (msgspec.MsgspecError, UnicodeError, TypeError):
        return None
    return entry
