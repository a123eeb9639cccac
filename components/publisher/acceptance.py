"""Which verdict is the next one: pure. What is not next is left to the ledger, which tells it again."""

from typing import Literal

from sightline.messages import Part, PartJudged

Decision = Literal["next", "known", "out of order"]
REPLAY_WAIT_NS = 3_000_000_000


class Acceptance:
    """Follows the ledger part by part from the last one whose record is durable.

    With no position, it begins where the ledger began; where that cannot come any more (the
    publisher's disk was lost), with the least part of a replay that was watched for three seconds.
    """

    def __init__(self, last: Part | None) -> None:
        self.last = last
        self._least_replayed: Part | None = None
        self._replay_since_ns = 0

    def decide(self, judged: PartJudged, now_ns: int) -> Decision:
        """What this verdict is; `next` makes it the last."""
        if self.last is not None and judged.part <= self.last:
            return "known"
        if not self._is_next(judged, now_ns):
            return "out of order"
        self.last = judged.part
        return "next"

    def _is_next(self, judged: PartJudged, now_ns: int) -> bool:
        if judged.follows is None:
            return True  # a ledger that begins here has nothing before it to wait for
        if self.last is not None:
            return judged.follows == self.last
        return judged.replayed and self._begins_replay(judged.part, now_ns)

    def _begins_replay(self, part: Part, now_ns: int) -> bool:
        if self._least_replayed is None:
            self._replay_since_ns = now_ns
        if self._least_replayed is None or part < self._least_replayed:
            self._least_replayed = part
        watched_ns = now_ns - self._replay_since_ns
        return watched_ns >= REPLAY_WAIT_NS and part == self._least_replayed
