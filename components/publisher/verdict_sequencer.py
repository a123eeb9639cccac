"""Which verdict is the next one: pure. What lacks its predecessor is held until the ledger tells that."""

from dataclasses import dataclass
from typing import Literal

from sightline.messaging.messages import Part, PartJudged

SequenceDecision = Literal["next", "known", "out of order"]
REPLAY_WAIT_NS = 3_000_000_000
MAX_HELD_VERDICTS = 1000


@dataclass(frozen=True)
class ReceivedVerdict:
    """A verdict and when it came (monotonic)."""

    judged: PartJudged
    received_ns: int


class VerdictSequencer:
    """Follows the ledger part by part from the last one whose record is durable.

    With no position, it begins where the ledger began; where that cannot come any more (the
    publisher's disk was lost), with the least part of a replay that was watched for three seconds.
    """

    def __init__(self, last: Part | None) -> None:
        self.last_part = last
        self._held_verdicts: dict[Part, ReceivedVerdict] = {}  # by the part that each follows
        self._first_replayed: Part | None = None
        self._replay_since_ns = 0

    @property
    def held_count(self) -> int:
        """How many verdicts wait for one before them."""
        return len(self._held_verdicts)

    def push(self, arrival: ReceivedVerdict) -> tuple[SequenceDecision, list[ReceivedVerdict]]:
        """What this verdict is, and those accepted by its coming: itself and held ones behind it."""
        judged = arrival.judged
        if self.last_part is not None and judged.part <= self.last_part:
            return "known", []
        if not self._is_next_verdict(arrival):
            self._hold_verdict(arrival)
            return "out of order", []
        return "next", self._release_held_after(arrival)

    def _release_held_after(self, arrival: ReceivedVerdict) -> list[ReceivedVerdict]:
        chain = [arrival]
        while (behind := self._held_verdicts.pop(chain[-1].judged.part, None)) is not None:
            chain.append(behind)
        self.last_part = last = chain[-1].judged.part
        self._held_verdicts = {
            follows: held
            for follows, held in self._held_verdicts.items()
            if held.judged.part > last
        }
        return chain

    def _hold_verdict(self, arrival: ReceivedVerdict) -> None:
        """Else each part behind a gap would wait for its own replay, and the gap would never close."""
        follows = arrival.judged.follows
        if follows is not None and len(self._held_verdicts) < MAX_HELD_VERDICTS:
            self._held_verdicts.setdefault(follows, arrival)

    def _is_next_verdict(self, arrival: ReceivedVerdict) -> bool:
        judged = arrival.judged
        if judged.follows is None:
            return True  # a ledger that begins here has nothing before it to wait for
        if self.last_part is not None:
            return judged.follows == self.last_part
        return judged.replayed and self._is_replay_start(judged.part, arrival.received_ns)

    def _is_replay_start(self, part: Part, now_ns: int) -> bool:
        if self._first_replayed is None:
            self._replay_since_ns = now_ns
        if self._first_replayed is None or part < self._first_replayed:
            self._first_replayed = part
        watched_ns = now_ns - self._replay_since_ns
        return watched_ns >= REPLAY_WAIT_NS and part == self._first_replayed
