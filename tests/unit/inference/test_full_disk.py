"""A disk that takes no verdict: nobody hears of one, the process lives on, and no number is lost."""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import count

import pytest

from inference.ledger.ledger_errors import LEDGER_FAULT, LedgerError
from inference.ledger.verdict_ledger import Ledger
from inference.verdicts.verdict_committer import NOT_STORED
from sightline.messaging.messages import (
    CommandCarriedOut,
    Part,
    PartJudged,
    PartSettled,
)
from sightline.messaging.topics import (
    PART_CAPTURED,
    PART_SETTLED,
    PARTS_ANNOUNCED,
)
from tests.unit.inference.conftest import EPOCH, InferenceUnderTest
from tests.unit.inference.test_verdict_messages import announcement


def disk(bench: InferenceUnderTest) -> sqlite3.Connection:
    """The connection that the ledger writes on."""
    assert bench.inspector is not None
    return bench.inspector._ledger._connection


def take_all_room(bench: InferenceUnderTest) -> None:
    """The ledger's file grows no more."""
    (pages,) = disk(bench).execute("PRAGMA page_count").fetchone()
    disk(bench).execute(f"PRAGMA max_page_count = {pages}")


def make_room(bench: InferenceUnderTest) -> None:
    """It may grow again."""
    disk(bench).execute("PRAGMA max_page_count = 1000000")


def fill(bench: InferenceUnderTest, numbers: Iterator[int]) -> int:
    """Let parts pass until two in a row are not heard of; the first number without a verdict."""
    take_all_room(bench)
    silent = 0
    while silent < 2:
        heard = len(fresh(bench))
        bench.deliver(PART_CAPTURED, bench.capture(next(numbers)))
        silent = silent + 1 if len(fresh(bench)) == heard else 0
    return fresh(bench)[-1].part.part_number + 1


def fresh(bench: InferenceUnderTest) -> list[PartJudged]:
    """All that was told for the first time, in order."""
    return [verdict for verdict in bench.verdicts() if not verdict.replayed]


def told(bench: InferenceUnderTest) -> list[tuple[int, str, str]]:
    """Number, verdict and reason of all that anyone heard of."""
    return [(v.part.part_number, v.verdict, v.reason) for v in fresh(bench)]


def faults(bench: InferenceUnderTest) -> dict[str, str]:
    """What is wrong, in words."""
    return {fault.code: fault.text for fault in bench.health.build_report().faults}


@pytest.fixture
def numbers() -> Iterator[int]:
    return count(1)


def test_nobody_hears_of_what_the_disk_refused_and_its_number_is_missed_when_there_is_room(
    running: InferenceUnderTest, numbers: Iterator[int]
) -> None:
    running.judge(next(numbers))
    first = fill(running, numbers)
    assert "full" in faults(running)[LEDGER_FAULT]
    make_room(running)
    last = next(numbers)
    assert running.judge(last).verdict == "ok"
    assert LEDGER_FAULT not in faults(running)
    assert [number for number, _, _ in told(running)] == list(range(1, last + 1))
    lost = told(running)[first - 1 : last - 1]
    assert lost == [(number, "missed", NOT_STORED) for number in range(first, last)]
    parts = [verdict.part for verdict in fresh(running)]
    assert [verdict.follows for verdict in fresh(running)] == [None, *parts[:-1]]


def test_no_part_overtakes_one_that_the_disk_refused(
    running: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Ledger.commit

    def refuse_missed(ledger: Ledger, verdicts: Sequence[PartJudged]) -> None:
        if any(verdict.verdict == "missed" for verdict in verdicts):
            raise LedgerError("full")
        commit(ledger, verdicts)

    running.judge(1)
    monkeypatch.setattr(Ledger, "commit", refuse_missed)
    running.judge(3)
    assert [number for number, _, _ in told(running)] == [1]
    monkeypatch.undo()
    running.judge(4)
    assert [(number, verdict) for number, verdict, _ in told(running)] == [
        *[(1, "ok"), (2, "missed"), (3, "missed"), (4, "ok")]
    ]


def test_what_was_announced_is_missed_as_soon_as_there_is_room_without_another_word(
    running: InferenceUnderTest, numbers: Iterator[int]
) -> None:
    running.judge(next(numbers))
    first = fill(running, numbers)
    unseen = next(numbers)
    running.deliver(PARTS_ANNOUNCED, announcement(running, unseen, in_time_ms=-1))
    assert told(running)[-1][0] == first - 1
    make_room(running)
    running.run_until("the announced part", lambda: told(running)[-1][0] == unseen)
    assert told(running)[first - 1 :] == [
        *[(number, "missed", NOT_STORED) for number in range(first, unseen)],
        (unseen, "missed", "announced, but no pictures arrived in time"),
    ]


def test_the_numbers_before_a_new_epoch_are_filled_too(
    running: InferenceUnderTest, numbers: Iterator[int]
) -> None:
    running.judge(next(numbers))
    first = fill(running, numbers)
    last = next(numbers) - 1
    for number in (1, 2):
        running.deliver(PART_CAPTURED, running.capture(number, epoch=EPOCH + 1))
    make_room(running)
    assert running.judge(3, epoch=EPOCH + 1).verdict == "ok"
    filled = [(verdict.part, verdict.reason) for verdict in fresh(running)[first - 1 : -1]]
    parts = [Part(EPOCH, number) for number in range(first, last + 1)]
    parts += [Part(EPOCH + 1, 1), Part(EPOCH + 1, 2)]
    assert filled == [(part, NOT_STORED) for part in parts]


def acknowledge(bench: InferenceUnderTest, command_id: str) -> list[CommandCarriedOut]:
    """Tell a command; all its answers so far."""
    bench.send_command(command_id, "acknowledge_hold", {})
    return [answer for answer in bench.command_replies() if answer.command_id == command_id]


def test_a_command_whose_answer_cannot_be_kept_is_answered_when_it_is_told_again(
    running: InferenceUnderTest,
) -> None:
    running.judge(1)
    take_all_room(running)
    names = (f"c-{number}" for number in count())
    refused = next(name for name in names if not acknowledge(running, name))
    assert LEDGER_FAULT in faults(running)
    make_room(running)
    [answer] = acknowledge(running, refused)
    assert answer.reason == "no hold is open"
    assert LEDGER_FAULT not in faults(running)


def test_nothing_stays_of_a_commit_that_failed_midway(
    running: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    running.judge(1)
    monkeypatch.setattr("inference.ledger.verdict_ledger.store_challenges", fail)
    running.judge(2)
    monkeypatch.undo()
    assert running.judge(3).verdict == "ok"
    assert [number for number, _, _ in told(running)] == [1, 2, 3]


def test_what_cannot_be_marked_as_settled_is_marked_when_that_is_told_again(
    running: InferenceUnderTest,
) -> None:
    running.judge(1)
    settled = PartSettled(station_id=running.station, up_to=Part(EPOCH, 1))
    disk(running).execute("PRAGMA query_only = ON")
    running.deliver(PART_SETTLED, settled)
    assert LEDGER_FAULT in faults(running)
    disk(running).execute("PRAGMA query_only = OFF")
    running.deliver(PART_SETTLED, settled)
    assert LEDGER_FAULT not in faults(running)
    assert running.inspector is not None
    assert running.inspector._ledger.load_unsettled(1) == []
