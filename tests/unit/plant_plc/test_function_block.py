"""The function block that engineers paste does what the plant's PLC does, and its tables are true."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hil.plant.belt import Belt
from hil.plant.gate_confirmation import ConfirmationSettings, GateConfirmation, SensorName
from hil.plant.gate_outcomes import (
    ACTION_CODES,
    CAUSE_CODES,
    CONFIRMATION_CODES,
    OUTCOME_RING_SLOTS,
)
from hil.plant.register_map import CONFIRMATIONS_ADDRESS, OUTCOMES_ADDRESS, REGISTERS
from hil.plant.reject_gate import OUTCOME_CAUSES, GateSettings, RejectGate
from tests.unit.plant_plc.structured_text import FunctionBlock

DOCS = Path(__file__).parents[3] / "docs"
LISTING = (DOCS / "plc" / "FB_SightlineGate.st").read_text()
MS = 1_000_000
CYCLE_MS = 10
SETTINGS = GateSettings(distance_m=0.1, actuation_s=0.05, heartbeat_timeout_s=0.1)
WAY_MS = 200  # 0.1 m at 0.5 m/s
COUNTS_PER_M = 1000
CHUTE_S = 0.2
GOOD_LANE_M = 0.05
TOLERANCE_M = 0.0205


class Pair:
    """The function block and the plant's gate, told the same each cycle."""

    def __init__(
        self,
        encoder: bool = False,
        slip_m: float = 0.0,
        sensors: tuple[bool, bool] = (False, False),
    ) -> None:
        self.block = FunctionBlock(LISTING)
        self.belt = Belt(0.5)
        self.gate = RejectGate(replace(SETTINGS, slip_m=slip_m), self.belt)
        self.outcomes: list[tuple[int, str, str]] = []
        self.confirmed: list[tuple[int, int, str]] = []
        self._encoder, self._slip_m, self._sensors = encoder, slip_m, sensors
        settings = ConfirmationSettings(
            *sensors,
            chute_to_s=CHUTE_S + 0.0099,  # the block sees an arrival up to a cycle later
            good_lane_m=GOOD_LANE_M,
            tolerance_m=TOLERANCE_M,
        )
        self._confirmation = GateConfirmation(settings, self.belt)
        self._counted = 0
        self._now_ms = 0
        self._speed_mps = 0.5
        self._stopped = False
        self._turned_mm = -1000  # so far it had run when it turned back

    def cycle(self, action: str = "", number: int = 0, code: int = 0) -> None:
        """One cycle, in which at most one thing happens; signals fall again in the next."""
        self._cycle(action, number, code)
        if action in ("part", "acknowledge", "chute", "good_lane"):
            self._cycle()

    def _cycle(self, action: str = "", number: int = 0, code: int = 0) -> None:
        station, now_ns = self.block.values.stStation, self._now_ms * MS
        position_mm = self.belt.position_nm(now_ns) // MS
        if action == "part" and position_mm <= self._turned_mm + 10:
            action = ""  # what a belt shows that goes back, or over its way again, is no new part
        if action == "speed" and number < 0:
            self._turned_mm = max(self._turned_mm, position_mm)
        if action == "part":
            self._counted += 1
            self.gate.add_part(self._counted, now_ns)
        elif action == "beat":
            station.udiHeartbeat += 1
            self.gate.record_heartbeat(station.udiHeartbeat, now_ns)
        elif action == "verdict":
            station.udiPartNumber, station.uiCode = number, code
            station.udiStrobe += 1
            self.gate.accept_verdict(number, code, now_ns)
        elif action in ("stop", "acknowledge"):
            self._stopped = action == "stop"
            if self._stopped:
                station.uiLineStop = 1
        elif action == "speed":
            self._speed_mps = number / 10
        encoder_mm = self.belt.position_nm(now_ns) // MS
        self._act(action, now_ns)
        self.belt.set_speed(0.0 if self._stopped else self._speed_mps, now_ns)
        self._call(action, encoder_mm)
        self._now_ms += CYCLE_MS

    def _act(self, action: str, now_ns: int) -> None:
        if action == "speed" and self._speed_mps > 0:
            self.belt.set_speed(self._speed_mps, now_ns)
            self.gate.note_speed()
        for outcome in self.gate.act_on_arrivals(now_ns):
            self.outcomes.append((outcome.number, outcome.action, outcome.cause))
            is_rejected = outcome.action == "rejected"
            self._confirmation.add_part(outcome.number, is_rejected, now_ns, outcome.arrived_ns)
        if action in ("chute", "good_lane"):
            sensor: SensorName = "chute" if action == "chute" else "good_lane"
            self._confirmation.record_sensor(sensor, now_ns, now_ns)
        self.confirmed += [
            (part.number, part.acted_utc_ns, part.confirmation)
            for part in self._confirmation.decide(now_ns)
        ]

    def _call(self, action: str, encoder_mm: int) -> None:
        self.block.call(
            xTrigger=action == "part",
            xAcknowledge=action == "acknowledge",
            xDriveOn=True,
            rSpeed=self._speed_mps,
            uliUtcNow=self._now_ms * MS,
            rCycle=CYCLE_MS / 1000,
            rDistance=SETTINGS.distance_m,
            rFlapTime=SETTINGS.actuation_s,
            rBeatTimeout=SETTINGS.heartbeat_timeout_s + 0.001,
            rCountsPerMetre=float(COUNTS_PER_M) if self._encoder else 0.0,
            diEncoder=encoder_mm + 2**31 - 300 - 2**32 * (encoder_mm >= 300),  # it wraps soon
            rSlip=self._slip_m,
            xHasChuteSensor=self._sensors[0],
            xHasGoodLaneSensor=self._sensors[1],
            xChuteSensor=action == "chute",
            xGoodLaneSensor=action == "good_lane",
            rChuteTo=CHUTE_S,
            rGoodLane=GOOD_LANE_M,
            rGoodTolerance=TOLERANCE_M,
        )

    def told(self) -> list[tuple[int, str, str]]:
        """The outcomes in the block's ring, oldest first, in words."""
        plc = self.block.values.stPlc
        actions = {code: action for action, code in ACTION_CODES.items()}
        total = plc.udiOutcomeCounter
        ring = [
            plc.aOutcomes[n % OUTCOME_RING_SLOTS]
            for n in range(max(0, total - OUTCOME_RING_SLOTS), total)
        ]
        return [(e.udiNumber, actions[e.uiAction], OUTCOME_CAUSES[e.uiCause]) for e in ring]

    def told_confirmations(self) -> list[tuple[int, int, str]]:
        """The confirmations in the block's ring, oldest first, in words."""
        plc = self.block.values.stPlc
        results = {code: result for result, code in CONFIRMATION_CODES.items()}
        total = plc.udiConfirmationCounter
        ring = [
            plc.aConfirmations[n % OUTCOME_RING_SLOTS]
            for n in range(max(0, total - OUTCOME_RING_SLOTS), total)
        ]
        return [(e.udiNumber, e.uliTime, results[e.uiResult]) for e in ring]


