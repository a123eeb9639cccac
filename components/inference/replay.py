"""Which verdicts are told again: those that the publisher has not settled after a while, oldest first."""

from inference.ledger import Ledger
from sightline.messages import Part, PartJudged

LOOK_INTERVAL_NS = 500_000_000
SETTLES_WITHIN_NS = 4_000_000_000  # a part waits for its gate, at most its deadline and a second
LOOKED_AT = 256  # each waits a second or two for the gate and the word that it is settled
AT_ONCE = 32  # parts wait meanwhile


class Replay:
    """Remembers when each verdict was told last; a verdict of an earlier process is due at once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._told_ns: dict[Part, int] = {}
        self._next_look_ns = 0

    def told(self, part: Part, now_ns: int) -> None:
        """The verdict was published."""
        self._told_ns[part] = now_ns

    def due(self, now_ns: int) -> list[PartJudged]:
        """The verdicts to be told again now."""
        if now_ns < self._next_look_ns:
            return []
        self._next_look_ns = now_ns + LOOK_INTERVAL_NS
        oldest = self._ledger.unsettled(LOOKED_AT)
        self._forget_settled(oldest)
        due = [verdict for verdict in oldest if self._is_due(verdict.part, now_ns)][:AT_ONCE]
        for verdict in due:
            self.told(verdict.part, now_ns)
        return due

    def _is_due(self, part: Part, now_ns: int) -> bool:
        told_ns = self._told_ns.get(part)
        return told_ns is None or now_ns - told_ns > SETTLES_WITHIN_NS

    def _forget_settled(self, oldest: list[PartJudged]) -> None:
        first = oldest[0].part if oldest else None
        self._told_ns = {
            part: at for part, at in self._told_ns.items() if first is not None and part >= first
        }
