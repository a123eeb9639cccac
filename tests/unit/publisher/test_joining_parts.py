"""Which verdict becomes a record, when, and with what the gate did."""

from msgspec.structs import replace

from publisher.configuration import PublisherConfiguration
from sightline.kernel.component import NewConfiguration
from sightline.messaging.bus import Delivery
from sightline.messaging.messages import (
    GateActed,
    GateAction,
    GateConfirmation,
    GateConfirmed,
    Part,
)
from sightline.messaging.topics import GATE_ACTED, GATE_CONFIRMED, MACHINE_STATE, PART_JUDGED
from tests.unit.publisher.publisher_kit import (
    EPOCH,
    SECOND_NS,
    STATION,
    TRIGGERED_UTC_NS,
    PublisherUnderTest,
    a_machine_state,
    a_verdict,
    an_outcome,
)


def test_a_verdict_and_its_gate_become_one_record(desk: PublisherUnderTest) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1))
    assert desk.counter("records_committed") == 0
    desk.deliver(GATE_ACTED, an_outcome(1, "passed"))
    (record,) = desk.records(1)
    assert (record.partNumber, record.verdict, record.gate) == (1, "ok", "passed")


def test_a_gate_that_acted_before_the_verdict_came_is_found(desk: PublisherUnderTest) -> None:
    desk.deliver(GATE_ACTED, an_outcome(1, "rejected"))
    desk.deliver(PART_JUDGED, a_verdict(1, verdict="defect"))
    (record,) = desk.records(1)
    assert record.gate == "rejected"


def test_a_record_says_how_long_the_way_to_the_gate_was_and_how_long_it_might_be(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1), a_verdict(2), a_verdict(3, triggered_monotonic_ns=0))
    acted = TRIGGERED_UTC_NS + 640_500_000
    desk.deliver(GATE_ACTED, an_outcome(1, acted_utc_ns=acted))
    desk.deliver(GATE_ACTED, an_outcome(2, acted_utc_ns=TRIGGERED_UTC_NS - SECOND_NS // 10))
    desk.pass_seconds(3)
    ways = [
        (record.timings.trigger_to_gate_ms, record.timings.trigger_to_deadline_ms)
        for record in desk.records(3)
    ]
    assert ways == [(640.5, 1000.0), (None, 1000.0), (None, None)]


def test_a_part_without_a_gate_is_unconfirmed_after_its_deadline_and_a_second(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.pass_seconds(1.9)
    assert desk.counter("records_committed") == 0
    desk.pass_seconds(0.2)
    (record,) = desk.records(1)
    assert record.gate == "unconfirmed"


def test_a_deadline_of_another_boot_counts_from_the_arrival(desk: PublisherUnderTest) -> None:
    other = a_verdict(1, boot_id="another", deadline_monotonic_ns=1)
    desk.recorder.handle(Delivery(PART_JUDGED, other, desk.clock.monotonic_ns()))
    desk.pass_seconds(0.9)
    assert desk.counter("records_committed") == 0
    desk.pass_seconds(0.2)
    (record,) = desk.records(1)
    assert record.gate == "unconfirmed"
    assert record.timings.trigger_to_verdict_ms is None


def test_records_come_in_the_parts_order_whichever_gate_acts_first(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1), a_verdict(2), a_verdict(3))
    desk.deliver(GATE_ACTED, an_outcome(3), an_outcome(2))
    assert desk.counter("records_committed") == 0
    desk.deliver(GATE_ACTED, an_outcome(1))
    assert [record.partNumber for record in desk.records(3)] == [1, 2, 3]


def test_a_verdict_told_twice_is_one_record(desk: PublisherUnderTest) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1), a_verdict(1, replayed=True))
    desk.deliver(GATE_ACTED, an_outcome(1), an_outcome(1))
    desk.deliver(PART_JUDGED, a_verdict(1, replayed=True), a_verdict(2))
    desk.deliver(GATE_ACTED, an_outcome(2))
    assert [record.partNumber for record in desk.records(2)] == [1, 2]
    assert desk.counter("parts_ignored") == 2


def test_a_part_after_a_gap_waits_for_the_replay(desk: PublisherUnderTest) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1), a_verdict(3))
    desk.deliver(GATE_ACTED, an_outcome(1), an_outcome(2), an_outcome(3))
    desk.pass_seconds(5)
    assert desk.counter("records_committed") == 1
    assert desk.counter("parts_out_of_order") == 1
    desk.deliver(PART_JUDGED, a_verdict(2, replayed=True), a_verdict(3, replayed=True))
    assert [record.partNumber for record in desk.records(3)] == [1, 2, 3]