Event = tuple[str, int, int]
DECISIONS = (
    st.just(("", 0, 0)),
    st.just(("part", 0, 0)),
    st.just(("beat", 0, 0)),
    st.just(("beat", 0, 0)),
    st.tuples(st.just("verdict"), st.integers(1, 3), st.integers(0, 5)),
    st.tuples(st.just("verdict"), st.integers(1, 3), st.just(1)),
    st.just(("stop", 0, 0)),
    st.just(("acknowledge", 0, 0)),
    st.tuples(st.just("speed"), st.sampled_from([2, 3, 5, 8]), st.just(0)),
)
SENSORS = (st.just(("chute", 0, 0)), st.just(("good_lane", 0, 0)))
BACKWARDS = st.tuples(st.just("speed"), st.sampled_from([-3, -5]), st.just(0))


BEATS: list[Event] = [("beat", 0, 0)] * 19
OK_PART: list[Event] = [("part", 0, 0), ("verdict", 1, 1), *BEATS]  # it has just passed the gate
BAD_PART: list[Event] = [("part", 0, 0), ("verdict", 1, 2), *BEATS]


@pytest.mark.parametrize(
    ("events", "results"),
    [
        (BAD_PART, ["not_arrived"]),
        ([*BAD_PART, ("chute", 0, 0)], ["confirmed"]),
        ([*BAD_PART, *BEATS[:8], ("good_lane", 0, 0)], ["unexpected"]),
        ([*OK_PART, *BEATS[:8], ("good_lane", 0, 0)], ["confirmed"]),
        ([*OK_PART, ("chute", 0, 0)], ["unexpected"]),
        (OK_PART, ["not_arrived"]),
        ([("chute", 0, 0)], ["stray"]),
    ],
)
def test_each_part_goes_where_it_is_sent_or_the_plc_says_so(
    events: list[Event], results: list[str]
) -> None:
    pair = Pair(sensors=(True, True))
    run(pair, events, True)
    assert [result for _, _, result in pair.told_confirmations()] == results
    assert pair.told_confirmations() == pair.confirmed


