"""Whose outcome an outcome of the gate is: pure.

The PLC's numbers repeat when it counts anew, so a number alone says nothing: an outcome is a part's own
only where its time fits no other part of that number. What is doubtful stays `unconfirmed`.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sightline.messaging.messages import (
    GateActed,
    GateAction,
    GateConfirmation,
    GateConfirmed,
    Part,
    PartJudged,
)

CLOCK_DIFFERENCE_NS = (
    250_000_000  # trigger and gate are told by one clock, the PLC's, where it tells both
)
MIN_LATE_GATE_NS = 500_000_000
DEFAULT_LATE_GATE_MS = 1000.0
KEPT_TRAVEL_TIMES = 64
MAX_KEPT_PARTS = 4096  # the PLC tells its last 64 outcomes again
MAX_PENDING_OUTCOMES = 256
MAX_TIME_NS = 2**63 - 1
SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class GateActWindow:
    """Between which times the gate can have acted on a part, by the PLC's clock; None: not known yet."""

    earliest_utc_ns: int | None
    latest_utc_ns: int | None

    def may_contain(self, acted_utc_ns: int) -> bool:
        """Whether the gate may have acted on the part then."""
        if self.earliest_utc_ns is None or self.latest_utc_ns is None:
            return False
        return self.earliest_utc_ns - CLOCK_DIFFERENCE_NS <= acted_utc_ns <= self.latest_utc_ns


@dataclass(frozen=True)
class GatePart:
    """A part that the PLC counted, and what is known of its gate.

    `seen`: its trigger was seen. Of another one only the number is known, and that it was counted
    between two parts of the same count that were seen, or after that count was known and before one:
    before the second comes it has no outcome.
    """

    part: Part
    seen: bool
    act_window: GateActWindow
    gate: GateAction | None = None
    acted_utc_ns: int | None = None
    awaits_confirmation: bool = False
    confirmation: GateConfirmation = "unknown"

    def may_have_outcome(self, outcome: GateActed) -> bool:
        """Whether the outcome may be this part's."""
        is_free = self.gate is None and outcome.part_number == self.part.part_number
        return is_free and self.act_window.may_contain(outcome.acted_utc_ns)

    def is_named_by(self, outcome: GateActed) -> bool:
        """Whether the outcome has this part's trigger; then it is its own, however late the gate was."""
        is_free = self.gate is None and outcome.part_number == self.part.part_number
        counted_utc_ns = outcome.counted_utc_ns
        has_trigger = self.seen and counted_utc_ns is not None
        return is_free and has_trigger and counted_utc_ns == self.act_window.earliest_utc_ns

    def has_outcome(self, outcome: GateActed | GateConfirmed) -> bool:
        """Whether this very outcome is known as this part's."""
        same = outcome.part_number == self.part.part_number
        return same and self.acted_utc_ns == outcome.acted_utc_ns


def find_part_for_outcome(outcome: GateActed, parts: Iterable[GatePart]) -> GatePart | None:
    """The one part that can have the outcome; None where there is none, or more than one."""
    known = list(parts)
    candidates = [part for part in known if part.is_named_by(outcome)]
    candidates = candidates or [part for part in known if part.may_have_outcome(outcome)]
    if len(candidates) > 1:
        candidates = [part for part in candidates if part.seen]
    return candidates[0] if len(candidates) == 1 else None


def is_plausible_outcome(outcome: GateActed) -> bool:
    """Whether number and time are some that a part can have."""
    return 0 <= outcome.part_number <= MAX_TIME_NS and 0 <= outcome.acted_utc_ns <= MAX_TIME_NS


def was_trigger_seen(judged: PartJudged) -> bool:
    """Whether the trigger was seen; else only the number is known, and by when the part had come."""
    return judged.triggered_monotonic_ns > 0


