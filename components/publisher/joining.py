"""What waits for what: each part for its gate or its time, all parts for those before them. Pure."""

from collections import deque
from dataclasses import dataclass

from sightline.messages import GateActed, GateOutcome, MachineState, PartJudged

GREATEST_KEPT_OUTCOMES = 256
GREATEST_KEPT_STATES = 256
GREATEST_CLOCK_DIFFERENCE_NS = 60_000_000_000
GREATEST_STATE_DISTANCE_NS = 60_000_000_000
SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class ActTimes:
    """Between which times the gate can have acted on a part, by our clock."""

    earliest_utc_ns: int
    latest_utc_ns: int

    def may_hold(self, acted_utc_ns: int) -> bool:
        """Whether the gate acted then; the PLC's clock may differ from ours by a minute."""
        after_earliest_ns = acted_utc_ns - self.earliest_utc_ns
        before_latest_ns = self.latest_utc_ns - acted_utc_ns
        return min(after_earliest_ns, before_latest_ns) >= -GREATEST_CLOCK_DIFFERENCE_NS


@dataclass
class WaitingPart:
    """An accepted verdict whose record is not committed yet."""

    judged: PartJudged
    until_monotonic_ns: int
    acts: ActTimes
    gate: GateOutcome | None = None
    acted_utc_ns: int | None = None


@dataclass(frozen=True)
class JoinedPart:
    """A verdict and what is known of the gate by now; when it acted is by the PLC's clock."""

    judged: PartJudged
    gate: GateOutcome
    acted_utc_ns: int | None = None


class Joining:
    """The parts in hand, in the ledger's order, and the outcomes that came before their verdicts."""

    def __init__(self) -> None:
        self._parts: deque[WaitingPart] = deque()
        self._outcomes: deque[GateActed] = deque(maxlen=GREATEST_KEPT_OUTCOMES)
        self._given: deque[tuple[int, int]] = deque(maxlen=GREATEST_KEPT_OUTCOMES)
        self._last_trigger_utc_ns: int | None = None

    @property
    def waiting(self) -> int:
        """How many parts are in hand."""
        return len(self._parts)

    def add_part(self, judged: PartJudged, until_monotonic_ns: int) -> None:
        """Take an accepted verdict into hand."""
        acts = act_times(judged, self._last_trigger_utc_ns)
        if was_seen(judged):
            self._last_trigger_utc_ns = judged.triggered_utc_ns
        part = WaitingPart(judged, until_monotonic_ns, acts)
        self._parts.append(part)
        for outcome in self._outcomes:
            if belong_together(part, outcome):
                self._give(part, outcome)
                return

    def add_outcome(self, outcome: GateActed) -> None:
        """Take what the gate did, before or after the verdict; repeats change nothing."""
        if _name_of(outcome) in self._given or outcome in self._outcomes:
            return
        self._outcomes.append(outcome)
        for part in self._parts:
            if part.gate is None and belong_together(part, outcome):
                self._give(part, outcome)
                return

    def ready(self, now_ns: int) -> list[JoinedPart]:
        """The parts at the head that wait for nothing more; `done` takes them out of hand."""
        joined = []
        for part in self._parts:
            if part.gate is None and now_ns < part.until_monotonic_ns:
                break
            joined.append(JoinedPart(part.judged, part.gate or "unconfirmed", part.acted_utc_ns))
        return joined

    def done(self, count: int) -> None:
        """The first `count` parts are committed."""
        for _ in range(count):
            self._parts.popleft()

    def due_ns(self) -> int | None:
        """When the part at the head waits no longer (monotonic; 0: now), or None with none in hand."""
        if not self._parts:
            return None
        head = self._parts[0]
        return head.until_monotonic_ns if head.gate is None else 0

    def _give(self, part: WaitingPart, outcome: GateActed) -> None:
        """An outcome serves one part: numbers repeat when the PLC counts anew."""
        part.gate = outcome.action
        part.acted_utc_ns = outcome.acted_utc_ns
        self._outcomes.remove(outcome)
        self._given.append(_name_of(outcome))


def was_seen(judged: PartJudged) -> bool:
    """Whether the trigger was seen; else only the number is known, and by when the part had come."""
    return judged.triggered_monotonic_ns > 0


def act_times(judged: PartJudged, last_trigger_utc_ns: int | None) -> ActTimes:
    """The gate acts between trigger and deadline.

    Where the trigger was not seen: after that of the last part whose was, else after the epoch's
    beginning, for within an epoch no number comes twice; and before the part was found to be missed.
    """
    if was_seen(judged):
        to_deadline_ns = max(0, judged.deadline_monotonic_ns - judged.triggered_monotonic_ns)
        return ActTimes(judged.triggered_utc_ns, judged.triggered_utc_ns + to_deadline_ns)
    earliest_ns = last_trigger_utc_ns
    if earliest_ns is None:
        earliest_ns = judged.part.epoch * SECOND_NS
    return ActTimes(earliest_ns, judged.triggered_utc_ns)


def belong_together(part: WaitingPart, outcome: GateActed) -> bool:
    """Whether the outcome is this part's, and not of the same number in another epoch."""
    same_number = outcome.part_number == part.judged.part.part_number
    return same_number and part.acts.may_hold(outcome.acted_utc_ns)


def waits_until_ns(
    judged: PartJudged, received_ns: int, gate_wait_ms: float, this_boot: str
) -> int:
    """Until when a part waits for its gate (monotonic); a deadline of another boot means nothing.

    One told after its deadline waits from its arrival on: equipment may be telling outcomes again.
    """
    deadline_ns = judged.deadline_monotonic_ns if judged.boot_id == this_boot else received_ns
    return max(deadline_ns, received_ns) + round(gate_wait_ms * 1e6)


class MachineStates:
    """The latest states of the machine, to find the one that held when a part was triggered."""

    def __init__(self) -> None:
        self._states: deque[MachineState] = deque(maxlen=GREATEST_KEPT_STATES)

    def add(self, state: MachineState) -> None:
        """Keep a state that came."""
        self._states.append(state)

    def at(self, triggered_utc_ns: int) -> MachineState | None:
        """The last state up to the trigger, else the first after it; None beyond a minute of it."""
        before = [state for state in self._states if state.state_utc_ns <= triggered_utc_ns]
        nearest = before[-1] if before else self._states[0] if self._states else None
        if nearest is None:
            return None
        distance_ns = abs(nearest.state_utc_ns - triggered_utc_ns)
        return nearest if distance_ns <= GREATEST_STATE_DISTANCE_NS else None


def _name_of(outcome: GateActed) -> tuple[int, int]:
    return (outcome.part_number, outcome.acted_utc_ns)
