"""From a verdict to those who wait for it: on disk first, in the order of the parts, then published."""

import logging
from collections.abc import Container, Iterator, Sequence

import msgspec

from inference.configuration import InferenceConfiguration
from inference.ledger.part_sequence import (
    MAX_SINGLE_VERDICTS,
    NumberGap,
    find_gaps_before,
    is_new_part,
    part_after,
)
from inference.ledger.verdict_ledger import Ledger
from inference.ledger.verdict_replay import VerdictReplay
from inference.verdicts.challenge_tracker import ChallengeTracker
from inference.verdicts.verdict_messages import (
    build_gap_verdict,
    build_missed_verdict,
    with_commit_time,
)
from sightline.kernel.component import ComponentContext
from sightline.messaging.messages import Part, PartCaptured, PartJudged, PartsAnnounced
from sightline.messaging.topics import PART_JUDGED

NOT_STORED = "its verdict could not be stored"
NO_PICTURES = "no pictures of this part arrived"
MAX_COMMITTED_AT_ONCE = 1000
MAX_PUBLISHED_AT_ONCE = (
    64  # parts wait meanwhile; the others are published by and by, as after a restart
)
SETTLED_WAIT_NS = 5_000_000_000
MAX_UNCONFIRMED_GAP = (
    1000  # numbers that are filled though nobody says whether an earlier ledger judged them
)
MAX_REMEMBERED_EPOCHS = 8
NO_RECORD = Part(0, 0)  # what the publisher announces where it has no record

log = logging.getLogger(__name__)


