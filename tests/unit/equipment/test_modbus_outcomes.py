"""Outcomes over Modbus: read however slowly the PLC answers, never one for another, each once."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.constants import ExcCodes

from equipment.gate_history import find_new_outcomes
from equipment.links.link import OutcomesRead
from equipment.links.modbus_configuration import ModbusConfiguration, PlcRegisters
from equipment.links.modbus_requests import RegisterSpan, merge_spans
from equipment.links.modbus_session import ModbusSession
from hil.plant.register_map import ADDRESS_COUNT, OUTCOME_ADDRESSES, REGISTERS, encode_words
from sightline.clock import SystemClock
from tests.faults.plc_and_equipment import running_equipment, wait_for
from tests.unit.equipment.odd_modbus import odd_modbus_plc

COUNTER = next(row for row in REGISTERS if row.name == "Outcome.Counter").address
RING = range(OUTCOME_ADDRESSES[0], OUTCOME_ADDRESSES[-1] + 8)


def action_of(number: int) -> int:
    """What the gate did with a part, in these tests."""
    return 1 + number % 2


def slot_of(number: int, action: int) -> list[int]:
    """The registers of an outcome, from 1."""
    words = [
        *encode_words("uint32", number, "high-first"),
        *encode_words("uint64", number, "high-first"),
    ]
    return [*words, action, 1]


class BusyPlc:
    """A `ModbusConnection` whose PLC goes on between two requests, and may be in the midst of a slot."""

    def __init__(self, pace: Sequence[int], half_written: bool) -> None:
        self._pace = itertools.chain(pace, itertools.repeat(0))
        self._half_written = half_written
        self.words = [0] * ADDRESS_COUNT
        self.total = 0

    def go_on(self, more: int) -> None:
        """So many parts more reach the gate."""
        for _ in range(more):
            self.total += 1
            start = OUTCOME_ADDRESSES[(self.total - 1) % 64]
            self.words[start : start + 8] = slot_of(self.total, action_of(self.total))
        self.words[COUNTER : COUNTER + 2] = encode_words("uint32", self.total, "high-first")

    def _answer(self, span: RegisterSpan) -> list[int]:
        more = next(self._pace)
        self.go_on(more)
        words = list(self.words)
        if self._half_written and more:  # the next number stands beside the action of the last
            start = OUTCOME_ADDRESSES[self.total % 64]
            words[start : start + 2] = encode_words("uint32", self.total + 1, "high-first")
        return words[span.address : span.end]

    async def read(self, span: RegisterSpan) -> list[int]:
        """The registers as they are now."""
        return self._answer(span)

    async def read_all(self, spans: Sequence[RegisterSpan]) -> dict[RegisterSpan, Sequence[int]]:
        """The registers, a request after the other."""
        return {span: self._answer(span) for span in merge_spans(spans)}


@settings(max_examples=200, deadline=None)
@given(
    before=st.integers(0, 200),
    pace=st.lists(st.sampled_from([0, 0, 0, 1, 1, 2, 5, 40, 70]), max_size=60),
    half_written=st.booleans(),
)
def test_no_outcome_is_told_of_another_part_and_each_once_in_order_or_counted_as_lost(
    before: int, pace: list[int], half_written: bool
) -> None:
    plc = BusyPlc([0, *pace], half_written)
    plc.go_on(before)
    posted: list[object] = []
    found: list[tuple[int, str]] = []
    lost_in_all, known = 0, None

    async def run() -> None:
        session = ModbusSession(
            plc,  # type: ignore[arg-type]
            ModbusConfiguration(),
            (),
            posted.append,
            SystemClock(),
        )
        for _ in range(len(pace) + 2):
            await session._read_outcomes()

    asyncio.run(run())
    for reading in posted:
        assert isinstance(reading, OutcomesRead)
        told, lost = find_new_outcomes("s", known, reading, repeat_all=False)
        found.extend((acted.part_number, acted.action) for acted in told)
        lost_in_all, known = lost_in_all + lost, reading.counter
    numbers = [number for number, _ in found]
    assert numbers == sorted(set(numbers))
    assert all(action == {1: "passed", 2: "rejected"}[action_of(n)] for n, action in found)
    assert known == plc.total
    first = posted[0]
    assert isinstance(first, OutcomesRead)
    assert len(numbers) + lost_in_all == plc.total - first.counter + len(first.records)


def test_outcomes_come_from_a_plc_that_goes_on_with_each_request() -> None:
    with odd_modbus_plc() as plc:
        total = 0

        def go_on(address: int) -> None:
            nonlocal total
            if address in RING and total < 60:
                total += 1
                words = slot_of(total, action_of(total))
                plc.put_words(OUTCOME_ADDRESSES[(total - 1) % 64], words)
                plc.put("Outcome.Counter", total)

        plc.put_words(OUTCOME_ADDRESSES[0], slot_of(1, action_of(1)))
        plc.put("Outcome.Counter", 1)
        total = 1
        plc.after_read = go_on
        with running_equipment(plc.endpoint) as equipment:
            wait_for("all sixty", lambda: len(equipment.gate_acted()) >= 60)
            acted = equipment.gate_acted()
            assert [outcome.part_number for outcome in acted] == list(range(1, 61))


SPARSE = PlcRegisters(
    part_counter=0,
    counted_at=2,
    belt_speed=20,
    verdict_echo=22,
    outcome_counter=24,
    line_stop=26,
    heartbeat=40,
    verdict_part_number=42,
    verdict_code=44,
    verdict_strobe=46,
)


def test_registers_between_those_of_the_handshake_need_not_be_there() -> None:
    gaps = {*range(6, 20), *range(27, 40)}
    with odd_modbus_plc() as plc:
        plc.refused = dict.fromkeys(gaps, ExcCodes.ILLEGAL_ADDRESS)
        link: dict[str, Any] = {"registers": SPARSE}
        with running_equipment(plc.endpoint, link=link) as equipment:
            equipment.wait_until_ready()
            plc.put_words(0, [0, 1])
            wait_for("the trigger", lambda: [t.counter for t in equipment.triggered()] == [1])
            equipment.judge(1, "ok")
            wait_for("the verdict", lambda: plc.words[46:48] == [0, 1])
            asked = len(plc.requests)
            wait_for("more polls", lambda: len(plc.requests) > asked + 20)
            assert plc.reads().count((0, 27)) == 1  # refused once, and not asked so again
