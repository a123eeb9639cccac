"""The error of the ledger's disk: what it refused is not in force, and comes again."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sightline.errors import RetryableError
from sightline.messaging.messages import Part
from sightline.storage.journal import is_damage

LEDGER_FAULT = "ledger-not-writable"  # the fault


class LedgerError(RetryableError):
    """The disk did not take a change of the ledger, or cannot be read; nothing was changed."""


class LedgerDamagedError(LedgerError):
    """The ledger's content is at fault: no other try will do, and a new one has to begin."""


def parse_part_key(row: Sequence[object]) -> Part:
    """The part that a row's key names; LedgerDamagedError if it names none."""
    epoch, number = row
    if not (isinstance(epoch, int) and isinstance(number, int)):
        problem = ValueError(f"found a part {number!r:.20} of epoch {epoch!r:.20}")
        raise LedgerDamagedError(f"The verdict ledger is damaged: {problem}.") from problem
    return Part(epoch, number)


@contextmanager
def translate_ledger_errors() -> Iterator[None]:
    """SQLite's errors, and those of values that it cannot hold, as LedgerError."""
    try:
        yield
    except sqlite3.Error as error:
        text = f"Cannot write or read the verdict ledger: {error}"
        kind = LedgerDamagedError if is_damage(error) else LedgerError
        raise kind(f"{text}. Parts are rejected until that is mended.") from error
    except (OverflowError, ValueError) as error:
        raise LedgerError(f"The verdict ledger cannot hold this: {error}.") from error
