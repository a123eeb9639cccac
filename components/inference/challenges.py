"""Challenge parts: known to be bad, sent through to prove the station.

One that is judged ok has passed: then nobody knows what else did, back to the last challenge that was
found. All that is held back, and the parts after it, too, until a person acknowledges it.
"""

from collections.abc import Container

from msgspec.structs import replace

from inference.configuration import ChallengeConfiguration
from inference.missing import part_after
from inference.notebook import Notebook
from sightline.clock import Clock
from sightline.health import Health
from sightline.messages import ChallengeResult, HeldBack, Part, PartJudged

HOUR_NS = 3_600_000_000_000
HELD_BACK = "held-back"
OVERDUE = "challenge-overdue"
CLOSED = "held back: a challenge part passed, and nobody has acknowledged it"


class Challenges:
    """Follows the challenges through the ledger; `settle` is the last step of every verdict."""

    def __init__(
        self,
        notebook: Notebook,
        configuration: ChallengeConfiguration,
        health: Health,
        clock: Clock,
    ) -> None:
        self._notebook = notebook
        self.configuration = configuration
        self._health = health
        self._clock = clock
        self._found = notebook.last_found()
        self._open = notebook.open_holds()
        self._show()

    @property
    def open_holds(self) -> list[HeldBack]:
        """What is held back, the oldest first."""
        return self._open

    def settle(self, verdict: PartJudged, rejected_for: Container[str] = ()) -> PartJudged:
        """The verdict with what it means for challenges; an ok does not stand while a hold is open."""
        verdict = self._under_hold(verdict)
        if not verdict.challenge:
            return verdict
        result = result_of(verdict, rejected_for)
        verdict = replace(verdict, challenge_result=result)
        if result == "passed":
            first = None if self._found is None else part_after(self._found[0])
            name = f"{verdict.part.epoch}-{verdict.part.part_number}"
            held = HeldBack(hold=name, first=first, last=verdict.part)
            return replace(verdict, hold=name, held_back=held)
        return verdict

    def committed(self, verdict: PartJudged) -> None:
        """A verdict of `settle` is on disk, and its challenge with it."""
        if not verdict.challenge:
            return
        self._health.count(f"challenges_{verdict.challenge_result}")
        if verdict.challenge_result == "found":
            self._found = (verdict.part, verdict.judged_utc_ns)
        if verdict.held_back is not None:
            self._open = [*self._open, verdict.held_back]
        self._show()

    def acknowledged(self, hold: str) -> None:
        """A person takes what this hold holds back into his hands; that is on disk."""
        self._open = [held for held in self._open if held.hold != hold]
        self._show()

    def watch(self) -> None:
        """Say when the next challenge is due."""
        each_h = self.configuration.each_h
        last_ns = 0 if self._found is None else self._found[1]
        ago_h = (self._clock.utc_ns() - last_ns) / HOUR_NS
        if each_h <= 0 or ago_h < each_h:
            self._health.clear_fault(OVERDUE)
            return
        found = "no challenge part was found yet"
        if self._found is not None:
            found = f"the last challenge part was found {ago_h:.1f} h ago"
        self._health.raise_fault(OVERDUE, f"{found}; one is due each {each_h:g} h", "warning")

    def _under_hold(self, verdict: PartJudged) -> PartJudged:
        if not self._open:
            return verdict
        held = replace(verdict, hold=self._open[0].hold)
        if verdict.verdict != "ok" or verdict.challenge or not self.configuration.closes_gate:
            return held
        return replace(held, verdict="review", reason=CLOSED)

    def _show(self) -> None:
        self._health.fact("holds", ", ".join(held.hold for held in self._open))
        if not self._open:
            self._health.clear_fault(HELD_BACK)
            return
        gate = "the gate is closed" if self.configuration.closes_gate else "the gate stays open"
        told = "; ".join(_in_words(held) for held in self._open)
        self._health.raise_fault(
            HELD_BACK,
            f"{len(self._open)} open, the oldest first: {told}. {gate.capitalize()} until a person "
            "acknowledges each of them by its name.",
        )


def result_of(verdict: PartJudged, rejected_for: Container[str] = ()) -> ChallengeResult:
    """`found`: rejected, and for the label that is on the part; `passed`: judged ok.

    A label that only asks for review, or that shows the product, has not closed the gate.
    """
    if verdict.verdict == "ok":
        return "passed"
    is_found = verdict.verdict == "defect" and verdict.challenge in rejected_for
    return "found" if is_found else "undecided"


def _name(part: Part) -> str:
    return f"{part.epoch}-{part.part_number}"


def _in_words(held: HeldBack) -> str:
    begin = "the beginning" if held.first is None else _name(held.first)
    return f"challenge part {held.hold} passed (all from {begin} on is held back)"