class GateTravelTimes:
    """How long the last parts had from their triggers to their deadlines, and how late the gate may be.

    The deadline of a part whose trigger was told late comes early, and says little of the gate: so each
    part may be on its way as long as the slowest of the last ones.
    """

    def __init__(self, late_gate_ms: float) -> None:
        self._last_ns: deque[int] = deque(maxlen=KEPT_TRAVEL_TIMES)
        self._late_ns = 0
        self.set_late_gate(late_gate_ms)

    def set_late_gate(self, late_gate_ms: float) -> None:
        """How long after the deadline the gate may act: as long as a record waits for it."""
        self._late_ns = max(round(late_gate_ms * 1e6), MIN_LATE_GATE_NS)

    def latest_utc_ns(self, judged: PartJudged) -> int:
        """Until when the gate may act on a part that was seen, by the PLC's clock."""
        to_deadline_ns = judged.deadline_monotonic_ns - judged.triggered_monotonic_ns
        self._last_ns.append(max(0, to_deadline_ns))
        return judged.triggered_utc_ns + max(self._last_ns) + self._late_ns


def build_gate_part(
    judged: PartJudged, last_seen: GatePart | None, travel_times: GateTravelTimes
) -> GatePart | None:
    """The next part of the ledger; None if the PLC did not count it, so that it has no outcome."""
    if judged.counted_by != "plc" or judged.gap_from is not None:
        return None
    if was_trigger_seen(judged):
        acts = GateActWindow(judged.triggered_utc_ns, travel_times.latest_utc_ns(judged))
        return GatePart(judged.part, True, acts)
    of_one_count = last_seen is not None and last_seen.part.epoch == judged.part.epoch
    after_ns = (
        last_seen.act_window.earliest_utc_ns if last_seen is not None and of_one_count else None
    )
    return GatePart(judged.part, False, GateActWindow(after_ns, None))


def estimate_count_start_utc_ns(judged: PartJudged, seen: GatePart) -> int | None:
    """By the PLC's clock, a time when its count had begun: the count is known since the epoch's second.

    The part was judged before the gate could act on it, which says how far the PLC's clock is ahead at
    most; None for one that was not.
    """
    if judged.verdict == "missed" or seen.act_window.latest_utc_ns is None:
        return None
    plc_ahead_ns = seen.act_window.latest_utc_ns - judged.judged_utc_ns
    return (seen.part.epoch + 1) * SECOND_NS + plc_ahead_ns + CLOCK_DIFFERENCE_NS


