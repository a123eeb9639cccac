"""From a verdict to those who wait for it: on disk first, in the order of the parts, then told."""

import logging
from collections.abc import Container, Iterator, Sequence

import msgspec

from inference.challenges import Challenges
from inference.configuration import InferenceConfiguration
from inference.ledger import Ledger
from inference.ledger_error import DISK
from inference.missing import MAX_SINGLE, Gap, gaps_before, is_new, part_after
from inference.replay import Replay
from inference.telling import tell
from inference.verdicts import missed_captured, missed_unseen, with_commit_time
from sightline.messages import Part, PartCaptured, PartJudged, PartsAnnounced
from sightline.runtime import Context
from sightline.topics import PART_JUDGED

NOT_STORED = "its verdict could not be stored"
NO_PICTURES = "no pictures of this part came"
COMMITTED_AT_ONCE = 1000
TOLD_AT_ONCE = 64  # parts wait meanwhile; the others are told by and by, as after a restart
WAITS_FOR_WORD_NS = 5_000_000_000
MAX_UNTOLD = (
    1000  # numbers that are filled though nobody says whether an earlier ledger judged them
)
EPOCHS_REMEMBERED = 8
NOBODY = Part(0, 0)  # the publisher's word where it has no record

log = logging.getLogger(__name__)


