"""Every number that was counted has one verdict, whatever restarts, wraps, gets lost or falls silent."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from inference.configuration import ChallengeConfiguration, InferenceConfiguration
from inference.ledger.part_sequence import (
    MAX_SINGLE_VERDICTS,
    NumberGap,
    find_gaps_before,
    is_new_part,
    part_after,
)
from inference.ledger.verdict_ledger import Ledger
from inference.verdicts.challenge_tracker import ChallengeTracker
from inference.verdicts.verdict_committer import (
    MAX_PUBLISHED_AT_ONCE,
    MAX_UNCONFIRMED_GAP,
    SETTLED_WAIT_NS,
    VerdictCommitter,
)
from sightline.clock import SystemClock
from sightline.kernel.component import ComponentContext
from sightline.kernel.health import ComponentHealth
from sightline.messaging.bus import Delivery, Inbox
from sightline.messaging.memory_bus import MemoryBus, MemoryExchange
from sightline.messaging.messages import Part, PartCaptured, PartJudged, PartsAnnounced, PartSettled
from sightline.messaging.topics import PART_CAPTURED, PART_JUDGED, PART_SETTLED, PARTS_ANNOUNCED
from tests.unit.inference.conftest import EPOCH, NOTHING_SETTLED, InferenceUnderTest
from tests.unit.inference.test_verdict_messages import announcement


def announced(
    epoch: int,
    last: int,
    first: int = 1,
    ended: Part | None = None,
    continues: bool = False,
) -> PartsAnnounced:
    """Capture's word on its count."""
    return PartsAnnounced(
        station_id="s",
        last=Part(epoch, last),
        deadline_monotonic_ns=0,
        boot_id="",
        first_number=first,
        counted_by="plc",
        ended_before=ended,
        continues=continues,
    )


@pytest.mark.parametrize(
    ("last", "word", "gaps"),
    [
        # The same epoch: from the last one judged on, whatever the word on its beginning.
        (Part(1, 4), announced(1, 9), [NumberGap(1, 5, 9)]),
        (Part(1, 9), announced(1, 9), []),
        (Part(1, 12), announced(1, 9), []),
        (Part(1, 4), announced(1, 9, first=7, continues=True), [NumberGap(1, 5, 9)]),
        # The first epoch of all.
        (None, announced(1, 3), [NumberGap(1, 1, 3)]),
        (None, announced(1, 3, first=0), [NumberGap(1, 0, 3)]),
        (None, announced(1, 0), []),
        # The PLC began anew: its old count to the end, its new one from the beginning.
        (
            Part(1, 90),
            announced(2, 7, ended=Part(1, 97)),
            [NumberGap(1, 91, 97), NumberGap(2, 1, 7)],
        ),
        (Part(1, 97), announced(2, 7, ended=Part(1, 97)), [NumberGap(2, 1, 7)]),
        (Part(1, 90), announced(2, 0, ended=Part(1, 97)), [NumberGap(1, 91, 97)]),
        # A counter of 16, 31 or 32 bits went round.
        *[
            (
                Part(1, top - 2),
                announced(2, 3, first=0, ended=Part(1, top)),
                [NumberGap(1, top - 1, top), NumberGap(2, 0, 3)],
            )
            for top in (2**16 - 1, 2**31 - 1, 2**32 - 1)
        ],
        # Capture lost its file: the count goes on, unless the counter says that it does not.
        (Part(1, 31), announced(2, 42, first=43, continues=True), [NumberGap(2, 32, 42)]),
        (Part(1, 31), announced(2, 31, first=32, continues=True), []),
        (Part(1, 31), announced(2, 6, first=1, continues=True), [NumberGap(2, 1, 6)]),
        (Part(1, 31), announced(2, 6, first=7, continues=True), []),
        (None, announced(2, 6, first=7, continues=True), []),
        # A whole epoch went by while nobody judged.
        (Part(1, 5), announced(3, 2, ended=Part(2, 8)), [NumberGap(2, 1, 8), NumberGap(3, 1, 2)]),
        # An epoch before the last one judged.
        (Part(5, 5), announced(3, 2, ended=Part(2, 8)), []),
    ],
)
def test_what_is_filled(last: Part | None, word: PartsAnnounced, gaps: list[NumberGap]) -> None:
    assert find_gaps_before(last, part_after(word.last), word) == gaps


