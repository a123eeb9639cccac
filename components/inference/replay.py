"""Which verdicts are told again: those that the publisher has not settled after a while, oldest first."""

from inference.ledger import Ledger
from sightline.messages import Part, PartJudged

LOOK_INTERVAL_NS = 250_000_000
SETTLES_WITHIN_NS = 4_000_000_000  # a part waits for its gate, at most its deadline and a second
LOOKED_AT = 512  # each waits a second or two for the gate and the word that it is settled
AT_ONCE = 32  # parts wait meanwhile
MAX_REMEMBERED = 4 * LOOKED_AT


class Replay:
    """Remembers when each verdict was told last; a verdict of an earlier process is due at once.

    It remembers so many only: of one that it forgot, it may tell once more than needed.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._told_ns: dict[Part, int] = {}
        self._next_look_ns = 0

    def told(self, part: Part, now_ns: int) -> None:
        """The verdict was published."""
        self._told_ns.pop(part, None)
        self._told_ns[part] = now_ns
        if len(self._told_ns) > MAX_REMEMBERED:
            del self._told_ns[next(iter(self._told_ns))]

    def due(self, now_ns: int) -> list[PartJudged]:
        """The verdicts to be told again now."""
        if now_ns < self._next_look_ns:
            return []
        self._next_look_ns = now_ns + LOOK_INTERVAL_NS
        oldest = self._ledger.unsettled_parts(LOOKED_AT)
        due = [part for part in oldest if self._is_due(part, now_ns)][:AT_ONCE]
        verdicts = [self._ledger.verdict_on(part) for part in due]
        for part in due:
            self.told(part, now_ns)
        return verdicts

    def _is_due(self, part: Part, now_ns: int) -> bool:
        told_ns = self._told_ns.get(part)
        return told_ns is None or now_ns - told_ns > SETTLES_WITHIN_NS