class Registrar:
    """A verdict that anyone hears of is on disk, and those of all numbers before it are.

    What the disk refuses (LedgerError) is told to nobody; its number is filled when there is room again.
    An empty ledger may have replaced one that judged: then the publisher's word says up to which part.
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
        self._first_numbers: dict[int, int] = {}  # of the epochs heard of last
        self._settled: Part | None = None
        self._waits_until_ns: int | None = None
        self._gave_up_waiting = False

    def waits_for_word(self, part: Part, told: PartCaptured | PartsAnnounced) -> bool:
        """Whether this part has to wait for the publisher's word on what an earlier ledger judged.

        No verdict may come before those of the numbers below it, and these may have been judged by a
        ledger that is gone. So the first parts wait, and the gate rejects what is over meanwhile; the
        publisher speaks each second. Where it is silent, parts are judged all the same.
        """
        if self._ledger.last is not None or self._settled is not None or self._gave_up_waiting:
            return False
        if not gaps_before(None, part, told) and told.ended_before is None and not told.continues:
            return False
        now_ns = self._clock.monotonic_ns()
        if self._waits_until_ns is None:
            self._waits_until_ns = now_ns + WAITS_FOR_WORD_NS
            log.warning("the ledger is empty; waiting for the publisher's word")
        if now_ns < self._waits_until_ns:
            return True
        self._gave_up_waiting = True
        log.error("the publisher says nothing of what was judged before")
        return False

    @property
    def is_waiting_for_word(self) -> bool:
        """Whether parts wait for the publisher's word."""
        return (
            self._waits_until_ns is not None and self._settled is None and not self._gave_up_waiting
        )

    def begin_anew(self) -> None:
        """The ledger is an empty one now; what it lacks, the publisher's next word tells."""
        self._replay = Replay(self._ledger)
        self._settled, self._waits_until_ns, self._gave_up_waiting = None, None, False

    def refused(self, captured: PartCaptured) -> None:
        """The disk took no verdict of this part; its number is filled before a later one."""
        self._refused[captured.part.epoch] = captured

    def fill_up_to(self, part: Part, before: PartCaptured | PartsAnnounced, reason: str) -> None:
        """Give `missed` to each number before this part that has no verdict yet; LedgerError."""
        self._fill_refused(part)
        self.give(list(self._unseen(self._ledger.last, part, before, reason)))

    def miss(self, parts: Sequence[tuple[PartCaptured, str]]) -> None:
        """Give `missed` to these parts for these reasons, and to the numbers between; LedgerError.

        All in few commits, so that those who wait behind them are not late, too.
        """
        self._fill_refused(parts[-1][0].part)
        verdicts: list[PartJudged] = []
        last = self._ledger.last
        for captured, reason in parts:
            verdicts += self._unseen(last, captured.part, captured, NO_PICTURES)
            verdicts.append(missed_captured(captured, reason, self._clock.utc_ns()))
            last = captured.part
        self.give(verdicts)

    def give(self, verdicts: Sequence[PartJudged], rejected_for: Container[str] = ()) -> None:
        """Commit, then publish. LedgerError: nothing was changed, and nobody heard of them.

        `rejected_for`: the labels for which the gate is closed, for challenges.
        """
        room = TOLD_AT_ONCE
        for begin in range(0, len(verdicts), COMMITTED_AT_ONCE):
            chained = self._chained(verdicts[begin : begin + COMMITTED_AT_ONCE], rejected_for)
            started_ns = self._clock.monotonic_ns()
            self._ledger.commit(chained)
            committed_ns = self._clock.monotonic_ns()
            self._health.clear_fault(DISK)
            for verdict in chained:
                self._challenges.committed(verdict)
                self._health.count(f"parts_{verdict.verdict}", _numbers_of(verdict))
            for verdict in chained[:room]:
                self._publish(with_commit_time(verdict, (committed_ns - started_ns) / 1e6))
                self._replay.told(verdict.part, committed_ns)
            room -= min(room, len(chained))

    def settle(self, up_to: Part) -> None:
        """All up to this part are durable elsewhere; LedgerError: that is told again each second."""
        if self._ledger.settle(up_to):
            self._health.clear_fault(DISK)
        self._settled = up_to
        last = self._ledger.last
        if up_to != NOBODY and (last is None or up_to > last):
            log.error("the ledger lacks what has records", extra={"up_to": repr(up_to)})
            self._ledger.last = up_to

    def tell_again(self) -> None:
        """Tell what was not settled in its time; LedgerError."""
        if self._ledger.settle_more():
            self._health.clear_fault(DISK)
        for verdict in self._replay.due(self._clock.monotonic_ns()):
            self._publish(msgspec.structs.replace(verdict, replayed=True))

    def _fill_refused(self, part: Part) -> None:
        for epoch in sorted(epoch for epoch in self._refused if epoch < part.epoch):
            refused = self._refused[epoch]
            end = part_after(refused.part)
            self.give(list(self._unseen(self._ledger.last, end, refused, NOT_STORED)))
            del self._refused[epoch]

    def _unseen(
        self,
        last: Part | None,
        part: Part,
        before: PartCaptured | PartsAnnounced,
        reason: str,
    ) -> Iterator[PartJudged]:
        if not is_new(last, part):
            return
        known = dict(self._first_numbers)
        self._first_numbers[part.epoch] = before.first_number
        while len(self._first_numbers) > EPOCHS_REMEMBERED:
            del self._first_numbers[min(self._first_numbers)]
        station, now_utc_ns = self._context.station_id, self._clock.utc_ns()
        for gap in gaps_before(last, part, before, known):
            if last is None and self._gave_up_waiting and gap.count > MAX_UNTOLD:
                continue  # an earlier ledger judged them, or most of them
            self._tell_of_large(gap)
            for unseen, gap_from in gap.verdicts():
                yield missed_unseen(
                    station, unseen, self._reason(unseen, reason), before, now_utc_ns, gap_from
                )

    def _tell_of_large(self, gap: Gap) -> None:
        if gap.count > MAX_SINGLE:
            self._health.count("large_gaps")
            log.error("a large gap", extra={"epoch": gap.epoch, "from": gap.first, "to": gap.last})

    def _reason(self, part: Part, otherwise: str) -> str:
        refused = self._refused.get(part.epoch)
        return NOT_STORED if refused is not None and part <= refused.part else otherwise

    def _chained(
        self, verdicts: Sequence[PartJudged], rejected_for: Container[str]
    ) -> list[PartJudged]:
        follows, chained = self._ledger.last, []
        for verdict in verdicts:
            settled = self._challenges.settle(verdict, rejected_for)
            chained.append(msgspec.structs.replace(settled, follows=follows))
            follows = verdict.part
        return chained

    def _publish(self, verdict: PartJudged) -> None:
        if not tell(self._context.bus, PART_JUDGED, verdict):
            self._health.count("verdicts_not_told")


def _numbers_of(verdict: PartJudged) -> int:
    """How many numbers a verdict stands for."""
    return 1 if verdict.gap_from is None else verdict.part.part_number - verdict.gap_from + 1