@settings(deadline=None)
@given(st.integers(0, 10**12), st.integers(1, 10**7))
def test_a_gap_has_a_verdict_for_each_number_or_one_for_all(first: int, count: int) -> None:
    count = min(count, MAX_SINGLE_VERDICTS + 5)
    gap = NumberGap(1, first, first + count - 1)
    verdicts = list(gap.missed_parts())
    stands_for = [
        number
        for part, begin in verdicts
        for number in range(part.part_number if begin is None else begin, part.part_number + 1)
    ]
    assert stands_for == list(range(first, first + count))
    assert len(verdicts) == (count if count <= MAX_SINGLE_VERDICTS else 1)


class Clock(SystemClock):
    """Stands still until it is moved."""

    now_ns = 10**12

    def monotonic_ns(self) -> int:
        return self.now_ns


class Station:
    """The registrar and its ledger on disk, without models: what each number comes to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.exchange = MemoryExchange()
        self.start()

    def start(self) -> None:
        """As the process starts."""
        health = ComponentHealth("inference", "0", "s", self.clock)
        inbox = Inbox()
        self.ledger = Ledger(self.folder / "ledger.sqlite", 10**6)
        bus = MemoryBus(self.exchange, inbox)
        context = ComponentContext(
            InferenceConfiguration(), bus, inbox, self.clock, health, "s", self.folder
        )
        challenges = ChallengeTracker(
            self.ledger.state_store, ChallengeConfiguration(), health, self.clock
        )
        self.registrar = VerdictCommitter(context, self.ledger, challenges)

    def lose_ledger(self) -> None:
        """The process and its ledger's file are gone."""
        self.ledger.close()
        for file in self.folder.glob("ledger.sqlite*"):
            file.unlink()
        self.start()

    def word(self, word: PartsAnnounced) -> None:
        """Capture announces parts whose deadline is over."""
        end = part_after(word.last)
        if not self.registrar.must_wait_for_settled(end, word):
            self.registrar.fill_gap_before(end, word, "")

    def all_verdicts(self) -> Iterator[PartJudged]:
        """What lies in the ledger, in its order."""
        rows = self.ledger._connection.execute(
            "SELECT epoch, part_number FROM verdicts ORDER BY epoch, part_number"
        )
        for row in rows:
            yield self.ledger.load_verdict(Part(*row))


def numbers_of(verdict: PartJudged) -> list[Part]:
    begin = verdict.part.part_number if verdict.gap_from is None else verdict.gap_from
    return [Part(verdict.part.epoch, n) for n in range(begin, verdict.part.part_number + 1)]


def captured_of(word: PartsAnnounced) -> PartCaptured:
    """The part that the word names last, without pictures."""
    return PartCaptured(
        station_id="s",
        part=word.last,
        triggered_utc_ns=0,
        triggered_monotonic_ns=0,
        captured_monotonic_ns=0,
        deadline_monotonic_ns=0,
        boot_id="",
        frames=(),
        first_number=word.first_number,
        counted_by="plc",
        ended_before=word.ended_before,
        continues=word.continues,
    )