class VerdictCommitter:
    """A verdict that anyone hears of is on disk, and those of all numbers before it are.

    What the disk refuses (LedgerError) is not published; its number is filled when there is room again.
    An empty ledger may have replaced one that judged: then the publisher says up to which part.
    """

    def __init__(
        self,
        context: ComponentContext[InferenceConfiguration],
        ledger: Ledger,
        challenges: ChallengeTracker,
    ) -> None:
        self._context = context
        self._health = context.health
        self._clock = context.clock
        self._ledger = ledger
        self._challenges = challenges
        self._replay = VerdictReplay(ledger)
        self._refused: dict[int, PartCaptured] = {}  # by epoch, the last one
        self._first_numbers: dict[int, int] = {}  # of the epochs heard of last
        self._settled_up_to: Part | None = None
        self._waits_until_ns: int | None = None
        self._gave_up_waiting = False

    def must_wait_for_settled(
        self, part: Part, announcement: PartCaptured | PartsAnnounced
    ) -> bool:
        """Whether this part has to wait until the publisher says what an earlier ledger judged.

        No verdict may come before those of the numbers below it, and these may have been judged by a
        ledger that is gone. So the first parts wait, and the gate rejects what is over meanwhile; the
        publisher speaks each second. Where it is silent, parts are judged all the same.
        """
        if (
            self._ledger.last_part is not None
            or self._settled_up_to is not None
            or self._gave_up_waiting
        ):
            return False
        if (
            not find_gaps_before(None, part, announcement)
            and announcement.ended_before is None
            and not announcement.continues
        ):
            return False
        now_ns = self._clock.monotonic_ns()
        if self._waits_until_ns is None:
            self._waits_until_ns = now_ns + SETTLED_WAIT_NS
            log.warning("the ledger is empty; waiting until the publisher says what is recorded")
        if now_ns < self._waits_until_ns:
            return True
        self._gave_up_waiting = True
        log.error("the publisher does not say what is recorded; judging without it")
        return False

    @property
    def is_waiting_for_settled(self) -> bool:
        """Whether parts wait until the publisher says what is recorded."""
        return (
            self._waits_until_ns is not None
            and self._settled_up_to is None
            and not self._gave_up_waiting
        )

    def use_new_ledger(self) -> None:
        """The ledger is an empty one now; the publisher's next announcement says what it lacks."""
        self._replay = VerdictReplay(self._ledger)
        self._settled_up_to, self._waits_until_ns, self._gave_up_waiting = None, None, False

    def remember_refused(self, captured: PartCaptured) -> None:
        """The disk took no verdict of this part; its number is filled before a later one."""
        self._refused[captured.part.epoch] = captured

    def fill_gap_before(
        self, part: Part, before: PartCaptured | PartsAnnounced, reason: str
    ) -> None:
        """Give `missed` to each number before this part that has no verdict yet; LedgerError."""
        self._fill_refused_before(part)
        self.commit_and_publish(
            list(self._build_gap_verdicts(self._ledger.last_part, part, before, reason))
        )

    def commit_missed(self, parts: Sequence[tuple[PartCaptured, str]]) -> None:
        """Give `missed` to these parts for these reasons, and to the numbers between; LedgerError.

        All in few commits, so that those who wait behind them are not late, too.
        """
        self._fill_refused_before(parts[-1][0].part)
        verdicts: list[PartJudged] = []
        last = self._ledger.last_part
        for captured, reason in parts:
            verdicts += self._build_gap_verdicts(last, captured.part, captured, NO_PICTURES)
            verdicts.append(build_missed_verdict(captured, reason, self._clock.utc_ns()))
            last = captured.part
        self.commit_and_publish(verdicts)

    def commit_and_publish(
        self, verdicts: Sequence[PartJudged], rejecting_labels: Container[str] = ()
    ) -> None:
        """Commit, then publish. LedgerError: nothing was changed, and nobody heard of them.

        `rejecting_labels`: the labels for which the gate is closed, for challenges.
        """
        room = MAX_PUBLISHED_AT_ONCE
        for begin in range(0, len(verdicts), MAX_COMMITTED_AT_ONCE):
            chained = self._chain_verdicts(
                verdicts[begin : begin + MAX_COMMITTED_AT_ONCE], rejecting_labels
            )
            started_ns = self._clock.monotonic_ns()
            self._ledger.commit(chained)
            committed_ns = self._clock.monotonic_ns()
            for verdict in chained:
                self._challenges.record_committed(verdict)
                self._health.count(f"parts_{verdict.verdict}", _count_numbers(verdict))
            for verdict in chained[:room]:
                self._publish(with_commit_time(verdict, (committed_ns - started_ns) / 1e6))
                self._replay.mark_published(verdict.part, committed_ns)
            room -= min(room, len(chained))

    def mark_settled(self, up_to: Part) -> None:
        """All up to this part are durable elsewhere; LedgerError: that is announced again each second."""
        self._ledger.mark_settled(up_to)
        self._settled_up_to = up_to
        last = self._ledger.last_part
        if up_to != NO_RECORD and (last is None or up_to > last):
            log.error(
                "the ledger is older than the records; judging on behind them",
                extra={"up_to": repr(up_to)},
            )
            self._ledger.last_part = up_to

    def publish_unsettled(self) -> None:
        """Publish again what was not settled in time; LedgerError."""
        for verdict in self._replay.pop_due(self._clock.monotonic_ns()):
            self._publish(msgspec.structs.replace(verdict, replayed=True))

    def _fill_refused_before(self, part: Part) -> None:
        for epoch in sorted(epoch for epoch in self._refused if epoch < part.epoch):
            refused = self._refused[epoch]
            end = part_after(refused.part)
            self.commit_and_publish(
                list(self._build_gap_verdicts(self._ledger.last_part, end, refused, NOT_STORED))
            )
            del self._refused[epoch]

    def _build_gap_verdicts(
        self,
        last: Part | None,
        part: Part,
        before: PartCaptured | PartsAnnounced,
        reason: str,
    ) -> Iterator[PartJudged]:
        if not is_new_part(last, part):
            return
        known = dict(self._first_numbers)
        self._first_numbers[part.epoch] = before.first_number
        while len(self._first_numbers) > MAX_REMEMBERED_EPOCHS:
            del self._first_numbers[min(self._first_numbers)]
        station, now_utc_ns = self._context.station_id, self._clock.utc_ns()
        for gap in find_gaps_before(last, part, before, known):
            if last is None and self._gave_up_waiting and gap.count > MAX_UNCONFIRMED_GAP:
                continue  # an earlier ledger judged them, or most of them
            self._report_large_gap(gap)
            for unseen, gap_from in gap.missed_parts():
                yield build_gap_verdict(
                    station,
                    unseen,
                    self._find_gap_reason(unseen, reason),
                    before,
                    now_utc_ns,
                    gap_from,
                )

    def _report_large_gap(self, gap: NumberGap) -> None:
        if gap.count > MAX_SINGLE_VERDICTS:
            self._health.count("large_gaps")
            log.error(
                "a large gap in the part numbers",
                extra={"epoch": gap.epoch, "from": gap.first, "to": gap.last},
            )

    def _find_gap_reason(self, part: Part, otherwise: str) -> str:
        refused = self._refused.get(part.epoch)
        return NOT_STORED if refused is not None and part <= refused.part else otherwise

    def _chain_verdicts(
        self, verdicts: Sequence[PartJudged], rejecting_labels: Container[str]
    ) -> list[PartJudged]:
        follows, chained = self._ledger.last_part, []
        for verdict in verdicts:
            challenged = self._challenges.with_challenge_result(verdict, rejecting_labels)
            chained.append(msgspec.structs.replace(challenged, follows=follows))
            follows = verdict.part
        return chained

    def _publish(self, verdict: PartJudged) -> None:
        if not self._context.publish(PART_JUDGED, verdict):
            self._health.count("verdicts_not_told")


def _count_numbers(verdict: PartJudged) -> int:
    """How many numbers a verdict stands for."""
    return 1 if verdict.gap_from is None else verdict.part.part_number - verdict.gap_from + 1
