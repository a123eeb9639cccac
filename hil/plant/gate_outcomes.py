"""The PLC's gate outcomes and confirmations, and their register codes."""

from dataclasses import dataclass

from hil.plant.gate_confirmation import Confirmation
from hil.plant.reject_gate import OUTCOME_CAUSES, PartOutcome

OUTCOME_RING_SLOTS = 64
ACTION_CODES = {"passed": 1, "rejected": 2}
CAUSE_CODES = {cause: code for code, cause in enumerate(OUTCOME_CAUSES)}
CONFIRMATION_CODES: dict[Confirmation, int] = {
    "confirmed": 1,
    "not_arrived": 2,
    "unexpected": 3,
    "stray": 4,
}


@dataclass(frozen=True)
class TimedPartOutcome:
    """An outcome with the time of day at which the gate acted."""

    outcome: PartOutcome
    acted_utc_ns: int

    @property
    def action_code(self) -> int:
        """The register code of the gate's action."""
        return ACTION_CODES[self.outcome.action]

    @property
    def cause_code(self) -> int:
        """The register code of the cause."""
        return CAUSE_CODES[self.outcome.cause]
