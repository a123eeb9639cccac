"""Which verdict is the next one: pure. What lacks its predecessor is held until the ledger tells that."""

from dataclasses import dataclass
from typing import Literal

from sightline.messages import Part, PartJudged

Decision = Literal["next", "known", "out of order"]
REPLAY_WAIT_NS = 3_000_000_000
GREATEST_HELD = 1000


@dataclass(frozen=True)
class Arrival:
    """A verdict and when it came (monotonic)."""

    judged: PartJudged
    received_ns: int


class Acceptance:
    """Follows the ledger part by part from the last one whose record is durable.

    With no position, it begins where the ledger began; where that cannot come any more (the
    publisher's disk was lost), with the least part of a replay that was watched for three seconds.
    """

    def __init__(self, last: Part | None) -> None:
        self.last = last
        self._held: dict[Part, Arrival] = {}  # by the part that each follows
        self._least_replayed: Part | None = None
        self._replay_since_ns = 0

    @property
    def held(self) -> int:
        """How many verdicts wait for one before them."""
        return len(self._held)

    def take(self, arrival: Arrival) -> tuple[Decision, list[Arrival]]:
        """What this verdict is, and those accepted by its coming: itself and held ones behind it."""
        judged = arrival.judged
        if self.last is not None and judged.part <= self.last:
            return "known", []
        if not self._is_next(arrival):
            self._hold(arrival)
            return "out of order", []
        return "next", self._chain_from(arrival)

    def _chain_from(self, arrival: Arrival) -> list[Arrival]:
        chain = [arrival]
        while (behind := self._held.pop(chain[-1].judged.part, None)) is not None:
            chain.append(behind)
        self.last = last = chain[-1].judged.part
        self._held = {
            follows: held for follows, held in self._held.items() if held.judged.part > last
        }
        return chain

    def _hold(self, arrival: Arrival) -> None:
        """Else each part behind a gap would wait for its own replay, and the gap would never close."""
        follows = arrival.judged.follows
        if follows is not None and len(self._held) < GREATEST_HELD:
            self._held.setdefault(follows, arrival)

    def _is_next(self, arrival: Arrival) -> bool:
        judged = arrival.judged
        if judged.follows is None:
            return True  # a ledger that begins here has nothing before it to wait for
        if self.last is not None:
            return judged.follows == self.last
        return judged.replayed and self._begins_replay(judged.part, arrival.received_ns)

    def _begins_replay(self, part: Part, now_ns: int) -> bool:
        if self._least_replayed is None:
            self._replay_since_ns = now_ns
        if self._least_replayed is None or part < self._least_replayed:
            self._least_replayed = part
        watched_ns = now_ns - self._replay_since_ns
        return watched_ns >= REPLAY_WAIT_NS and part == self._least_replayed
