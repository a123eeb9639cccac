"""What the PLC remembers of parts at the gate, and the numbers that say it."""

from dataclasses import dataclass

from hil.plant.reject_gate import OUTCOME_CAUSES, PartOutcome

OUTCOME_RING_SLOTS = 64
ACTION_CODES = {"passed": 1, "rejected": 2}
CAUSE_CODES = {cause: code for code, cause in enumerate(OUTCOME_CAUSES)}


@dataclass(frozen=True)
class TimedPartOutcome:
    """An outcome with the time of day at which the gate acted."""

    outcome: PartOutcome
    acted_utc_ns: int

    @property
    def action_code(self) -> int:
        """What the gate did, as the registers say it."""
        return ACTION_CODES[self.outcome.action]

    @property
    def cause_code(self) -> int:
        """Why, as the registers say it."""
        return CAUSE_CODES[self.outcome.cause]
