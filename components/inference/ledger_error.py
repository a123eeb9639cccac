"""The error of the ledger's disk: what it refused is not in force, and comes again."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sightline.errors import RetryableError

DISK = "ledger-not-writable"  # the fault


class LedgerError(RetryableError):
    """The disk did not take a change of the ledger, or cannot be read; nothing was changed."""


@contextmanager
def translated() -> Iterator[None]:
    """SQLite's errors as LedgerError."""
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger's disk refuses: {error}") from error
