"""The PLC's gate opens only for a fresh OK of the very part before it, with the heartbeat alive."""

from hypothesis import given
from hypothesis import strategies as st

from hil.plant.belt import Belt
from hil.plant.reject_gate import GateSettings, RejectGate, VerdictCode

S = 1_000_000_000
MS = 1_000_000
SETTINGS = GateSettings(distance_m=0.5, actuation_s=0.05, heartbeat_timeout_s=0.5)
DELAY = 1 * S  # at 0.5 m/s
NM_NS = 2  # in which the belt runs a nanometre
CUTOFF = DELAY - 50 * MS


def gate_with_part(number: int = 7, beat_ns: int = DELAY - 100 * MS) -> RejectGate:
    gate = RejectGate(SETTINGS, Belt(0.5))
    gate.add_part(number, 0)
    gate.record_heartbeat(1, beat_ns)
    return gate


def outcome_of(gate: RejectGate) -> tuple[str, str]:
    (outcome,) = gate.act_on_arrivals(DELAY)
    return outcome.action, outcome.cause


def test_a_part_travels_its_distance_at_the_speed_of_the_belt() -> None:
    gate = RejectGate(GateSettings(distance_m=0.75), Belt(0.5))
    gate.add_part(1, 0)
    assert gate.next_arrival_ns() == 1_500 * MS


def test_an_ok_in_time_opens_the_gate() -> None:
    gate = gate_with_part()
    assert gate.accept_verdict(7, VerdictCode.OK, CUTOFF)
    assert outcome_of(gate) == ("passed", "ok")


def test_without_a_verdict_the_gate_stays_shut() -> None:
    assert outcome_of(gate_with_part()) == ("rejected", "no_verdict")


def test_an_ok_after_the_flap_had_to_move_is_late() -> None:
    gate = gate_with_part()
    assert not gate.accept_verdict(7, VerdictCode.OK, CUTOFF + NM_NS)
    assert outcome_of(gate) == ("rejected", "late_verdict")


def test_an_ok_of_another_part_does_not_count() -> None:
    gate = gate_with_part()
    assert not gate.accept_verdict(8, VerdictCode.OK, 0)
    assert outcome_of(gate) == ("rejected", "wrong_part")


def test_each_part_needs_its_own_ok() -> None:
    gate = gate_with_part(7)
    gate.add_part(8, 100 * MS)
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
    gate = RejectGate(SETTINGS, Belt(0.5))
    gate.add_part(7, 0)
    gate.accept_verdict(7, VerdictCode.OK, 0)
    assert outcome_of(gate) == ("rejected", "heartbeat")


def test_a_number_that_two_parts_under_way_carry_opens_for_neither() -> None:
    gate = gate_with_part(7)
    gate.add_part(7, 1)
    assert not gate.accept_verdict(7, VerdictCode.OK, 2)
    assert {outcome.action for outcome in gate.act_on_arrivals(DELAY + 1)} == {"rejected"}


def test_a_verdict_for_a_part_that_has_gone_by_is_ignored() -> None:
    gate = gate_with_part()
    gate.act_on_arrivals(DELAY)
    assert not gate.accept_verdict(7, VerdictCode.OK, DELAY + 1)


def belt_and_gate(settings: GateSettings = SETTINGS) -> tuple[Belt, RejectGate]:
    belt = Belt(0.5)
    return belt, RejectGate(settings, belt)


def test_parts_on_a_belt_that_stands_arrive_later_by_as_long_as_it_stood() -> None:
    belt, gate = belt_and_gate()
    gate.add_part(7, 0)
    gate.record_heartbeat(1, DELAY + 900 * MS)
    belt.set_speed(0.0, 100 * MS)
    assert gate.next_arrival_ns() is None
    assert gate.act_on_arrivals(DELAY + 500 * MS) == []
    assert gate.accept_verdict(
        7, VerdictCode.OK, DELAY + 500 * MS
    )  # its way to the gate is still before it
    gate.add_part(8, 600 * MS)  # counted while the belt stood
    belt.set_speed(0.5, 1_100 * MS)
    assert gate.next_arrival_ns() == DELAY + 1_000 * MS
    assert gate.act_on_arrivals(DELAY + 1_000 * MS - 1) == []
    (outcome,) = gate.act_on_arrivals(DELAY + 1_000 * MS)
    assert (outcome.number, outcome.action) == (7, "passed")
    assert gate.next_arrival_ns() == DELAY + 1_100 * MS


