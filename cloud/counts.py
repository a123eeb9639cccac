"""What a record adds to its station's counts; the store and the page count alike."""

from cloud.store.store import StoredRecord

RECEIVED = "received"
MAINTENANCE = "maintenance"


def counts_of(stored: StoredRecord) -> tuple[str, ...]:
    """The names under which a record counts.

    Challenge parts and those in maintenance stand apart: neither output nor defects.
    """
    record = stored.record
    if record.challenge:
        kind = f"challenge/{record.challengeResult or 'undecided'}"
    elif record.mode == MAINTENANCE:
        kind = MAINTENANCE
    else:
        kind = f"production/{record.verdict}"
    return (RECEIVED, f"parts/{record.verdict}", f"gate/{record.gate}", kind)