def test_parts_behind_a_gap_are_held_so_that_its_replay_alone_closes_it(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1), a_verdict(3), a_verdict(4), a_verdict(3))
    desk.deliver(PART_JUDGED, a_verdict(2, replayed=True), a_verdict(5))
    desk.deliver(GATE_ACTED, *(an_outcome(number) for number in range(1, 6)))
    assert [record.partNumber for record in desk.records(5)] == [1, 2, 3, 4, 5]


def test_the_first_part_of_an_epoch_follows_the_last_of_the_epoch_before(
    desk: PublisherUnderTest,
) -> None:
    seam = a_verdict(7, epoch=EPOCH + 1, follows=Part(EPOCH, 2))
    desk.deliver(PART_JUDGED, a_verdict(1), seam)
    assert desk.counter("parts_out_of_order") == 1
    desk.deliver(PART_JUDGED, a_verdict(2), seam)
    desk.deliver(GATE_ACTED, an_outcome(1), an_outcome(2), an_outcome(7))
    parts = [(record.epoch, record.partNumber) for record in desk.records(3)]
    assert parts == [(EPOCH, 1), (EPOCH, 2), (EPOCH + 1, 7)]


def test_an_outcome_of_the_same_number_in_an_earlier_epoch_is_not_this_parts(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(GATE_ACTED, an_outcome(1, "passed", TRIGGERED_UTC_NS - SECOND_NS // 2))
    desk.deliver(PART_JUDGED, a_verdict(1))
    assert desk.counter("records_committed") == 0
    desk.deliver(GATE_ACTED, an_outcome(1, "rejected"))
    assert desk.records(1)[0].gate == "rejected"


def test_an_outcome_serves_one_part_even_if_it_is_told_again(desk: PublisherUnderTest) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, an_outcome(1, "passed"))
    desk.deliver(PART_JUDGED, a_verdict(1, epoch=EPOCH + 1, follows=Part(EPOCH, 1)))
    desk.deliver(GATE_ACTED, an_outcome(1, "passed"))
    desk.pass_seconds(3)
    assert [record.gate for record in desk.records(2)] == ["passed", "unconfirmed"]


def test_a_restart_goes_on_behind_what_was_settled(desk: PublisherUnderTest) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1), a_verdict(2))
    desk.deliver(GATE_ACTED, an_outcome(1))
    desk.kill()
    desk.start()
    assert desk.recorded_numbers()[-1] == 1
    replay = [a_verdict(number, replayed=True) for number in (1, 2)]
    desk.deliver(PART_JUDGED, *replay)
    desk.deliver(GATE_ACTED, an_outcome(2))
    assert [record.partNumber for record in desk.records(2)] == [1, 2]
    assert desk.counter("parts_ignored") == 1


def test_settled_is_told_each_second_and_only_up_to_what_is_durable(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1), a_verdict(2))
    desk.deliver(GATE_ACTED, an_outcome(1))
    desk.pass_seconds(0.5)
    assert desk.recorded_numbers() == [0]  # told at the start: nothing is settled yet
    desk.pass_seconds(0.5)
    assert desk.recorded_numbers() == [0, 1]


def test_a_publisher_without_a_position_waits_for_the_ledgers_first(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(2), a_verdict(3))
    desk.deliver(PART_JUDGED, a_verdict(1, replayed=True))
    desk.deliver(PART_JUDGED, a_verdict(2, replayed=True), a_verdict(3, replayed=True))
    desk.pass_seconds(3)
    assert [record.partNumber for record in desk.records(3)] == [1, 2, 3]


def test_a_publisher_that_lost_its_disk_begins_with_the_replay(desk: PublisherUnderTest) -> None:
    def told_at(seconds: int, *numbers: int) -> None:
        for number in numbers:
            judged = a_verdict(number, replayed=True)
            desk.recorder.handle(Delivery(PART_JUDGED, judged, (1_000 + seconds) * SECOND_NS))

    told_at(0, 41, 42)
    told_at(2, 41, 42)
    assert desk.counter("parts_out_of_order") == 4
    told_at(3, 42, 41, 42, 43)
    desk.pass_seconds(4.1)
    assert [record.partNumber for record in desk.records(3)] == [41, 42, 43]


