"""Whatever PLC, capture and messages go through, each part that was counted is recorded once.

A model of a PLC counts; a model of inference records what it is told, and fills what the contract lets it
know to be missing. Compared are the two sequences.
"""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from capture.component import NUMBERING_FILE
from capture.numbering import NumberingState
from capture.part_counter import PartCounter
from capture.triggers.trigger import TriggerEvent
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import Part
from sightline.messaging.topics import CAPTURE
from tests.unit.capture.capture_kit import ManualClock

FEW = 6
few = st.integers(0, FEW)


class Ledger:
    """What inference records: every number told, and every one that is known to be missing."""

    def __init__(self) -> None:
        self.parts: list[Part] = []

    def hear(self, state: NumberingState, *, announced: bool) -> None:
        """Record up to the last number that capture tells."""
        last, part = (self.parts[-1] if self.parts else None), state.last
        if last is not None and part <= last:
            return
        begin = state.first_number
        if last is not None and last.epoch == part.epoch:
            begin = last.part_number + 1
        elif last is not None:
            ended = state.ended_before
            if ended is not None and ended.epoch == last.epoch:
                more = range(last.part_number + 1, ended.part_number + 1)
                self.parts += [Part(last.epoch, number) for number in more]
            if state.continues and last.part_number < begin:
                begin = last.part_number + 1
        self.parts += [Part(part.epoch, number) for number in range(begin, part.part_number + 1)]


class NumbersOfAPlc(RuleBasedStateMachine):
    """A PLC that counts, wraps and starts again; a capture that misses, restarts and loses its file."""

    @initialize(
        top=st.sampled_from([2**16 - 1, 2**31 - 1, 2**32 - 1]),
        to_top=st.integers(0, 3000),
        small=st.booleans(),
    )
    def begin(self, top: int, to_top: int, small: bool) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.clock = ManualClock()
        self.top = top
        self.value = 0 if small else top - to_top
        self.counted: list[int] = []
        self.seen_up_to = 0
        self.ledger = Ledger()
        self.lives: list[PartCounter] = []
        self.is_file_lost = False
        self.start()

    def start(self) -> None:
        health = ComponentHealth(CAPTURE, "0", "model", self.clock)
        self.capture = PartCounter(self.folder / NUMBERING_FILE, health, self.clock)
        self.lives.append(self.capture)
        if self.capture.stored is not None:
            self.ledger.hear(self.capture.stored, announced=True)

    def count(self) -> None:
        """One part passes."""
        self.clock.advance(0.05)
        self.value = self.value + 1 if self.value < self.top else 0
        self.counted.append(self.value)

    def tell(self) -> None:
        """Capture hears of the last part's trigger, and tells."""
        if not self.ledger.parts and not self.seen_up_to:
            self.counted = self.counted[-1:]  # what was counted before is no part of the station's
        now = TriggerEvent(self.value, self.clock.utc_ns(), self.clock.monotonic_ns())
        numbered = self.capture.number_part(now, self.clock.monotonic_ns() + 1)
        assert self.capture.wait_until_stored()
        assert numbered is not None
        assert numbered.last_number == self.value
        self.is_file_lost = False
        self.ledger.hear(numbered, announced=False)
        self.seen_up_to = len(self.counted)

    @rule(unseen=few)
    def parts_pass(self, unseen: int) -> None:
        """Parts whose triggers are lost, then one that is seen."""
        for _ in range(unseen + 1):
            self.count()
        self.tell()

    @precondition(lambda self: self.seen_up_to > 0)
    @rule(unseen=st.integers(300, 2500))
    def outage(self, unseen: int) -> None:
        """The station is away for long; the PLC counts on."""
        near_top = self.top - self.value < 4000 or self.value < 4000
        self.parts_pass(unseen if not near_top else unseen % 300)

    @precondition(lambda self: self.seen_up_to > 0)
    @rule(unseen=few)
    def announcement(self, unseen: int) -> None:
        """Triggers are lost; the PLC's counter is announced; some of the triggers come late."""
        for _ in range(unseen):
            self.count()
        adopted = self.capture.adopt(self.value, self.clock.monotonic_ns() + 1)
        assert (adopted is not None) == (
            self.capture.wait_until_stored() and unseen > 0 and adopted is not None
        )
        stored = self.capture.stored
        assert stored is not None
        self.ledger.hear(stored, announced=True)
        self.seen_up_to = len(self.counted)
        for number in self.counted[len(self.counted) - unseen :]:
            late = TriggerEvent(
                number, self.clock.utc_ns() - 3600 * 10**9, self.clock.monotonic_ns()
            )
            assert self.capture.number_part(late, 0) is None

    @rule()
    def repeated_trigger(self) -> None:
        """The last trigger is told twice."""
        if self.seen_up_to and not self.is_file_lost:
            again = TriggerEvent(self.value, self.clock.utc_ns(), self.clock.monotonic_ns())
            assert self.capture.number_part(again, 0) is None

    @precondition(lambda self: self.seen_up_to > 0)
    @rule(unseen=few, announced=st.booleans(), utc_back_s=st.sampled_from([0, 0, 7200, -7200]))
    def plc_starts_again(self, unseen: int, announced: bool, utc_back_s: int) -> None:
        """The PLC lost its count, and counts some parts before the station is back."""
        is_far_from_a_wrap = all(
            not 0 <= top - self.value < 1000 or top > 2**17 for top in (2**15 - 1, 2**16 - 1)
        )
        near_wide_top = any(0 <= top - self.value < 100_000 for top in (2**31 - 1, 2**32 - 1))
        if not is_far_from_a_wrap or near_wide_top or self.value <= unseen + 1:
            return  # there nobody can tell a new count from a wrap, or from an outage
        self.clock.advance(6)  # no PLC starts faster
        self.clock.utc_offset_ns -= utc_back_s * 10**9
        del self.counted[self.seen_up_to :]  # counted by the PLC's last life, which told nobody
        self.value = 0
        for _ in range(unseen + 1):
            self.count()
        if announced:
            self.capture.adopt(self.value, self.clock.monotonic_ns() + 1)
            assert self.capture.wait_until_stored()
            assert self.capture.stored is not None
            self.ledger.hear(self.capture.stored, announced=True)
            self.seen_up_to = len(self.counted)
        else:
            self.tell()

    @rule(away_s=st.sampled_from([0.0, 1.0, 3600.0]))
    def capture_starts_again(self, away_s: float) -> None:
        """It was killed; its file is as it was."""
        self.clock.advance(away_s)
        self.start()

    @precondition(lambda self: FEW < self.value < self.top - FEW and self.seen_up_to > 0)
    @rule(content=st.binary(min_size=1, max_size=2000), gone=st.booleans())
    def file_is_lost(self, content: bytes, gone: bool) -> None:
        """The file is damaged or gone as capture starts, and parts pass meanwhile."""
        file = self.folder / NUMBERING_FILE
        if gone:
            file.unlink(missing_ok=True)
        else:
            file.write_bytes(content)
        self.clock.advance(1)
        self.is_file_lost = True
        self.start()
        self.parts_pass(2)

    @invariant()
    def each_part_is_recorded_once(self) -> None:
        recorded = [part.part_number for part in self.ledger.parts]
        assert recorded == self.counted[: self.seen_up_to]
        assert self.ledger.parts == sorted(set(self.ledger.parts))

    def teardown(self) -> None:
        for life in getattr(self, "lives", []):
            life.close()
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)


NumbersOfAPlc.TestCase.settings = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestNumbersOfAPlc = NumbersOfAPlc.TestCase
