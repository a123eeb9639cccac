"""Whatever is lost, repeated or killed: each part has one record, in the ledger's order."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.messaging.messages import Part, PartJudged
from sightline.messaging.topics import GATE_ACTED, PART_JUDGED
from tests.unit.publisher.publisher_kit import (
    EPOCH,
    PublisherUnderTest,
    a_verdict,
    an_outcome,
    wait_until,
)


@dataclass(frozen=True)
class Judge:
    """The ledger judges the next part; whether its message comes through the bus."""

    comes_through: bool
    new_epoch: bool = False


@dataclass(frozen=True)
class Gate:
    """The gate acts for the ledger's part at this place, counted from the end."""

    from_end: int
    passed: bool


@dataclass(frozen=True)
class Replay:
    """The ledger tells again what is not settled, all or some of it."""

    losing: int


@dataclass(frozen=True)
class Duplicate:
    """A verdict comes once more."""

    from_end: int


@dataclass(frozen=True)
class Pass:
    """Time passes."""

    seconds: float


@dataclass(frozen=True)
class Restart:
    """The publisher is killed and started again."""


steps = st.one_of(
    st.builds(Judge, st.booleans(), st.sampled_from([False, False, False, True])),
    st.builds(Judge, st.just(True)),
    st.builds(Gate, st.integers(1, 5), st.booleans()),
    st.builds(Replay, st.integers(0, 4)),
    st.builds(Duplicate, st.integers(1, 6)),
    st.builds(Pass, st.sampled_from([0.3, 1.0, 2.5])),
    st.just(Restart()),
)


class Line:
    """A ledger, a gate and a publisher between them."""

    def __init__(self, folder: Path) -> None:
        self.desk = PublisherUnderTest(folder)
        self.ledger: list[PartJudged] = []
        self.acted: dict[Part, str] = {}

    def take(self, step: object) -> None:
        """Do one step."""
        if isinstance(step, Judge):
            self._judge(step)
        elif isinstance(step, Gate) and step.from_end <= len(self.ledger):
            self._act(self.ledger[-step.from_end], step.passed)
        elif isinstance(step, Replay):
            self.replay(step.losing)
        elif isinstance(step, Duplicate) and step.from_end <= len(self.ledger):
            self.desk.deliver(PART_JUDGED, self.ledger[-step.from_end])
        elif isinstance(step, Pass):
            self.desk.pass_seconds(step.seconds)
        elif isinstance(step, Restart):
            self.desk.kill()
            self.desk.start()

    def replay(self, losing: int = 0) -> None:
        """Tell again what is not settled; one message of it may be lost (0: none)."""
        settled = self.desk.recorder._settled_part
        unsettled = [judged for judged in self.ledger if settled is None or judged.part > settled]
        for place, judged in enumerate(unsettled, start=1):
            if place != losing:
                self.desk.deliver(PART_JUDGED, msgspec.structs.replace(judged, replayed=True))

    def settle(self) -> None:
        """Replay and let time pass until nothing waits; then wait for the cloud."""
        self.replay()
        self.desk.pass_seconds(120)
        wait_until(self.desk.all_are_stored)

    def _judge(self, step: Judge) -> None:
        last = self.ledger[-1].part if self.ledger else None
        part = Part(last.epoch, last.part_number + 1) if last else Part(EPOCH, 1)
        if step.new_epoch:
            part = Part(part.epoch + 1, 1)
        now_ns, utc_ns = self.desk.clock.monotonic_ns(), self.desk.clock.utc_ns()
        judged = a_verdict(
            part.part_number,
            epoch=part.epoch,
            follows=last,
            triggered_utc_ns=utc_ns,
            triggered_monotonic_ns=now_ns,
            deadline_monotonic_ns=now_ns + 1_000_000_000,
        )
        self.ledger.append(judged)
        if step.comes_through:
            self.desk.deliver(PART_JUDGED, judged)

    def _act(self, judged: PartJudged, passed: bool) -> None:
        action = self.acted.setdefault(judged.part, "passed" if passed else "rejected")
        assert action in ("passed", "rejected")
        outcome = an_outcome(
            judged.part.part_number,
            "passed" if action == "passed" else "rejected",
            judged.triggered_utc_ns + 500_000_000,
        )
        self.desk.deliver(GATE_ACTED, outcome)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=40))
def test_any_order_of_losses_repeats_and_kills_gives_each_part_one_record_in_order(
    taken: list[object],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        line = Line(Path(folder))
        try:
            for step in taken:
                line.take(step)
            line.settle()
            records = line.desk.sent()
        finally:
            line.desk.kill()
    parts = [Part(record.epoch, record.partNumber) for record in records]
    assert parts == [judged.part for judged in line.ledger]
    for record, judged in zip(records, line.ledger, strict=True):
        same_number = [p for p in line.acted if p.part_number == judged.part.part_number]
        possible = {line.acted[part] for part in same_number} | {"unconfirmed"}
        assert record.gate in possible