def test_a_ledger_that_began_anew_is_followed(desk: PublisherUnderTest) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1), a_verdict(5, follows=None))
    desk.deliver(GATE_ACTED, an_outcome(1), an_outcome(5))
    assert [record.partNumber for record in desk.records(2)] == [1, 5]
    assert desk.counter("ledgers_begun") == 1


def test_the_record_has_the_machines_state_at_the_trigger(desk: PublisherUnderTest) -> None:
    later = a_machine_state(TRIGGERED_UTC_NS + 1)
    desk.deliver(MACHINE_STATE, a_machine_state(TRIGGERED_UTC_NS - SECOND_NS), later)
    desk.clock.pass_seconds(0.5)
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, an_outcome(1))
    (record,) = desk.records(1)
    assert record.machine is not None
    assert record.machine.ageS == 1.5
    assert record.conveyerBeltSpeed == 0.5


def test_a_machine_state_of_another_hour_is_not_this_parts(desk: PublisherUnderTest) -> None:
    desk.deliver(MACHINE_STATE, a_machine_state(TRIGGERED_UTC_NS + 3600 * SECOND_NS))
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, an_outcome(1))
    (record,) = desk.records(1)
    assert (record.machine, record.productionLineStatus) == (None, "unknown")


def test_the_time_from_trigger_to_verdict_is_that_of_the_verdicts_arrival(
    desk: PublisherUnderTest,
) -> None:
    desk.recorder.handle(Delivery(PART_JUDGED, a_verdict(1), 1_000 * SECOND_NS + 180_000_000))
    replayed = a_verdict(2, replayed=True)
    desk.recorder.handle(Delivery(PART_JUDGED, replayed, 1_000 * SECOND_NS + 180_000_000))
    desk.deliver(GATE_ACTED, an_outcome(1), an_outcome(2))
    first, second = desk.records(2)
    assert first.timings.trigger_to_verdict_ms == 180.0
    assert second.timings.trigger_to_verdict_ms is None


def test_a_new_configuration_holds_from_the_next_part_on(desk: PublisherUnderTest) -> None:
    changed = PublisherConfiguration(
        site_id="elsewhere", station_folder="station", gate_wait_ms=0.0
    )
    desk.recorder.handle(NewConfiguration(changed))
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.pass_seconds(1.0)
    (record,) = desk.records(1)
    assert (record.siteId, record.gate) == ("elsewhere", "unconfirmed")


def confirmed(number: int, confirmation: GateConfirmation) -> GateConfirmed:
    """Where sensors saw the part of `an_outcome`."""
    return GateConfirmed(
        station_id=STATION,
        part_number=number,
        acted_utc_ns=TRIGGERED_UTC_NS + SECOND_NS,
        confirmation=confirmation,
    )


def awaiting(number: int, action: GateAction = "rejected") -> GateActed:
    """An outcome of a PLC with sensors behind the gate."""
    return replace(an_outcome(number, action), awaits_confirmation=True)


def test_a_record_waits_for_the_sensors_behind_the_gate_and_says_what_they_saw(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, awaiting(1))
    assert desk.counter("records_committed") == 0
    desk.deliver(GATE_CONFIRMED, confirmed(1, "not_arrived"))
    (record,) = desk.records(1)
    assert (record.gate, record.gateConfirmation) == ("rejected", "not_arrived")


def test_what_is_told_before_the_outcome_is_not_lost(desk: PublisherUnderTest) -> None:
    desk.deliver(GATE_CONFIRMED, confirmed(1, "unexpected"))
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, awaiting(1, "passed"))
    assert [record.gateConfirmation for record in desk.records(1)] == ["unexpected"]


def test_sensors_that_say_nothing_hold_no_record_for_long(desk: PublisherUnderTest) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, awaiting(1))
    desk.pass_seconds(1.4)
    assert desk.counter("records_committed") == 0
    desk.pass_seconds(0.2)
    assert [record.gateConfirmation for record in desk.records(1)] == ["unknown"]
    desk.deliver(GATE_CONFIRMED, confirmed(1, "confirmed"), confirmed(1, "confirmed"))
    assert desk.counter("confirmations_not_recorded") == 1


def test_a_confirmation_of_another_time_is_another_parts(desk: PublisherUnderTest) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, awaiting(1))
    other = replace(confirmed(1, "not_arrived"), acted_utc_ns=TRIGGERED_UTC_NS)
    desk.deliver(GATE_CONFIRMED, other)
    desk.pass_seconds(2)
    assert [record.gateConfirmation for record in desk.records(1)] == ["unknown"]
