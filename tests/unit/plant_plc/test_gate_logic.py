"""The PLC's gate opens only for a fresh OK of the very part before it, with the heartbeat alive."""

from hypothesis import given
from hypothesis import strategies as st

from hil.plant.reject_gate import GateSettings, RejectGate, VerdictCode

S = 1_000_000_000
MS = 1_000_000
SETTINGS = GateSettings(distance_m=0.5, actuation_s=0.05, heartbeat_timeout_s=0.5)
DELAY = SETTINGS.delay_ns(0.5)
CUTOFF = DELAY - 50 * MS


def gate_with_part(number: int = 7, beat_ns: int = DELAY - 100 * MS) -> RejectGate:
    gate = RejectGate(SETTINGS)
    gate.add_part(number, 0, DELAY)
    gate.record_heartbeat(1, beat_ns)
    return gate


def outcome_of(gate: RejectGate) -> tuple[str, str]:
    (outcome,) = gate.act_on_arrivals(DELAY)
    return outcome.action, outcome.cause


def test_a_part_travels_its_distance_at_the_speed_of_the_belt() -> None:
    assert GateSettings(distance_m=0.75).delay_ns(0.5) == 1_500 * MS


def test_an_ok_in_time_opens_the_gate() -> None:
    gate = gate_with_part()
    assert gate.accept_verdict(7, VerdictCode.OK, CUTOFF)
    assert outcome_of(gate) == ("passed", "ok")


def test_without_a_verdict_the_gate_stays_shut() -> None:
    assert outcome_of(gate_with_part()) == ("rejected", "no_verdict")


def test_an_ok_after_the_flap_had_to_move_is_late() -> None:
    gate = gate_with_part()
    assert not gate.accept_verdict(7, VerdictCode.OK, CUTOFF + 1)
    assert outcome_of(gate) == ("rejected", "late_verdict")


def test_an_ok_of_another_part_does_not_count() -> None:
    gate = gate_with_part()
    assert not gate.accept_verdict(8, VerdictCode.OK, 0)
    assert outcome_of(gate) == ("rejected", "wrong_part")


def test_each_part_needs_its_own_ok() -> None:
    gate = gate_with_part(7)
    gate.add_part(8, 100 * MS, DELAY)
    assert gate.accept_verdict(8, VerdictCode.OK, 200 * MS)
    first, second = gate.act_on_arrivals(DELAY + 100 * MS)
    assert (first.number, first.action, first.cause) == (7, "rejected", "no_verdict")
    assert (second.number, second.action) == (8, "passed")


def test_every_other_verdict_keeps_it_shut() -> None:
    for code in (2, 3, 4, 5, 6, 65535):
        gate = gate_with_part()
        assert gate.accept_verdict(7, code, 0)
        assert outcome_of(gate) == ("rejected", "not_ok")


def test_a_part_once_refused_stays_refused_and_an_ok_can_be_withdrawn() -> None:
    for codes in ((2, 1), (1, 2)):
        gate = gate_with_part()
        for code in codes:
            gate.accept_verdict(7, code, 0)
        assert outcome_of(gate) == ("rejected", "not_ok")


def test_a_heartbeat_that_stopped_keeps_it_shut() -> None:
    gate = gate_with_part(beat_ns=DELAY - 500 * MS - 1)
    gate.accept_verdict(7, VerdictCode.OK, 0)
    gate.record_heartbeat(1, DELAY - 1)  # the same value again is no sign of life
    assert outcome_of(gate) == ("rejected", "heartbeat")


def test_without_any_heartbeat_it_stays_shut() -> None:
    gate = RejectGate(SETTINGS)
    gate.add_part(7, 0, DELAY)
    gate.accept_verdict(7, VerdictCode.OK, 0)
    assert outcome_of(gate) == ("rejected", "heartbeat")


def test_a_number_that_two_parts_under_way_carry_opens_for_neither() -> None:
    gate = gate_with_part(7)
    gate.add_part(7, 1, DELAY)
    assert not gate.accept_verdict(7, VerdictCode.OK, 2)
    assert {outcome.action for outcome in gate.act_on_arrivals(DELAY + 1)} == {"rejected"}


def test_a_verdict_for_a_part_that_has_gone_by_is_ignored() -> None:
    gate = gate_with_part()
    gate.act_on_arrivals(DELAY)
    assert not gate.accept_verdict(7, VerdictCode.OK, DELAY + 1)


def test_parts_on_a_belt_that_stands_arrive_later_by_as_long_as_it_stood() -> None:
    gate = gate_with_part(7, beat_ns=DELAY + 900 * MS)
    gate.stop_belt(100 * MS)
    gate.stop_belt(300 * MS)  # it stands already
    assert gate.next_arrival_ns() is None
    assert gate.act_on_arrivals(DELAY + 500 * MS) == []
    assert gate.accept_verdict(
        7, VerdictCode.OK, DELAY + 500 * MS
    )  # its way to the gate is still before it
    gate.add_part(8, 600 * MS, DELAY)  # counted while the belt stood
    gate.start_belt(1_100 * MS)
    assert gate.next_arrival_ns() == DELAY + 1_000 * MS
    assert gate.act_on_arrivals(DELAY + 1_000 * MS - 1) == []
    (outcome,) = gate.act_on_arrivals(DELAY + 1_000 * MS)
    assert (outcome.number, outcome.action) == (7, "passed")
    assert gate.next_arrival_ns() == DELAY + 1_100 * MS


def test_a_belt_that_stands_keeps_a_late_verdict_late() -> None:
    gate = gate_with_part()
    gate.stop_belt(CUTOFF + 1)
    assert not gate.accept_verdict(7, VerdictCode.OK, CUTOFF + 1_000 * MS)


@given(
    verdicts=st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 6), st.integers(0, 2 * DELAY)), max_size=6
    ),
    beats=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2 * DELAY)), max_size=6),
)
def test_it_opens_only_for_ok_and_the_right_number_and_in_time_and_a_living_heartbeat(
    verdicts: list[tuple[int, int, int]], beats: list[tuple[int, int]]
) -> None:
    gate = RejectGate(SETTINGS)
    for number in (1, 2, 3):
        gate.add_part(number, 0, DELAY)
    events = [(at, "verdict", number, code) for number, code, at in verdicts]
    events += [(at, "beat", value, 0) for value, at in beats]
    for at, kind, first, second in sorted(events):
        if at > DELAY:
            break
        if kind == "verdict":
            gate.accept_verdict(first, second, at)
        else:
            gate.record_heartbeat(first, at)
    for outcome in gate.act_on_arrivals(DELAY):
        own = [(code, at) for number, code, at in verdicts if number == outcome.number]
        in_time = [code for code, at in own if at <= CUTOFF]
        ok = VerdictCode.OK in in_time and all(code in (0, 1) for code in in_time)
        assert (outcome.action == "passed") == (ok and _alive(beats))


def _alive(beats: list[tuple[int, int]]) -> bool:
    last_value, changed_at = None, None
    for value, at in sorted(beats, key=lambda beat: (beat[1], beat[0])):
        if at <= DELAY and value != last_value:
            last_value, changed_at = value, at
    return changed_at is not None and DELAY - changed_at <= 500 * MS
