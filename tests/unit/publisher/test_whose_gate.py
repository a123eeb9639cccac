"""A record's gate is what the PLC did with that very part, or `unconfirmed`: never another part's act."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from publisher.component import MIN_MISFITS, MISFITS_FAULT
from publisher.gate_matcher import GateMatcher
from sightline.messaging.messages import GateActed, GateAction, Part, PartJudged
from sightline.messaging.topics import GATE_ACTED, PART_JUDGED
from tests.unit.publisher.publisher_kit import (
    EPOCH,
    SECOND_NS,
    STATION,
    TRIGGERED_UTC_NS,
    PublisherUnderTest,
    a_verdict,
    an_outcome,
)

MS = 1_000_000
TRAVEL_NS = SECOND_NS


@dataclass(frozen=True)
class Count:
    """One count of the PLC from its start to its end: how many parts, and how fast they came."""

    parts: int
    interval_ms: int
    down_ms: int
    unseen: frozenset[int]
    known: bool
    stalled_ms: int
    told_late_ms: int = 0


@dataclass
class World:
    """What truly happened, and what is told of it: each event with the earliest time it can be told."""

    acted: dict[Part, GateActed] = field(default_factory=dict)
    verdicts: list[tuple[int, PartJudged]] = field(default_factory=list)
    outcomes: list[tuple[int, GateActed]] = field(default_factory=list)


counts = st.builds(
    Count,
    parts=st.integers(1, 6),
    interval_ms=st.sampled_from([40, 250, 1500]),
    down_ms=st.sampled_from([1000, 1700, 8000]),
    unseen=st.frozensets(st.integers(1, 6)),
    known=st.sampled_from([True, True, True, False]),
    stalled_ms=st.sampled_from([0, 0, 3000]),
    told_late_ms=st.sampled_from([0, 0, 600, 5000]),
)


def world_of(happened: list[Count], plc_ahead_ns: int, seed: int) -> World:
    """Times in the world are the station's; triggers and acts are told by the PLC's clock."""
    world, chance, now_ns = World(), random.Random(seed), TRIGGERED_UTC_NS
    last: Part | None = None
    for count in happened:
        triggers = [now_ns + n * count.interval_ms * MS for n in range(count.parts)]
        ended_ns = triggers[-1] + chance.choice([1, 700, 2500]) * MS
        seen = [n for n in range(1, count.parts + 1) if n not in count.unseen]
        noticed_ns = triggers[(seen or [count.parts])[0] - 1] + 50 * MS
        epoch = max(noticed_ns // SECOND_NS, last.epoch + 1 if last else 0)
        for number, triggered_ns in enumerate(triggers, start=1):
            part = Part(epoch, number)
            acted_ns = triggered_ns + TRAVEL_NS + chance.randrange(300) * MS
            if acted_ns < ended_ns:
                action: GateAction = chance.choice(["passed", "rejected"])
                outcome = an_outcome(number, action, acted_ns + plc_ahead_ns)
                if chance.random() < 0.5 and number in seen:  # equipment saw the trigger, too
                    counted_ns = triggered_ns + plc_ahead_ns
                    outcome = replace(outcome, counted_utc_ns=counted_ns)
                world.acted[part] = outcome
                world.outcomes.append((acted_ns, outcome))
            if count.known:
                told_ns = triggered_ns + (150 + count.stalled_ms) * MS
                world.verdicts.append(
                    (told_ns, _verdict(part, last, triggered_ns, plc_ahead_ns, count))
                )
                last = part
        now_ns = ended_ns + count.down_ms * MS
    return world


def _verdict(
    part: Part, last: Part | None, triggered_ns: int, plc_ahead_ns: int, count: Count
) -> PartJudged:
    judged_ns = triggered_ns + (150 + count.stalled_ms) * MS
    received_ns = 1_000 * SECOND_NS
    found = a_verdict(
        part.part_number,
        epoch=part.epoch,
        follows=last,
        triggered_utc_ns=triggered_ns + plc_ahead_ns,
        triggered_monotonic_ns=received_ns,
        deadline_monotonic_ns=received_ns + TRAVEL_NS - count.told_late_ms * MS,
        judged_utc_ns=judged_ns,
        verdict="missed" if count.stalled_ms or count.told_late_ms else "ok",
    )
    if part.part_number not in count.unseen:
        return found
    return a_verdict(
        part.part_number,
        epoch=part.epoch,
        follows=last,
        verdict="missed",
        triggered_utc_ns=judged_ns,
        triggered_monotonic_ns=0,
        judged_utc_ns=judged_ns,
    )


@settings(max_examples=400, deadline=None)
@given(
    happened=st.lists(counts, min_size=1, max_size=5),
    plc_ahead_s=st.sampled_from([0, 0, 30, -30, 86_400, -86_400]),
    delays_ms=st.lists(st.sampled_from([0, 5, 300, 2000, 10_000, 60_000]), min_size=1, max_size=9),
    repeats=st.integers(0, 2),
    restarts=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_no_part_ever_has_another_parts_gate(
    happened: list[Count],
    plc_ahead_s: int,
    delays_ms: list[int],
    repeats: int,
    restarts: bool,
    seed: int,
) -> None:
    world, chance = world_of(happened, plc_ahead_s * SECOND_NS, seed), random.Random(seed)
    events: list[tuple[int, int, object]] = []
    late_ns = 0
    for at_ns, judged in world.verdicts:  # told in the ledger's order, however late
        late_ns = max(late_ns, at_ns + chance.choice(delays_ms) * MS)
        events.append((late_ns, len(events), judged))
    for at_ns, outcome in world.outcomes:
        for _ in range(1 + repeats):
            events.append((at_ns + chance.choice(delays_ms) * MS, len(events), outcome))
    gates, parts = GateMatcher(), [judged.part for _, judged in world.verdicts]
    for _, _, event in sorted(events, key=lambda entry: entry[:2]):
        if isinstance(event, PartJudged):
            gates.add_part(event)
        elif isinstance(event, GateActed):
            gates.add_outcome(event)
        if restarts and chance.random() < 0.1:
            known = [found for part in parts if (found := gates.find_part(part)) is not None]
            gates = GateMatcher(known)
    for part in parts:
        found = gates.find_part(part)
        if found is not None and found.gate is not None:
            truth = world.acted.get(part)
            assert truth is not None, f"{part} never reached the gate"
            assert (found.gate, found.acted_utc_ns) == (truth.action, truth.acted_utc_ns)


@settings(max_examples=100, deadline=None)
@given(
    parts=st.integers(1, 40),
    order=st.randoms(use_true_random=False),
    plc_ahead_s=st.sampled_from([0, 3600, -3600]),
)
def test_where_the_plc_counts_on_each_part_that_was_seen_has_its_gate_in_whatever_order(
    parts: int, order: random.Random, plc_ahead_s: int
) -> None:
    count = Count(parts, 250, 1000, frozenset(), known=True, stalled_ms=0)
    world, gates = world_of([count], plc_ahead_s * SECOND_NS, 1), GateMatcher()
    outcomes = [outcome for _, outcome in world.outcomes]
    for _, judged in world.verdicts:
        gates.add_part(judged)
    order.shuffle(outcomes)
    for outcome in outcomes:
        gates.add_outcome(outcome)
    for part, outcome in world.acted.items():
        found = gates.find_part(part)
        assert found is not None
        assert (found.gate, found.acted_utc_ns) == (outcome.action, outcome.acted_utc_ns)


def test_a_part_whose_trigger_was_told_late_has_its_gate_all_the_same() -> None:
    gates = GateMatcher()
    gates.add_part(a_verdict(1))
    received_ns = 1_000 * SECOND_NS
    for number, late_ns in ((2, 2 * SECOND_NS), (3, TRAVEL_NS)):
        deadline_ns = received_ns + TRAVEL_NS - late_ns
        gates.add_part(a_verdict(number, verdict="missed", deadline_monotonic_ns=deadline_ns))
        (found,) = gates.add_outcome(an_outcome(number, "rejected", TRIGGERED_UTC_NS + 1900 * MS))
        assert found.part == Part(EPOCH, number)


def test_a_gate_may_act_as_long_after_the_deadline_as_a_record_waits_for_it() -> None:
    gates = GateMatcher(late_gate_ms=5000.0)
    gates.add_part(a_verdict(1))
    assert gates.add_outcome(an_outcome(1, "passed", TRIGGERED_UTC_NS + 6 * SECOND_NS + 1)) == []
    assert gates.add_outcome(an_outcome(1, "passed", TRIGGERED_UTC_NS + 6 * SECOND_NS)) != []


def test_two_restarts_of_the_plc_within_a_minute_give_no_part_an_earlier_counts_gate(
    desk: PublisherUnderTest,
) -> None:
    earlier = [
        an_outcome(n, "rejected", TRIGGERED_UTC_NS + n * SECOND_NS // 4) for n in (1, 3, 6, 7)
    ]
    desk.deliver(GATE_ACTED, *earlier)  # of parts that have no record
    began_ns = TRIGGERED_UTC_NS + 10 * SECOND_NS
    judged = [
        a_verdict(n, triggered_utc_ns=began_ns + n * SECOND_NS // 4, judged_utc_ns=began_ns)
        for n in range(1, 8)
    ]
    desk.deliver(PART_JUDGED, *judged)
    for part in judged:
        acted = part.triggered_utc_ns + SECOND_NS
        desk.deliver(GATE_ACTED, an_outcome(part.part.part_number, "passed", acted))
    assert [record.gate for record in desk.records(7)] == ["passed"] * 7


def test_a_part_that_the_station_counted_never_has_an_outcome_of_the_plc(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(GATE_ACTED, an_outcome(1), an_outcome(2))
    desk.deliver(PART_JUDGED, a_verdict(1, counted_by="station"), a_verdict(2, counted_by="plc"))
    desk.deliver(GATE_ACTED, an_outcome(1, "passed", TRIGGERED_UTC_NS + SECOND_NS + 1))
    records = desk.records(2)
    assert [record.gate for record in records] == ["unconfirmed", "passed"]
    assert [record.countedBy for record in records] == ["station", "plc"]


def test_a_plc_whose_clock_is_another_than_its_triggers_is_told_of(
    desk: PublisherUnderTest,
) -> None:
    numbers = range(1, MIN_MISFITS + 1)
    desk.deliver(PART_JUDGED, *(a_verdict(number) for number in numbers))
    hour_ns = 3600 * SECOND_NS
    desk.deliver(
        GATE_ACTED, *(an_outcome(n, "passed", TRIGGERED_UTC_NS + hour_ns) for n in numbers)
    )
    desk.pass_seconds(1)
    (fault,) = [f for f in desk.health.build_report().faults if f.code == MISFITS_FAULT]
    assert "is 3600.0 s after its part's trigger" in fault.text
    desk.deliver(PART_JUDGED, a_verdict(MIN_MISFITS + 1))
    desk.deliver(GATE_ACTED, an_outcome(MIN_MISFITS + 1))
    desk.pass_seconds(1)
    assert MISFITS_FAULT not in desk.faults()


@pytest.mark.parametrize("number", [-1, 1, 2**63])
@pytest.mark.parametrize("acted_utc_ns", [-(2**63), -1, 2**63, 2**64 - 1])
def test_an_absurd_outcome_is_nobodys(number: int, acted_utc_ns: int) -> None:
    gates = GateMatcher()
    gates.add_part(a_verdict(1))
    assert gates.add_outcome(an_outcome(number, "passed", acted_utc_ns)) == []


def test_where_one_number_came_twice_at_once_neither_part_has_an_outcome_before_it_is_clear() -> (
    None
):
    gates = GateMatcher()
    gates.add_part(a_verdict(1))
    soon = TRIGGERED_UTC_NS + SECOND_NS // 5  # someone set the counter to 0
    gates.add_part(a_verdict(1, epoch=EPOCH + 1, follows=Part(EPOCH, 1), triggered_utc_ns=soon))
    assert gates.add_outcome(an_outcome(1)) == []
    found = gates.add_outcome(an_outcome(1, "rejected", soon + 1900 * MS))
    assert {part.part: part.gate for part in found} == {
        Part(EPOCH + 1, 1): "rejected",
        Part(EPOCH, 1): "passed",
    }


def test_a_part_that_a_line_stop_held_for_an_hour_has_its_gate_after_all(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1), a_verdict(2))
    desk.pass_seconds(3600)
    assert [record.gate for record in desk.records(2)] == ["unconfirmed"] * 2
    acted_ns = TRIGGERED_UTC_NS + 3600 * SECOND_NS
    held = replace(an_outcome(1, "rejected", acted_ns), counted_utc_ns=TRIGGERED_UTC_NS)
    other = replace(an_outcome(2, "rejected", acted_ns), counted_utc_ns=TRIGGERED_UTC_NS + 1)
    desk.deliver(GATE_ACTED, held, other)  # of a later part 2, of which nobody knows yet
    (correction,) = desk.corrections(1)
    assert (correction.recordId, correction.gate) == (f"{STATION}-{EPOCH}-1", "rejected")
