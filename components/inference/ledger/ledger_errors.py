"""The errors of the ledger's disk: what it refused is not in force, and comes again."""

from collections.abc import Sequence

from sightline.errors import RetryableError
from sightline.messaging.messages import Part
from sightline.storage.database_errors import DatabaseErrors

LEDGER_FAULT = "ledger-not-writable"


class LedgerError(RetryableError):
    """The disk did not take a change of the ledger, or cannot be read; nothing was changed."""


class LedgerDamagedError(LedgerError):
    """The ledger's content is at fault: trying again does not help, a new one has to begin."""


LEDGER_ERRORS = DatabaseErrors(
    "verdict ledger",
    "Parts are rejected until it can be written again.",
    error=LedgerError,
    damaged=LedgerDamagedError,
    closed_is_damage=True,  # a new file is tried again until it opens
)


def parse_part_key(row: Sequence[object]) -> Part:
    """The part that a row's key names; LedgerDamagedError if it names none."""
    epoch, number = row
    if not (isinstance(epoch, int) and isinstance(number, int)):
        problem = ValueError(f"found a part {number!r:.20} of epoch {epoch!r:.20}")
        raise LedgerDamagedError(f"The verdict ledger is damaged: {problem}.") from problem
    return Part(epoch, number)