class Counting(RuleBasedStateMachine):
    """A PLC that counts, restarts and wraps; a capture that loses messages and its file; a ledger that dies.

    Capture's word comes at its start, at each new epoch and at each start of inference; all else is lost
    as often as it comes.
    """

    TOP = 40  # the counter's highest number

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.station = Station(Path(self.folder.name))
        self.epoch, self.first, self.last = 1, 1, 0
        self.ended: Part | None = None
        self.continues = False
        self.triggered = 0
        self.done: list[Part] = []
        self.records = NOTHING_SETTLED
        self.station.registrar.mark_settled(NOTHING_SETTLED)
        self.hear()

    @property
    def word(self) -> PartsAnnounced:
        return announced(self.epoch, self.last, self.first, self.ended, self.continues)

    def hear(self) -> None:
        """Capture's word comes; what lies in the ledger is looked at."""
        self.station.word(self.word)
        self.collect()

    def collect(self) -> None:
        last = self.done[-1] if self.done else None
        for verdict in self.station.all_verdicts():
            self.done += [number for number in numbers_of(verdict) if is_new_part(last, number)]

    def begin_epoch(self, first: int) -> None:
        self.ended = Part(self.epoch, self.last) if self.last >= self.first else None
        self.epoch, self.first, self.last, self.continues = self.epoch + 1, first, first - 1, False
        self.hear()

    @rule(parts=st.integers(1, 15))
    def count(self, parts: int) -> None:
        """The PLC counts; nobody tells of these parts yet."""
        for _ in range(parts):
            if self.last == self.TOP:
                self.begin_epoch(0)
            self.last += 1
            self.triggered += 1

    @rule(in_time=st.booleans())
    def capture_tells_of_one(self, in_time: bool) -> None:
        """It is judged, or too late; what came before is filled."""
        self.count(1)
        captured = captured_of(self.word)
        if in_time:
            self.station.registrar.fill_gap_before(captured.part, captured, "")
        self.station.registrar.commit_missed([(captured, "")])
        self.collect()
        self.each_part_has_its_verdict()

    @rule(first=st.sampled_from([0, 1]))
    def plc_begins_anew(self, first: int) -> None:
        self.begin_epoch(first)

    @rule()
    def capture_loses_its_file(self) -> None:
        """It begins an epoch behind the counter, and says that the count goes on."""
        last = self.station.ledger.last_part
        if last is None or last.epoch != self.epoch:
            self.hear()
        last = self.station.ledger.last_part
        if last is None or last.epoch != self.epoch:
            return  # of this count nobody has heard a number: there is nothing that goes on
        self.epoch += 1
        self.first, self.ended, self.continues = self.last + 1, None, True
        self.hear()

    @rule()
    def inference_starts_again(self) -> None:
        self.station.ledger.close()
        self.station.start()
        self.station.registrar.mark_settled(self.records)
        self.hear()

    @rule()
    def records_are_written(self) -> None:
        """The publisher has all that it was told."""
        self.records = max(self.records, self.station.ledger.last_part or NOTHING_SETTLED)
        self.station.registrar.mark_settled(self.records)

    @rule(speaks_at_once=st.booleans())
    def ledger_is_lost(self, speaks_at_once: bool) -> None:
        """Verdicts that no record has are lost with it: these numbers come again, and no other."""
        is_near = self.records.epoch == self.epoch or (
            self.ended is not None and self.records.epoch == self.ended.epoch
        )
        if not is_near and self.epoch > 1:
            self.records_are_written()
        if self.records.epoch < self.epoch and self.ended is None and self.epoch > 1:
            self.hear()
            self.records_are_written()
        self.station.lose_ledger()
        self.done = [part for part in self.done if part <= self.records]
        if not speaks_at_once:
            before = list(self.done)
            self.station.word(self.word)
            self.collect()
            assert self.done == before or self.records == NOTHING_SETTLED
        self.station.registrar.mark_settled(self.records)
        self.hear()

    @rule()
    def each_part_has_its_verdict(self) -> None:
        """After capture's word."""
        self.hear()
        assert len(self.done) == self.triggered

    @invariant()
    def no_number_has_two_verdicts(self) -> None:
        assert self.done == sorted(set(self.done))

    def teardown(self) -> None:
        self.station.ledger.close()
        self.folder.cleanup()


TestCounting = Counting.TestCase
TestCounting.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    found = Station(tmp_path)
    yield found
    found.ledger.close()


def told(station: Station) -> list[PartJudged]:
    return station.exchange.messages_on(PART_JUDGED)  # type: ignore[return-value]


def test_more_than_ten_thousand_numbers_have_one_verdict_that_says_from_where(
    station: Station,
) -> None:
    station.registrar.mark_settled(NOTHING_SETTLED)
    station.word(announced(1, 1))
    station.word(announced(1, MAX_SINGLE_VERDICTS + 2))
    assert told(station)[-1].gap_from == 2
    assert told(station)[-1].part == Part(1, MAX_SINGLE_VERDICTS + 2)
    assert told(station)[-1].follows == Part(1, 1)
    station.word(announced(1, MAX_SINGLE_VERDICTS + 4))
    assert [verdict.gap_from for verdict in told(station)[-2:]] == [None, None]


def test_numbers_that_nobody_saw_are_told_behind_the_part_that_is_judged(
    running: InferenceUnderTest,
) -> None:
    """Thousands of verdicts take seconds to tell: a fresh part does not wait for them."""
    running.judge(1)
    before = len(running.verdicts())
    assert running.judge(5002).verdict == "ok"
    fresh = running.verdicts()[before:]
    assert len(fresh) == MAX_PUBLISHED_AT_ONCE + 1
    assert fresh[-1].part == Part(EPOCH, 5002)
    assert fresh[-1].follows == Part(EPOCH, 5001)
    running.run_until("all is told", lambda: len({v.part for v in running.verdicts()}) >= 400)


