"""From a verdict to those who wait for it: on disk first, in the order of the parts, then told."""

from collections.abc import Sequence

import msgspec

from inference.challenges import Challenges
from inference.configuration import InferenceConfiguration
from inference.ledger import Ledger
from inference.ledger_error import DISK
from inference.missing import is_new, numbers_before, part_after
from inference.replay import Replay
from inference.telling import tell
from inference.verdicts import missed_unseen, with_commit_time
from sightline.messages import Part, PartCaptured, PartJudged, PartsAnnounced
from sightline.runtime import Context
from sightline.topics import PART_JUDGED

NOT_STORED = "its verdict could not be stored"
FILLED_AT_ONCE = 64


class Registrar:
    """A verdict that anyone hears of is on disk, and those of all numbers before it are.

    What the disk refuses (LedgerError) is told to nobody; its number is filled when there is room again.
    """

    def __init__(
        self, context: Context[InferenceConfiguration], ledger: Ledger, challenges: Challenges
    ) -> None:
        self._context = context
        self._health = context.health
        self._clock = context.clock
        self._ledger = ledger
        self._challenges = challenges
        self._replay = Replay(ledger)
        self._refused: dict[int, PartCaptured] = {}  # by epoch, the last one

    def refused(self, captured: PartCaptured) -> None:
        """The disk took no verdict of this part; its number is filled before a later one."""
        self._refused[captured.part.epoch] = captured

    def fill_up_to(self, part: Part, before: PartCaptured | PartsAnnounced, reason: str) -> None:
        """Give `missed` to each number before this part that has no verdict yet; LedgerError."""
        for epoch in sorted(epoch for epoch in self._refused if epoch < part.epoch):
            refused = self._refused[epoch]
            self._fill(part_after(refused.part), refused, reason)
            del self._refused[epoch]
        self._fill(part, before, reason)

    def give(self, verdicts: Sequence[PartJudged]) -> None:
        """Commit, then publish. LedgerError: nothing was changed, and nobody heard of them."""
        chained = self._chained(verdicts)
        started_ns = self._clock.monotonic_ns()
        self._ledger.commit(chained)
        committed_ns = self._clock.monotonic_ns()
        self._health.clear_fault(DISK)
        for verdict in chained:
            self._challenges.committed(verdict)
            self._health.count(f"parts_{verdict.verdict}")
            self._publish(with_commit_time(verdict, (committed_ns - started_ns) / 1e6))
            self._replay.told(verdict.part, committed_ns)

    def settle(self, up_to: Part) -> None:
        """All up to this part are durable elsewhere; LedgerError: that is told again each second."""
        if self._ledger.settle(up_to):
            self._health.clear_fault(DISK)

    def tell_again(self) -> None:
        """Tell what was not settled in its time; LedgerError."""
        for verdict in self._replay.due(self._clock.monotonic_ns()):
            self._publish(msgspec.structs.replace(verdict, replayed=True))

    def _fill(self, part: Part, before: PartCaptured | PartsAnnounced, reason: str) -> None:
        if not is_new(self._ledger.last, part):
            return
        station, now_utc_ns = self._context.station_id, self._clock.utc_ns()
        unseen = numbers_before(self._ledger.last, part, before.first_number)
        for begin in range(0, len(unseen), FILLED_AT_ONCE):
            self.give(
                [
                    missed_unseen(station, n, self._reason(n, reason), before, now_utc_ns)
                    for n in unseen[begin : begin + FILLED_AT_ONCE]
                ]
            )

    def _reason(self, part: Part, otherwise: str) -> str:
        refused = self._refused.get(part.epoch)
        return NOT_STORED if refused is not None and part <= refused.part else otherwise

    def _chained(self, verdicts: Sequence[PartJudged]) -> list[PartJudged]:
        follows, chained = self._ledger.last, []
        for verdict in verdicts:
            settled = self._challenges.settle(verdict)
            chained.append(msgspec.structs.replace(settled, follows=follows))
            follows = verdict.part
        return chained

    def _publish(self, verdict: PartJudged) -> None:
        if not tell(self._context.bus, PART_JUDGED, verdict):
            self._health.count("verdicts_not_told")
