"""The function block that engineers paste does what the plant's PLC does, and its tables are true."""

import re
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hil.plant.gate_outcomes import ACTION_CODES, CAUSE_CODES, OUTCOME_RING_SLOTS
from hil.plant.register_map import OUTCOMES_ADDRESS, REGISTERS
from hil.plant.reject_gate import OUTCOME_CAUSES, GateSettings, RejectGate
from tests.unit.plant_plc.structured_text import FunctionBlock

DOCS = Path(__file__).parents[3] / "docs"
LISTING = (DOCS / "plc" / "FB_SightlineGate.st").read_text()
MS = 1_000_000
CYCLE_MS = 10
SETTINGS = GateSettings(distance_m=0.1, actuation_s=0.05, heartbeat_timeout_s=0.1)
WAY_MS = 200  # 0.1 m at 0.5 m/s


class Pair:
    """The function block and the plant's gate, told the same each cycle."""

    def __init__(self) -> None:
        self.block = FunctionBlock(LISTING)
        self.gate = RejectGate(SETTINGS)
        self.outcomes: list[tuple[int, str, str]] = []
        self._counted = 0
        self._now_ms = 0
        self.stands = False

    def cycle(self, action: str = "", number: int = 0, code: int = 0) -> None:
        """One cycle, in which at most one thing happens; signals fall again in the next."""
        self._cycle(action, number, code)
        if action in ("part", "acknowledge"):
            self._cycle()

    def _cycle(self, action: str = "", number: int = 0, code: int = 0) -> None:
        station, now_ns = self.block.values.stStation, self._now_ms * MS
        if action == "part":
            self._counted += 1
            self.gate.add_part(self._counted, now_ns, WAY_MS * MS)
        elif action == "beat":
            station.udiHeartbeat += 1
            self.gate.record_heartbeat(station.udiHeartbeat, now_ns)
        elif action == "verdict":
            station.udiPartNumber, station.uiCode = number, code
            station.udiStrobe += 1
            self.gate.accept_verdict(number, code, now_ns)
        elif action == "stop":
            station.uiLineStop = 1
            self.gate.stop_belt(now_ns)
        elif action == "acknowledge":
            self.gate.start_belt(now_ns)
        self._call(action)
        self.outcomes += [(o.number, o.action, o.cause) for o in self.gate.act_on_arrivals(now_ns)]
        self._now_ms += CYCLE_MS

    def _call(self, action: str) -> None:
        self.block.call(
            xTrigger=action == "part",
            xAcknowledge=action == "acknowledge",
            xDriveOn=True,
            rSpeed=0.5,
            uliUtcNow=self._now_ms * MS,
            rCycle=CYCLE_MS / 1000,
            rDistance=SETTINGS.distance_m,
            rFlapTime=SETTINGS.actuation_s - 0.001,  # sums of REAL cycles are never quite exact
            rBeatTimeout=SETTINGS.heartbeat_timeout_s + 0.001,
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


EVENTS = st.lists(
    st.one_of(
        st.just(("", 0, 0)),
        st.just(("part", 0, 0)),
        st.just(("beat", 0, 0)),
        st.just(("beat", 0, 0)),
        st.tuples(st.just("verdict"), st.integers(1, 3), st.integers(0, 5)),
        st.tuples(st.just("verdict"), st.integers(1, 3), st.just(1)),
        st.just(("stop", 0, 0)),
        st.just(("acknowledge", 0, 0)),
    ),
    max_size=80,
)


@settings(max_examples=150, deadline=None)
@given(events=EVENTS, lives=st.booleans())
@example(events=[("part", 0, 0), ("verdict", 1, 2), ("verdict", 1, 1)], lives=True)
@example(events=[("part", 0, 0), ("verdict", 1, 1), ("verdict", 1, 3)], lives=True)
def test_it_decides_as_the_plants_gate_does(
    events: list[tuple[str, int, int]], lives: bool
) -> None:
    pair = Pair()
    for event in events:
        pair.cycle(*event)
    pair.cycle("acknowledge")
    for _ in range(WAY_MS // CYCLE_MS + 2):
        pair.cycle("beat" if lives else "")
    assert pair.told() == pair.outcomes


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