def run(pair: Pair, events: list[Event], lives: bool) -> None:
    for event in events:
        pair.cycle(*event)
    pair.cycle("speed", 5)
    pair.cycle("acknowledge")
    for _ in range(2 * WAY_MS // CYCLE_MS + 40):
        pair.cycle("beat" if lives else "")


@settings(max_examples=150, deadline=None)
@given(
    events=st.lists(st.one_of(*DECISIONS), max_size=80),
    lives=st.booleans(),
    encoder=st.booleans(),
    slip_m=st.sampled_from([0.0, 0.0, 0.02]),
)
@example([("part", 0, 0), ("verdict", 1, 2), ("verdict", 1, 1)], True, False, 0.0)
@example([("part", 0, 0), ("verdict", 1, 1), ("verdict", 1, 3)], True, False, 0.0)
@example(  # a belt that has just started had not moved in the cycle before
    [
        ("stop", 0, 0),
        ("part", 0, 0),
        ("acknowledge", 0, 0),
        *[("", 0, 0)] * 5,
        ("part", 0, 0),
        ("beat", 0, 0),
    ],
    False,
    False,
    0.0,
)
def test_it_decides_as_the_plants_gate_does(
    events: list[Event], lives: bool, encoder: bool, slip_m: float
) -> None:
    pair = Pair(encoder, slip_m)
    run(pair, events, lives)
    assert pair.told() == pair.outcomes


@settings(max_examples=100, deadline=None)
@given(events=st.lists(st.one_of(*DECISIONS, BACKWARDS), max_size=80), lives=st.booleans())
def test_with_an_encoder_it_decides_so_even_where_the_belt_goes_back(
    events: list[Event], lives: bool
) -> None:
    pair = Pair(encoder=True)
    run(pair, events, lives)
    assert pair.told() == pair.outcomes


@settings(max_examples=150, deadline=None)
@given(
    events=st.lists(st.one_of(*DECISIONS, *SENSORS), max_size=80),
    encoder=st.booleans(),
    sensors=st.sampled_from([(True, False), (True, True), (False, True)]),
)
@example([*OK_PART, ("chute", 0, 0)], False, (True, False))
@example([*OK_PART, ("chute", 0, 0)], True, (True, True))
@example([*OK_PART, *BEATS[:8], ("good_lane", 0, 0)], True, (True, True))
@example([*BAD_PART, *BEATS[:8], ("good_lane", 0, 0)], True, (False, True))
@example([*BAD_PART, ("chute", 0, 0), *BEATS[:6], ("good_lane", 0, 0)], True, (True, True))
def test_it_confirms_what_the_plant_confirms(
    events: list[Event], encoder: bool, sensors: tuple[bool, bool]
) -> None:
    pair = Pair(encoder, sensors=sensors)
    run(pair, events, True)
    assert [(n, t, r) for n, t, r in pair.told_confirmations()] == pair.confirmed


def test_it_opens_for_a_good_part_alone_and_shuts_again() -> None:
    pair, opened = Pair(), []
    pair.cycle("part")
    pair.cycle("verdict", 1, 1)
    for _ in range(60):
        pair.cycle("beat")
        opened.append(pair.block.values.xGateOpen)
    assert pair.told() == [(1, "passed", "ok")]
    assert 10 <= sum(opened) <= 20  # the flap's time before it, the open time behind
    assert not opened[0]
    assert not opened[-1]


def test_a_trial_of_the_dry_run_goes_to_the_gate_only_if_nothing_is_under_way() -> None:
    pair, trial = Pair(), 4_000_000_007
    station, plc = pair.block.values.stStation, pair.block.values.stPlc
    station.udiDryRun = 5  # no number of a trial
    pair.cycle("beat")
    station.udiDryRun = trial
    for _ in range(2):
        pair.cycle("beat")
    pair.cycle("verdict", trial, 1)
    assert plc.udiEcho == trial
    for _ in range(40):
        pair.cycle("beat")
    assert pair.told() == [(trial, "passed", "ok")]
    assert plc.udiPartCounter == 0
    pair.cycle("part")
    station.udiDryRun = trial + 1
    for _ in range(40):
        pair.cycle("beat")
    assert pair.told()[1:] == [(1, "rejected", "no_verdict")]


def part_under_way(pair: Pair, cycles: int) -> None:
    """A part with an ok, so many cycles after its trigger; the station lives."""
    pair.cycle("part")
    pair.cycle("verdict", 1, 1)
    for _ in range(cycles):
        pair.cycle("beat")


def test_an_encoder_that_stands_on_a_driven_belt_shuts_the_gate_and_stops_the_line() -> None:
    pair = Pair(encoder=True)
    part_under_way(pair, 14)
    assert pair.block.values.xGateOpen  # the part stands before the flap
    pair.belt.set_speed = lambda *_: None  # type: ignore[method-assign]
    pair.belt._speed_um_s = 0  # the wheel has lost the belt, which the drive still moves
    open_for = 0
    for _ in range(70):
        open_for += pair.block.values.xGateOpen
        pair.cycle("beat")
    assert open_for <= 13  # no longer than it stays open behind a part
    assert pair.told() == [(1, "rejected", "tracking_lost")]
    assert not pair.block.values.xBeltRelease
    assert pair.block.values.stStation.uiLineStop == 1


def test_an_encoder_that_jumps_loses_all_parts_under_way() -> None:
    pair = Pair(encoder=True)
    part_under_way(pair, 4)
    pair.belt._since_nm += 60 * MS  # 6 cm in one cycle
    pair.cycle("beat")
    assert pair.told() == [(1, "rejected", "tracking_lost")]
    assert not pair.block.values.xBeltRelease


def test_a_part_that_the_belt_took_back_before_the_trigger_is_not_counted_again() -> None:
    pair = Pair(encoder=True)
    part_under_way(pair, 2)
    pair.cycle("speed", -5)
    for _ in range(10):
        pair.cycle("beat")
    pair.cycle("speed", 5)
    plc, flight = pair.block.values.stPlc, pair.block.values.aFlights[0]
    while flight.rRest > SETTINGS.distance_m + 0.001:
        pair.cycle("beat")
        flight = pair.block.values.aFlights[0]
    pair._call("part", pair.belt.position_nm(pair._now_ms * MS) // MS)
    assert plc.udiPartCounter == 1
    for _ in range(30):
        pair.cycle("beat")
    assert pair.told() == [(1, "passed", "ok")]


def test_a_full_bin_holds_the_belt_whatever_the_operator_acknowledges() -> None:
    pair = Pair()
    values = pair.block.values
    values.xBinFull = True
    for _ in range(3):
        pair.cycle("acknowledge")
        assert not values.xBeltRelease
        assert values.stPlc.xBinFull
        assert values.stStation.uiLineStop == 1
    values.xBinFull = False
    pair.cycle()
    assert not values.xBeltRelease  # an operator says when it runs again
    pair.cycle("acknowledge")
    assert values.xBeltRelease


def test_a_reject_that_does_not_arrive_stops_the_line_where_that_is_set() -> None:
    for stops in (False, True):
        pair = Pair(sensors=(True, False))
        pair.block.values.xStopIfNotConfirmed = stops
        pair.cycle("part")
        for _ in range(60):
            pair.cycle("beat")
        assert [(n, r) for n, _, r in pair.told_confirmations()] == [(1, "not_arrived")]
        assert pair.block.values.xBeltRelease == (not stops)


def test_its_columns_are_its_ring_oldest_first() -> None:
    pair = Pair()
    for _ in range(150):
        pair.cycle("part")
        plc = pair.block.values.stPlc
        kept = min(plc.udiOutcomeCounter, OUTCOME_RING_SLOTS)
        assert plc.aNumbers[:kept] == [number for number, _, _ in pair.told()]
        assert plc.aActions[:kept] == [2] * kept
        assert not any(plc.aActions[kept:])
    assert plc.udiOutcomeCounter > OUTCOME_RING_SLOTS


def test_its_codes_are_the_plants() -> None:
    words = {
        "OK": "ok",
        "NONE": "no_verdict",
        "LATE": "late_verdict",
        "STRANGER": "wrong_part",
        "BEAT": "heartbeat",
        "NOT_OK": "not_ok",
        "NEAR": "too_close",
        "LOST": "tracking_lost",
    }
    found = re.findall(r"BECAUSE_(\w+)\s*: UINT := (\d)", LISTING)
    assert {words[name]: int(code) for name, code in found} == CAUSE_CODES
    assert f"KEPT          : UINT := {OUTCOME_RING_SLOTS};" in LISTING


def test_the_table_of_registers_is_the_plants() -> None:
    text = (DOCS / "plc-handshake.md").read_text()
    row = r"^\| `([\w.]+)` \|[^|]+\|[^|]*\| (\w+)[^|]* \| (\d+) \|"
    found = {(name, kind, int(address)) for name, kind, address in re.findall(row, text, re.M)}
    assert found == {(register.name, register.kind, register.address) for register in REGISTERS}
    assert f"from address {OUTCOMES_ADDRESS} " in text
    assert f"from address {CONFIRMATIONS_ADDRESS} " in text