class GateMatcher:
    """The last parts that the PLC counted, committed or not, and the outcomes that no part has yet."""

    def __init__(
        self, known: Sequence[GatePart] = (), late_gate_ms: float = DEFAULT_LATE_GATE_MS
    ) -> None:
        self._travel_times = GateTravelTimes(late_gate_ms)
        self._last_seen = next((part for part in reversed(known) if part.seen), None)
        self._parts = {part.part: part for part in known[-MAX_KEPT_PARTS:]}
        self._by_number: dict[int, set[Part]] = {}
        for part in self._parts:
            self._by_number.setdefault(part.part_number, set()).add(part)
        self._pending: deque[GateActed] = deque(maxlen=MAX_PENDING_OUTCOMES)
        self._early: deque[GateConfirmed] = deque(maxlen=MAX_PENDING_OUTCOMES)
        self.misfits = 0  # outcomes in a row whose number a part has, and whose time none
        self.misfit_s = 0.0  # how long after its part's trigger the last of them was

    def set_late_gate(self, late_gate_ms: float) -> None:
        """How long after a part's deadline the gate may act."""
        self._travel_times.set_late_gate(late_gate_ms)

    def find_part(self, part: Part) -> GatePart | None:
        """What is known of a part's gate; None for one that the PLC did not count."""
        return self._parts.get(part)

    def add_part(self, judged: PartJudged) -> list[GatePart]:
        """Take the ledger's next part; the parts whose gate is known by that."""
        found = build_gate_part(judged, self._last_seen, self._travel_times)
        if found is None or found.part in self._parts:
            return []
        self._store_part(found)
        if not found.seen:
            return []  # until one behind it is seen
        self._last_seen = found
        self._narrow_unseen_windows(found, estimate_count_start_utc_ns(judged, found))
        settled = self._match_outcomes()
        oldest_ns = judged.triggered_utc_ns - CLOCK_DIFFERENCE_NS
        kept = [outcome for outcome in self._pending if outcome.acted_utc_ns >= oldest_ns]
        self._pending = deque(kept, maxlen=MAX_PENDING_OUTCOMES)  # the others' counts ended
        return settled

    def add_outcome(self, outcome: GateActed) -> list[GatePart]:
        """Take what the gate did; the parts whose gate is known by that. Repeats change nothing."""
        if not is_plausible_outcome(outcome) or any(
            (outcome.part_number, outcome.acted_utc_ns) == (other.part_number, other.acted_utc_ns)
            for other in self._pending
        ):
            return []
        if any(part.has_outcome(outcome) for part in self._find_by_number(outcome.part_number)):
            return []
        self._pending.append(outcome)
        settled = self._match_outcomes()
        self._count_outcome_misfits(outcome, bool(settled))
        return settled

    def add_confirmation(self, confirmed: GateConfirmed) -> GatePart | None:
        """Take where the sensors saw a part; the part that knows it by that. Repeats change nothing."""
        for part in self._find_by_number(confirmed.part_number):
            if part.has_outcome(confirmed):
                known = replace(part, confirmation=confirmed.confirmation)
                self._parts[part.part] = known
                is_news = part.awaits_confirmation and known != part
                return known if is_news else None
        if confirmed not in self._early:
            self._early.append(confirmed)
        return None

    def _count_outcome_misfits(self, outcome: GateActed, has_owner: bool) -> None:
        if has_owner:
            self.misfits = 0
            return
        for part in self._find_by_number(outcome.part_number):
            if part.seen and part.gate is None and part.act_window.earliest_utc_ns is not None:
                self.misfits += 1
                self.misfit_s = (outcome.acted_utc_ns - part.act_window.earliest_utc_ns) / 1e9

    def _match_outcomes(self) -> list[GatePart]:
        """Give each outcome to the one part that can have it; each may leave one for another."""
        settled: list[GatePart] = []
        while (pair := self._find_next_pair()) is not None:
            outcome, owner = pair
            self._pending.remove(outcome)
            owner = replace(
                owner,
                gate=outcome.action,
                acted_utc_ns=outcome.acted_utc_ns,
                awaits_confirmation=outcome.awaits_confirmation,
            )
            for early in self._early:
                if owner.has_outcome(early):
                    owner = replace(owner, confirmation=early.confirmation)
            self._parts[owner.part] = owner
            settled.append(owner)
        return settled

    def _find_next_pair(self) -> tuple[GateActed, GatePart] | None:
        for outcome in self._pending:
            owner = find_part_for_outcome(outcome, self._find_by_number(outcome.part_number))
            if owner is not None:
                return outcome, owner
        return None

    def _find_by_number(self, number: int) -> list[GatePart]:
        return [self._parts[part] for part in self._by_number.get(number, ())]

    def _store_part(self, found: GatePart) -> None:
        self._parts[found.part] = found
        self._by_number.setdefault(found.part.part_number, set()).add(found.part)
        while len(self._parts) > MAX_KEPT_PARTS:
            oldest = next(iter(self._parts))
            del self._parts[oldest]
            of_number = self._by_number[oldest.part_number]
            of_number.discard(oldest)
            if not of_number:
                del self._by_number[oldest.part_number]

    def _narrow_unseen_windows(self, seen: GatePart, count_known_utc_ns: int | None) -> None:
        """Unseen parts before one of the same count that was seen were at the gate before that."""
        for part in reversed(self._parts.values()):
            if part.part.epoch != seen.part.epoch or (part.seen and part.part != seen.part):
                return  # parts before that one are bracketed already
            if not part.seen:
                earliest_ns = part.act_window.earliest_utc_ns
                earliest_ns = count_known_utc_ns if earliest_ns is None else earliest_ns
                acts = GateActWindow(earliest_ns, seen.act_window.latest_utc_ns)
                self._parts[part.part] = replace(part, act_window=acts)
