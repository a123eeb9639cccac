"""Which verdicts are published again: those that the publisher has not settled in time, oldest first."""

from inference.ledger.verdict_ledger import Ledger
from sightline.messaging.messages import Part, PartJudged

CHECK_INTERVAL_S = 0.25
SETTLE_TIMEOUT_NS = 4_000_000_000  # a part waits for its gate, at most its deadline and a second
MAX_CHECKED_PARTS = (
    512  # each waits a second or two for the gate and the message that it is settled
)
MAX_REPLAYED_AT_ONCE = 32  # parts wait meanwhile
MAX_REMEMBERED_PARTS = 4 * MAX_CHECKED_PARTS


class VerdictReplay:
    """Remembers when each verdict was published last; a verdict of an earlier process is due at once.

    It remembers so many only: one that it forgot may be published once more than needed.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._published_ns: dict[Part, int] = {}

    def mark_published(self, part: Part, now_ns: int) -> None:
        """The verdict was published."""
        self._published_ns.pop(part, None)
        self._published_ns[part] = now_ns
        if len(self._published_ns) > MAX_REMEMBERED_PARTS:
            del self._published_ns[next(iter(self._published_ns))]

    def pop_due(self, now_ns: int) -> list[PartJudged]:
        """The verdicts to be published again now; they count as published from then on."""
        oldest = self._ledger.find_unsettled_parts(MAX_CHECKED_PARTS)
        due = [part for part in oldest if self._is_due(part, now_ns)][:MAX_REPLAYED_AT_ONCE]
        verdicts = [self._ledger.load_verdict(part) for part in due]
        for part in due:
            self.mark_published(part, now_ns)
        return verdicts

    def _is_due(self, part: Part, now_ns: int) -> bool:
        published_ns = self._published_ns.get(part)
        return published_ns is None or now_ns - published_ns > SETTLE_TIMEOUT_NS
