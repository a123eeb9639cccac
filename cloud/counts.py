"""What a record adds to its station's counts; the store and the page count alike."""

from cloud.store.store import StoredRecord

RECEIVED = "received"
MAINTENANCE = "maintenance"
UNSEEN = "unseen"  # parts of gaps: nobody saw them one by one


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
    return (RECEIVED, f"parts/{record.verdict}", gate_count(record.gate), kind)


def gap_counts(mode: str, parts: int) -> dict[str, int]:
    """What so many parts that nobody saw add: each is missed, and nobody knows what the gate did."""
    kind = MAINTENANCE if mode == MAINTENANCE else "production/missed"
    return {UNSEEN: parts, "parts/missed": parts, gate_count("unconfirmed"): parts, kind: parts}


def gate_count(gate: str) -> str:
    """The name under which an outcome of the gate counts."""
    return f"gate/{gate}"
