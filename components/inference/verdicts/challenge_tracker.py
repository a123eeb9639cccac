"""Challenge parts: known to be bad, sent through to prove the station.

One that is judged ok has passed: then nobody knows what else did, back to the last challenge that was
found. All that is on hold, and the parts after it, too, until a person releases the hold.
"""

from collections.abc import Container
from functools import partial

from msgspec.structs import replace

from inference.configuration import ChallengeConfiguration
from inference.ledger.part_sequence import part_after
from inference.ledger.state_store import HoldRelease, StateStore
from sightline.clock import Clock
from sightline.configuration import ConfigurationStruct
from sightline.errors import CommandError
from sightline.kernel.command_execution import Reply
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import ChallengeResult, HoldRange, Part, PartJudged

HOUR_NS = 3_600_000_000_000
HOLD_FAULT = "held-back"
OVERDUE_FAULT = "challenge-overdue"
GATE_CLOSED_REASON = (
    "on hold: the station passed a challenge part, and nobody has released the hold"
)


class AcknowledgeHold(ConfigurationStruct, frozen=True, kw_only=True):
    """The command's arguments: the hold that the person saw, as the fault and the records name it.

    Only this one is released: another one may have come between the look and the click.
    """

    hold: str = ""


class ChallengeTracker:
    """Follows the challenges; `with_challenge_result` is the last step of every verdict."""

    def __init__(
        self,
        state_store: StateStore,
        configuration: ChallengeConfiguration,
        health: ComponentHealth,
        clock: Clock,
    ) -> None:
        self.configuration = configuration
        self._health = health
        self._clock = clock
        self._last_found = state_store.load_last_found()
        self._open_holds = state_store.load_open_holds()
        self._report_holds()

    @property
    def open_holds(self) -> list[HoldRange]:
        """What is on hold, the oldest first."""
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
        """A verdict of `with_challenge_result` is on disk, and its challenge with it."""
        if not verdict.challenge:
            return
        self._health.count(f"challenges_{verdict.challenge_result}")
        if verdict.challenge_result == "found":
            self._last_found = (verdict.part, verdict.judged_utc_ns)
        if verdict.held_back is not None:
            self._open_holds = [*self._open_holds, verdict.held_back]
        self._report_holds()

    def build_release_reply(self, request: AcknowledgeHold) -> Reply:
        """The reply to a person who releases a hold by its name; CommandError says which are open."""
        names = [held.hold for held in self._open_holds]
        if not names:
            raise CommandError("no hold is open")
        if not request.hold:
            raise CommandError(f"hold: name the hold to release; open are {', '.join(names)}")
        if request.hold not in names:
            raise CommandError(f"no hold {request.hold} is open; open are {', '.join(names)}")
        left = [name for name in names if name != request.hold]
        still = f"; still open are {', '.join(left)}" if left else ""
        return Reply(
            f"released hold {request.hold}{still}",
            change=HoldRelease(request.hold),
            apply=partial(self._release_hold, request.hold),
        )

    def _release_hold(self, hold: str) -> None:
        """A person answers for what is on hold; that is on disk."""
        self._open_holds = [held for held in self._open_holds if held.hold != hold]
        self._report_holds()

    def check_due(self) -> None:
        """Raise a fault while a challenge is overdue."""
        each_h = self.configuration.each_h
        last_ns = 0 if self._last_found is None else self._last_found[1]
        ago_h = (self._clock.utc_ns() - last_ns) / HOUR_NS
        if each_h <= 0 or ago_h < each_h:
            self._health.clear_fault(OVERDUE_FAULT)
            return
        found = "no challenge part has been detected yet"
        if self._last_found is not None:
            found = f"the last challenge part was detected {ago_h:.1f} h ago"
        text = f"Challenge overdue: {found}; one is due every {each_h:g} h. Send a challenge part through."
        self._health.raise_fault(OVERDUE_FAULT, text, "warning")

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
        gate = "No part is ok" if self.configuration.closes_gate else "Parts are judged as usual"
        holds = "; ".join(_describe_hold(held) for held in self._open_holds)
        self._health.raise_fault(
            HOLD_FAULT,
            f"Open holds, oldest first: {len(self._open_holds)}. {holds}. {gate} until each hold is "
            "released by its name. Check the parts on hold.",
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
    return f"The station passed challenge part {held.hold}: all parts from {begin} on are on hold"
