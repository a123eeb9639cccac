"""What comes after the record: a gate that is told late, once; and gaps, which are one record."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from publisher.component import OUTBOX_WRITE_FAULT
from publisher.gate_matcher import MAX_KEPT_PARTS
from publisher.outbox import Outbox
from sightline.messaging.messages import InspectionRecord, Part, PartSettled
from sightline.messaging.topics import (
    GAP_RECORD,
    GATE_ACTED,
    GATE_CORRECTION,
    INSPECTION_RECORD,
    PART_JUDGED,
    PART_SETTLED,
)
from tests.unit.publisher.conftest import MakeDesk
from tests.unit.publisher.publisher_kit import (
    EPOCH,
    SECOND_NS,
    STATION,
    TRIGGERED_UTC_NS,
    PublisherUnderTest,
    a_verdict,
    an_outcome,
    wait_until,
)

RECORD_ID = f"{STATION}-{EPOCH}-1"


def an_unconfirmed(desk: PublisherUnderTest, *numbers: int) -> None:
    """Parts whose records went without their gates."""
    desk.deliver(PART_JUDGED, *(a_verdict(number) for number in numbers))
    desk.pass_seconds(3)
    assert {record.gate for record in desk.records(len(numbers))} == {"unconfirmed"}


def test_an_outcome_that_comes_after_the_record_goes_as_a_correction_once(
    desk: PublisherUnderTest,
) -> None:
    an_unconfirmed(desk, 1)
    desk.deliver(GATE_ACTED, an_outcome(1, "rejected"), an_outcome(1, "rejected"))
    (correction,) = desk.corrections(1)
    assert (correction.correctionId, correction.recordId) == (f"{RECORD_ID}/gate", RECORD_ID)
    assert (correction.gate, correction.stationId) == ("rejected", STATION)
    assert correction.acted_at_utc_ns == TRIGGERED_UTC_NS + SECOND_NS
    wait_until(desk.all_are_stored)
    desk.deliver(GATE_ACTED, an_outcome(1, "rejected"))
    desk.kill()
    desk.start()
    desk.deliver(GATE_ACTED, an_outcome(1, "rejected"))
    assert desk.counter("gates_corrected") == 0
    assert len(desk.on(GATE_CORRECTION)) == 1
    assert len(desk.on(INSPECTION_RECORD)) == 1


def test_an_outcome_that_the_record_says_already_makes_no_correction(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, an_outcome(1))
    wait_until(desk.all_are_stored)
    desk.kill()
    desk.start()
    desk.deliver(GATE_ACTED, an_outcome(1), an_outcome(1, "rejected", TRIGGERED_UTC_NS + 1))
    assert desk.recorder._outbox.depth == 0
    assert desk.on(GATE_CORRECTION) == []


def test_the_publisher_restarted_and_hears_the_last_outcomes_again(
    desk: PublisherUnderTest,
) -> None:
    an_unconfirmed(desk, 1, 2, 3)
    desk.kill()
    desk.start()
    told = desk.on(PART_SETTLED)[-1]
    assert isinstance(told, PartSettled)
    assert told.begins  # equipment then tells the PLC's last outcomes again
    desk.deliver(GATE_ACTED, *(an_outcome(number, "rejected") for number in (1, 2, 3)))
    assert [c.recordId[-1] for c in desk.corrections(3)] == ["1", "2", "3"]


def test_a_correction_waits_until_its_record_is_stored_and_outlasts_a_kill(
    desk: PublisherUnderTest,
) -> None:
    desk.exchange.ignores = {RECORD_ID}  # type: ignore[attr-defined]
    an_unconfirmed(desk, 1)
    desk.deliver(GATE_ACTED, an_outcome(1, "rejected"))
    desk.deliver(PART_JUDGED, a_verdict(2))
    desk.pass_seconds(3)
    desk.records(2)
    assert desk.on(GATE_CORRECTION) == []
    desk.kill()
    desk.exchange.ignores = set()  # type: ignore[attr-defined]
    desk.start()
    assert desk.corrections(1)[0].gate == "rejected"
    wait_until(desk.all_are_stored)


def test_a_correction_that_the_disk_refuses_comes_when_there_is_room(
    desk: PublisherUnderTest,
) -> None:
    an_unconfirmed(desk, 1)
    disk = desk.recorder._outbox._writer
    disk.execute("PRAGMA query_only = ON")
    desk.deliver(GATE_ACTED, an_outcome(1, "rejected"))
    assert OUTBOX_WRITE_FAULT in desk.faults()
    disk.execute("PRAGMA query_only = OFF")
    desk.pass_seconds(1)
    assert desk.corrections(1)[0].gate == "rejected"
    assert OUTBOX_WRITE_FAULT not in desk.faults()


def test_late_outcomes_are_known_for_thousands_of_parts_and_not_for_ever(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    with outbox._writer as connection:
        connection.executemany(
            "INSERT INTO gates (epoch, part_number, seen, earliest_utc_ns, latest_utc_ns)"
            " VALUES (?, ?, 1, ?, ?)",
            [(EPOCH, n, n, n) for n in range(1, 3 * MAX_KEPT_PARTS)],
        )
    known = outbox.load_gate_parts()
    assert len(known) == MAX_KEPT_PARTS >= 1000
    assert known[-1].part == Part(EPOCH, 3 * MAX_KEPT_PARTS - 1)
    outbox.commit([], Part(EPOCH, 3 * MAX_KEPT_PARTS))
    outbox.close()


def test_rows_of_gates_that_cannot_be_read_cost_their_corrections_only(
    desk: PublisherUnderTest,
) -> None:
    an_unconfirmed(desk, 1, 2)
    disk = desk.recorder._outbox._writer
    disk.execute("UPDATE gates SET earliest_utc_ns = 'x', gate = 'ajar' WHERE part_number = 1")
    desk.kill()
    desk.start()
    desk.deliver(GATE_ACTED, an_outcome(1), an_outcome(2))
    assert [c.recordId[-1] for c in desk.corrections(1)] == ["2"]


@pytest.mark.parametrize("utc_ns", [2**63 - 1, 10**20, -(10**20)])
def test_a_trigger_at_a_time_that_no_file_has_room_for_blocks_no_record(
    desk: PublisherUnderTest, utc_ns: int
) -> None:
    odd = replace(a_verdict(1), triggered_utc_ns=utc_ns)
    unseen = replace(a_verdict(2), verdict="missed", triggered_monotonic_ns=0)
    desk.deliver(PART_JUDGED, odd, unseen, replace(odd, part=Part(EPOCH, 3), follows=unseen.part))
    desk.deliver(PART_JUDGED, a_verdict(4))
    desk.pass_seconds(3)
    assert [record.partNumber for record in desk.records(4)] == [1, 2, 3, 4]
    assert OUTBOX_WRITE_FAULT not in desk.faults()
    desk.kill()
    desk.start()
    desk.deliver(PART_JUDGED, a_verdict(5))
    desk.pass_seconds(3)
    assert desk.recorded_numbers()[-1] == 5


def test_a_gap_is_one_record_that_settles_and_counts_all_its_parts(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, an_outcome(1))
    gap = a_verdict(
        50_001,
        follows=Part(EPOCH, 1),
        gap_from=2,
        verdict="missed",
        reason="capture did not run",
        triggered_monotonic_ns=0,
        product="bottle",
        lot="L-1",
    )
    behind = a_verdict(50_002, follows=Part(EPOCH, 50_001))
    desk.deliver(PART_JUDGED, gap, behind)
    desk.deliver(GATE_ACTED, an_outcome(50_002))
    (sent,) = desk.gaps(1)
    assert (sent.gapId, sent.from_, sent.to) == (f"{STATION}-{EPOCH}-2-50001", 2, 50_001)
    assert (sent.epoch, sent.stationId, sent.siteId) == (EPOCH, STATION, "site")
    assert (sent.reason, sent.mode) == ("capture did not run", "production")
    assert (sent.product, sent.lot) == ("bottle", "L-1")
    assert [record.partNumber for record in desk.records(2)] == [1, 50_002]
    desk.pass_seconds(1)
    assert desk.recorded_numbers()[-1] == 50_002
    assert (desk.counter("parts_missed"), desk.counter("gaps_committed")) == (50_000, 1)
    assert desk.counter("records_committed") == 2
    wait_until(desk.all_are_stored)
    desk.deliver(PART_JUDGED, gap)  # told again: it is known
    assert len(desk.on(GAP_RECORD)) == 1


@pytest.mark.parametrize("gap_from", [-5, 7, 8])
def test_a_gap_that_begins_anywhere_counts_at_least_its_own_part(
    desk: PublisherUnderTest, gap_from: int
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(7, follows=None, gap_from=gap_from, reason="x" * 5000))
    assert desk.gaps(1)[0].from_ == min(gap_from, 7)
    desk.pass_seconds(1)
    assert desk.recorded_numbers()[-1] == 7


def test_a_gap_stays_until_the_cloud_has_it(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.exchange.ignores = {f"{STATION}-{EPOCH}-1-9"}  # type: ignore[attr-defined]
    desk.deliver(PART_JUDGED, a_verdict(9, follows=None, gap_from=1))
    desk.gaps(1)
    desk.kill()
    desk.exchange.ignores = set()  # type: ignore[attr-defined]
    desk.start()
    desk.gaps(2)
    wait_until(desk.all_are_stored)


def test_settled_is_told_each_second_also_where_nothing_is(desk: PublisherUnderTest) -> None:
    desk.pass_seconds(1)
    desk.pass_seconds(1)
    told = desk.on(PART_SETTLED)
    assert [settled.up_to for settled in told if isinstance(settled, PartSettled)] == (
        [Part(0, 0)] * 3
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["judge", "act", "kill", "wait"]), st.integers(1, 6)),
        max_size=30,
    )
)
def test_record_and_correction_together_say_what_the_plc_did_and_nothing_goes_twice_otherwise(
    steps: list[tuple[str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk, judged, acted = PublisherUnderTest(Path(folder)), 0, set[int]()
        try:
            for step, number in steps:
                if step == "judge":
                    judged += 1
                    desk.deliver(PART_JUDGED, a_verdict(judged))
                elif step == "act" and number <= judged:
                    acted.add(number)
                    action = "passed" if number % 2 else "rejected"
                    desk.deliver(GATE_ACTED, an_outcome(number, action))  # type: ignore[arg-type]
                elif step == "wait":
                    desk.pass_seconds(number)
                elif step == "kill":
                    desk.kill()
                    desk.start()
                    replay = range(1, judged + 1)
                    desk.deliver(PART_JUDGED, *(a_verdict(n, replayed=True) for n in replay))
            desk.pass_seconds(60)
            wait_until(desk.all_are_stored)
            sent, corrected = desk.on(INSPECTION_RECORD), desk.corrections(0)
        finally:
            desk.kill()
    records = [record for record in sent if isinstance(record, InspectionRecord)]
    by_id = {record.recordId: record for record in records}
    assert all(record == by_id[record.recordId] for record in records)
    assert sorted(record.partNumber for record in by_id.values()) == list(range(1, judged + 1))
    gates = {record.partNumber: record.gate for record in by_id.values()}
    late = {int(c.recordId.rsplit("-", 1)[1]): c.gate for c in corrected}
    assert all(gates[number] == "unconfirmed" for number in late)
    for number in acted & late.keys():
        assert late[number] == ("passed" if number % 2 else "rejected")
    for number, gate in gates.items():
        if number not in acted:
            assert (gate, number in late) == ("unconfirmed", False)
