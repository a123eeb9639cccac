"""What a record adds to its station's counts; used by the store and the page."""

from cloud.store.stored_messages import StoredRecord

RECEIVED = "received"
MAINTENANCE = "maintenance"
UNSEEN = "unseen"  # parts in gap records


def list_count_names(stored: StoredRecord) -> tuple[str, ...]:
    """The names under which a record counts.

    Challenge parts and parts in maintenance are counted separately: neither output nor defects.
    """
    record = stored.record
    if record.challenge:
        kind = f"challenge/{record.challengeResult or 'undecided'}"
    elif record.mode == MAINTENANCE:
        kind = MAINTENANCE
    else:
        kind = f"production/{record.verdict}"
    return (RECEIVED, f"parts/{record.verdict}", build_gate_count_name(record.gate), kind)


def build_gap_counts(mode: str, parts: int) -> dict[str, int]:
    """What a gap record adds: each of its parts is missed, with an unconfirmed gate outcome."""
    kind = MAINTENANCE if mode == MAINTENANCE else "production/missed"
    return {
        UNSEEN: parts,
        "parts/missed": parts,
        build_gate_count_name("unconfirmed"): parts,
        kind: parts,
    }


def build_gate_count_name(gate: str) -> str:
    """The name under which a gate outcome counts."""
    return f"gate/{gate}"