def test_a_ledger_that_is_empty_amidst_a_count_judges_nothing_twice(
    bench: InferenceUnderTest,
) -> None:
    bench.start(settled=None)
    bench.deliver(PART_CAPTURED, bench.capture(31))
    bench.deliver(PARTS_ANNOUNCED, announcement(bench, 31, in_time_ms=-1))
    assert bench.verdicts() == []
    bench.publish_recorded(Part(EPOCH, 29))
    assert [(v.part.part_number, v.verdict) for v in bench.verdicts()] == [
        (30, "missed"),
        (31, "ok"),
    ]
    assert bench.verdicts()[0].follows == Part(EPOCH, 29)


def test_a_station_without_any_record_fills_from_the_first_number_on(
    bench: InferenceUnderTest,
) -> None:
    bench.start(settled=None)
    bench.deliver(PART_CAPTURED, bench.capture(3))
    assert bench.verdicts() == []
    bench.publish_recorded(NOTHING_SETTLED)
    assert [v.verdict for v in bench.verdicts()] == ["missed", "missed", "ok"]


def test_the_first_part_of_a_count_waits_for_nobody(bench: InferenceUnderTest) -> None:
    bench.start(settled=None)
    assert bench.judge(1).verdict == "ok"


def test_where_the_publisher_is_silent_parts_are_judged_all_the_same(station: Station) -> None:
    station.word(announced(1, 3))
    assert told(station) == []
    assert station.registrar.is_waiting_for_settled
    station.clock.now_ns += SETTLED_WAIT_NS + 1
    station.word(announced(1, 3))
    assert [verdict.part.part_number for verdict in told(station)] == [1, 2, 3]


def test_where_the_publisher_is_silent_a_long_count_is_left_to_the_ledger_before(
    station: Station,
) -> None:
    for _ in range(2):
        station.word(announced(1, MAX_UNCONFIRMED_GAP + 5))
        station.clock.now_ns += SETTLED_WAIT_NS + 1
    station.word(announced(1, MAX_UNCONFIRMED_GAP + 5))
    assert told(station) == []


def test_a_ledger_that_is_older_than_the_records_judges_on_behind_them(
    running: InferenceUnderTest,
) -> None:
    running.judge(1)
    running.publish_recorded(Part(EPOCH, 8))
    running.judge(10)
    assert [v.part.part_number for v in running.verdicts()] == [1, 9, 10]
    assert running.verdicts()[1].follows == Part(EPOCH, 8)


def test_parts_of_an_earlier_epoch_are_a_fault_that_says_what_to_do(
    running: InferenceUnderTest,
) -> None:
    running.judge(1)
    running.deliver(PART_CAPTURED, running.capture(5, epoch=EPOCH - 1))
    faults = {fault.code: fault.text for fault in running.health.build_report().faults}
    assert "set the clock, and restart Capture" in faults["epoch-behind"]
    running.judge(2)
    assert running.health.build_report().faults == ()


@pytest.mark.parametrize("counted_by", ["plc", "station"])
def test_every_verdict_says_who_counted_and_how_large_the_frames_were(
    running: InferenceUnderTest, counted_by: str
) -> None:
    sizes = dict.fromkeys(("cam1", "cam2", "cam3", "cam4"), (320, 192))
    for captured in (running.capture(2), running.capture(3, in_time_ms=-1)):
        running.deliver(PART_CAPTURED, replace(captured, counted_by=counted_by))
    unseen, ok, late = running.verdicts()
    assert [verdict.verdict for verdict in (unseen, ok, late)] == ["missed", "ok", "missed"]
    assert {verdict.counted_by for verdict in (unseen, ok, late)} == {counted_by}
    assert (unseen.frame_sizes, ok.frame_sizes, late.frame_sizes) == ({}, sizes, sizes)


def test_a_part_of_which_no_picture_was_taken_is_missed_for_that_reason(
    running: InferenceUnderTest,
) -> None:
    captured = replace(running.capture(1), frames=(), unphotographed="its trigger was told late")
    running.deliver(PART_CAPTURED, captured)
    verdict = running.verdicts()[-1]
    assert verdict.verdict == "missed"
    assert verdict.reason == "no picture was taken: its trigger was told late"


