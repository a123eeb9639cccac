"""What waits for what: each part for its gate or its time, all parts for those before them. Pure."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from publisher.gate_matcher import GatePart
from sightline.messaging.messages import (
    GateConfirmation,
    GateOutcome,
    MachineState,
    Part,
    PartJudged,
)
from sightline.messaging.state_pages import add_page

MAX_KEPT_STATES = 256
MAX_STATE_DISTANCE_NS = 60_000_000_000


@dataclass(frozen=True)
class WaitingPart:
    """An accepted verdict whose record is not committed yet; how long it waits for what.

    How long for the confirmation is known once the gate has acted.
    """

    judged: PartJudged
    until_monotonic_ns: int
    confirmation_until_ns: int | None = None


@dataclass(frozen=True)
class JoinedPart:
    """A verdict and what is known of the gate by now; when it acted is by the PLC's clock."""

    judged: PartJudged
    gate: GateOutcome
    acted_utc_ns: int | None = None
    confirmation: GateConfirmation = "unknown"


class PartJoiner:
    """The parts in hand, in the ledger's order; `gate_of` says what is known of a part's gate."""

    def __init__(
        self, find_gate_part: Callable[[Part], GatePart | None], confirmation_wait_ms: float = 0.0
    ) -> None:
        self._find_gate_part = find_gate_part
        self.confirmation_wait_ms = confirmation_wait_ms
        self._parts: deque[WaitingPart] = deque()

    @property
    def waiting_count(self) -> int:
        """How many parts are in hand."""
        return len(self._parts)

    def add_part(self, judged: PartJudged, until_monotonic_ns: int) -> None:
        """Take an accepted verdict into hand. What the PLC did not count, or nobody saw, has no gate."""
        if self._find_gate_part(judged.part) is None:
            until_monotonic_ns = 0
        self._parts.append(WaitingPart(judged, until_monotonic_ns))

    def find_ready(self, now_ns: int) -> list[JoinedPart]:
        """The parts at the head that wait for nothing more; `done` takes them out of hand."""
        joined = []
        for place, part in enumerate(self._parts):
            gate = self._find_gate_part(part.judged.part)
            if gate is not None and gate.gate is not None:
                part = self._parts[place] = self._begin_confirmation_wait(part, gate, now_ns)
                if now_ns < (part.confirmation_until_ns or 0) and gate.confirmation == "unknown":
                    break
                joined.append(
                    JoinedPart(part.judged, gate.gate, gate.acted_utc_ns, gate.confirmation)
                )
            elif now_ns >= part.until_monotonic_ns:
                joined.append(JoinedPart(part.judged, "unconfirmed"))
            else:
                break
        return joined

    def remove_committed(self, count: int) -> None:
        """The first `count` parts are committed."""
        for _ in range(count):
            self._parts.popleft()

    def due_ns(self) -> int | None:
        """When the part at the head waits no longer (monotonic; 0: now), or None with none in hand."""
        if not self._parts:
            return None
        head = self._parts[0]
        gate = self._find_gate_part(head.judged.part)
        if gate is None or gate.gate is None:
            return head.until_monotonic_ns
        return head.confirmation_until_ns or 0 if gate.confirmation == "unknown" else 0

    def _begin_confirmation_wait(
        self, part: WaitingPart, gate: GatePart, now_ns: int
    ) -> WaitingPart:
        """Its gate is known: from now on it waits for the sensors behind that, where there are any."""
        if part.confirmation_until_ns is not None or not gate.awaits_confirmation:
            return part
        wait_ns = round(self.confirmation_wait_ms * 1e6)
        return replace(part, confirmation_until_ns=now_ns + wait_ns)


def find_gate_wait_end_ns(
    judged: PartJudged, received_ns: int, gate_wait_ms: float, this_boot: str
) -> int:
    """Until when a part waits for its gate (monotonic); a deadline of another boot means nothing.

    One told after its deadline waits from its arrival on: equipment may be telling outcomes again.
    """
    deadline_ns = judged.deadline_monotonic_ns if judged.boot_id == this_boot else received_ns
    return max(deadline_ns, received_ns) + round(gate_wait_ms * 1e6)


class MachineStateHistory:
    """The latest states of the machine, to find the one that held when a part was triggered."""

    def __init__(self) -> None:
        self._states: deque[MachineState] = deque(maxlen=MAX_KEPT_STATES)

    def add(self, state: MachineState) -> None:
        """Keep a state that came; a further page joins the pages before it."""
        last = self._states[-1] if self._states else None
        whole = add_page(last, state)
        if whole is not state:
            self._states.pop()
        self._states.append(whole)

    def find_at(self, triggered_utc_ns: int) -> MachineState | None:
        """The last state up to the trigger, else the first after it; None beyond a minute of it."""
        before = [state for state in self._states if state.state_utc_ns <= triggered_utc_ns]
        nearest = before[-1] if before else self._states[0] if self._states else None
        if nearest is None:
            return None
        distance_ns = abs(nearest.state_utc_ns - triggered_utc_ns)
        return nearest if distance_ns <= MAX_STATE_DISTANCE_NS else None
