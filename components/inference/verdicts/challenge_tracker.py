"""Challenge parts: known to be bad, sent through to prove the station.

One that is judged ok has passed: then nobody knows what else did, back to the last challenge that was
found. All that is held back, and the parts after it, too, until a person acknowledges it.
"""

from collections.abc import Container

from msgspec.structs import replace

from inference.configuration import ChallengeConfiguration
from inference.ledger.part_sequence import part_after
from inference.ledger.state_store import StateStore
from sightline.clock import Clock
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import ChallengeResult, HoldRange, Part, PartJudged

HOUR_NS = 3_600_000_000_000
HOLD_FAULT = "held-back"
OVERDUE_FAULT = "challenge-overdue"
GATE_CLOSED_REASON = "held back: a challenge part passed, and nobody has acknowledged it"


class ChallengeTracker:
    """Follows the challenges through the ledger; `settle` is the last step of every verdict."""

    def __init__(
        self,
        notebook: StateStore,
        configuration: ChallengeConfiguration,
        health: ComponentHealth,
        clock: Clock,
    ) -> None:
        self._state_store = notebook
        self.configuration = configuration
        self._health = health
        self._clock = clock
        self._last_found = notebook.load_last_found()
        self._open_holds = notebook.load_open_holds()
        self._report_holds()

    @property
    def open_holds(self) -> list[HoldRange]:
        """What is held back, the oldest first."""
        return self._open_holds

    def with_challenge_result(
        self, verdict: PartJudged, rejecting_labels: Container[str] = ()
    ) -> PartJudged:
        """The verdict with what it means for challenges; an ok does not stand while a hold is open."""
        verdict = self._with_open_hold(verdict)
        if not verdict.challenge:
            return verdict
        result = classify_challenge(verdict, rejecting_labels)
        verdict = replace(verdict, challenge_result=result)
        if result == "passed":
            first = None if self._last_found is None else part_after(self._last_found[0])
            name = f"{verdict.part.epoch}-{verdict.part.part_number}"
            held = HoldRange(hold=name, first=first, last=verdict.part)
            return replace(verdict, hold=name, held_back=held)
        return verdict

    def record_committed(self, verdict: PartJudged) -> None:
        """A verdict of `settle` is on disk, and its challenge with it."""
        if not verdict.challenge:
            return
        self._health.count(f"challenges_{verdict.challenge_result}")
        if verdict.challenge_result == "found":
            self._last_found = (verdict.part, verdict.judged_utc_ns)
        if verdict.held_back is not None:
            self._open_holds = [*self._open_holds, verdict.held_back]
        self._report_holds()

    def release_hold(self, hold: str) -> None:
        """A person takes what this hold holds back into his hands; that is on disk."""
        self._open_holds = [held for held in self._open_holds if held.hold != hold]
        self._report_holds()

    def check_due(self) -> None:
        """Say when the next challenge is due."""
        each_h = self.configuration.each_h
        last_ns = 0 if self._last_found is None else self._last_found[1]
        ago_h = (self._clock.utc_ns() - last_ns) / HOUR_NS
        if each_h <= 0 or ago_h < each_h:
            self._health.clear_fault(OVERDUE_FAULT)
            return
        found = "no challenge part was found yet"
        if self._last_found is not None:
            found = f"the last challenge part was found {ago_h:.1f} h ago"
        self._health.raise_fault(OVERDUE_FAULT, f"{found}; one is due each {each_h:g} h", "warning")

    def _with_open_hold(self, verdict: PartJudged) -> PartJudged:
        if not self._open_holds:
            return verdict
        held = replace(verdict, hold=self._open_holds[0].hold)
        if verdict.verdict != "ok" or verdict.challenge or not self.configuration.closes_gate:
            return held
        return replace(held, verdict="review", reason=GATE_CLOSED_REASON)

    def _report_holds(self) -> None:
        self._health.set_fact("holds", ", ".join(held.hold for held in self._open_holds))
        if not self._open_holds:
            self._health.clear_fault(HOLD_FAULT)
            return
        gate = "the gate is closed" if self.configuration.closes_gate else "the gate stays open"
        told = "; ".join(_describe_hold(held) for held in self._open_holds)
        self._health.raise_fault(
            HOLD_FAULT,
            f"{len(self._open_holds)} open, the oldest first: {told}. {gate.capitalize()} until a person "
            "acknowledges each of them by its name.",
        )


def classify_challenge(
    verdict: PartJudged, rejecting_labels: Container[str] = ()
) -> ChallengeResult:
    """`found`: rejected, and for the label that is on the part; `passed`: judged ok.

    A label that only asks for review, or that shows the product, has not closed the gate.
    """
    if verdict.verdict == "ok":
        return "passed"
    is_found = verdict.verdict == "defect" and verdict.challenge in rejecting_labels
    return "found" if is_found else "undecided"


def _format_part(part: Part) -> str:
    return f"{part.epoch}-{part.part_number}"


def _describe_hold(held: HoldRange) -> str:
    begin = "the beginning" if held.first is None else _format_part(held.first)
    return f"challenge part {held.hold} passed (all from {begin} on is held back)"