def test_parts_that_wait_are_missed_in_one_commit_and_the_newest_is_judged(
    running: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.judge(1)
    commits: list[int] = []
    commit = Ledger.commit

    def counted(ledger: Ledger, verdicts: list[PartJudged]) -> None:
        commits.append(len(verdicts))
        commit(ledger, verdicts)

    monkeypatch.setattr(Ledger, "commit", counted)
    late = [running.capture(number, in_time_ms=-1) for number in range(2, 202)]
    for captured in [*late, running.capture(202)]:
        running.inbox.post(Delivery(PART_CAPTURED, captured, 0))
    running.run_until("all is judged", lambda: running.verdicts()[-1].part.part_number == 202)
    assert running.verdicts()[-1].verdict == "ok"
    assert sum(commits) == 201
    assert len(commits) <= 5


def test_of_many_fresh_parts_that_wait_the_newest_are_judged_and_the_others_are_missed_at_once(
    running: InferenceUnderTest,
) -> None:
    """A stall is over: ten seconds a part, a minute left for each; three are worth a look."""
    assert running.inspector is not None
    for _ in range(20):
        running.inspector._queue._pace.record_judged(10 * 10**9, running.clock.monotonic_ns())
    for number in range(1, 31):
        captured = running.capture(number, in_time_ms=60_000)
        running.inbox.post(Delivery(PART_CAPTURED, captured, 0))
    running.run_until("all", lambda: len(running.verdicts()) == 30)
    given_up = [v for v in running.verdicts() if "skipped because of overload" in v.reason]
    assert [verdict.part.part_number for verdict in given_up] == list(range(1, len(given_up) + 1))
    assert running.health.build_report().counters["parts_given_up"] == len(given_up) >= 20
    assert running.verdicts()[-1].verdict == "ok"


@pytest.mark.parametrize("part", [Part(EPOCH, 2**63), Part(2**63, 1), Part(EPOCH, -(2**70))])
def test_a_number_that_no_counter_counts_is_told_and_the_next_parts_are_judged(
    running: InferenceUnderTest, part: Part
) -> None:
    running.judge(1)
    running.deliver(PART_CAPTURED, replace(running.capture(2), part=part))
    running.deliver(PART_CAPTURED, replace(running.capture(2, epoch=EPOCH + 1), ended_before=part))
    running.deliver(PARTS_ANNOUNCED, replace(announcement(running, 2, in_time_ms=-1), last=part))
    running.publish_recorded(part)
    assert "number-absurd" in {fault.code for fault in running.health.build_report().faults}
    assert running.judge(2).verdict == "ok"
    assert running.judge(1, epoch=EPOCH + 2).verdict == "ok"
    assert len(running.verdicts()) == 3


@pytest.mark.parametrize("first", [-(2**70), -(2**63)])
def test_a_count_that_is_said_to_begin_where_none_does_is_told_and_makes_no_gap(
    running: InferenceUnderTest, first: int
) -> None:
    running.judge(1)
    running.deliver(PART_CAPTURED, running.capture(1, epoch=EPOCH + 1, first_number=first))
    running.deliver(
        PARTS_ANNOUNCED,
        replace(
            announcement(running, 1, in_time_ms=-1), last=Part(EPOCH + 1, 1), first_number=first
        ),
    )
    assert "number-absurd" in {fault.code for fault in running.health.build_report().faults}
    assert running.judge(2).verdict == "ok"
    assert len(running.verdicts()) == 2


@pytest.mark.parametrize("order", [(2, 3, 3, 4), (3, 2, 4), (2, 4, 2, 3)])
def test_parts_that_wait_and_are_told_twice_or_in_disorder_have_one_verdict_each(
    running: InferenceUnderTest, order: tuple[int, ...]
) -> None:
    running.judge(1)
    for number in order:
        running.inbox.post(Delivery(PART_CAPTURED, running.capture(number, in_time_ms=-1), 0))
    running.inbox.post(Delivery(PART_CAPTURED, running.capture(5), 0))
    for _ in range(4):  # they are taken in first, so that all parts wait
        settled = PartSettled(station_id=running.station, up_to=NOTHING_SETTLED)
        running.inbox.post(Delivery(PART_SETTLED, settled, 0))
    running.run_until("the last one", lambda: running.verdicts()[-1].part.part_number == 5)
    assert [verdict.part.part_number for verdict in running.verdicts()] == [1, 2, 3, 4, 5]
    assert [verdict.follows for verdict in running.verdicts()[1:]] == [
        verdict.part for verdict in running.verdicts()[:-1]
    ]
    assert running.verdicts()[-1].verdict == "ok"
    assert not any("stored" in verdict.reason for verdict in running.verdicts())