def test_a_belt_that_stands_keeps_a_late_verdict_late() -> None:
    belt, gate = belt_and_gate()
    gate.add_part(7, 0)
    belt.set_speed(0.0, CUTOFF + 1 * MS)
    assert not gate.accept_verdict(7, VerdictCode.OK, CUTOFF + 1_000 * MS)


def test_three_parts_between_trigger_and_gate_meet_their_own_verdicts_however_the_belt_runs() -> (
    None
):
    belt, gate = belt_and_gate()
    for number, at_ns in ((1, 0), (2, 200 * MS), (3, 400 * MS)):  # 10 cm from one to the next
        gate.add_part(number, at_ns)
    belt.set_speed(0.0, 500 * MS)  # the first is 25 cm before the gate
    for number, code in ((2, VerdictCode.DEFECT), (1, VerdictCode.OK), (3, VerdictCode.OK)):
        assert gate.accept_verdict(number, code, 700 * MS)
    belt.set_speed(0.1, 900 * MS)
    belt.set_speed(-0.2, 1_400 * MS)  # 5 cm on, then 4 cm back
    belt.set_speed(1.0, 1_600 * MS)  # 24 cm to go
    found = []
    for now_ns in range(1_600 * MS, 2_200 * MS, 10 * MS):
        gate.record_heartbeat(now_ns, now_ns)
        found += [(o.number, o.action, o.arrived_ns // MS) for o in gate.act_on_arrivals(now_ns)]
    assert found == [(1, "passed", 1_840), (2, "rejected", 1_940), (3, "passed", 2_040)]


def test_a_belt_that_speeds_up_makes_a_verdict_late_that_was_in_time() -> None:
    belt, gate = belt_and_gate()
    gate.add_part(7, 0)
    belt.set_speed(2.0, 800 * MS)  # 10 cm before the gate, where the flap now needs all of them
    gate.note_speed()
    assert not gate.accept_verdict(7, VerdictCode.OK, 801 * MS)


@given(gap_mm=st.integers(1, 60), bad_first=st.booleans())
def test_of_parts_that_slip_could_confuse_none_passes_unless_all_may(
    gap_mm: int, bad_first: bool
) -> None:
    _, gate = belt_and_gate(GateSettings(distance_m=0.5, slip_m=0.03))
    gate.add_part(1, 0)
    gate.add_part(2, gap_mm * 2 * MS)
    gate.accept_verdict(1, VerdictCode.DEFECT if bad_first else VerdictCode.OK, 200 * MS)
    gate.accept_verdict(2, VerdictCode.OK if bad_first else VerdictCode.DEFECT, 200 * MS)
    gate.record_heartbeat(1, DELAY)
    causes = {
        o.number: o.cause for at in (DELAY, DELAY + 200 * MS) for o in gate.act_on_arrivals(at)
    }
    good = 2 if bad_first else 1
    assert causes[good] == ("too_close" if gap_mm <= 30 else "ok")
    assert causes[3 - good] == "not_ok"


TIMES = st.integers(0, 2 * DELAY // NM_NS).map(lambda half_ns: half_ns * NM_NS)


@given(
    verdicts=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 6), TIMES), max_size=6),
    beats=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2 * DELAY)), max_size=6),
)
def test_it_opens_only_for_ok_and_the_right_number_and_in_time_and_a_living_heartbeat(
    verdicts: list[tuple[int, int, int]], beats: list[tuple[int, int]]
) -> None:
    gate = RejectGate(SETTINGS, Belt(0.5))
    for number in (1, 2, 3):
        gate.add_part(number, 0)
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
