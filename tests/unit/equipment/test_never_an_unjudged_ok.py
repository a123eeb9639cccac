"""No ok goes to a part that was not judged ok: whose number it is, of which count, in which mode."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.component import COUNTED_BY_STATION, COUNTER_UNREADABLE
from equipment.configuration import EquipmentConfiguration
from equipment.links.link import (
    CounterSeen,
    LinkFault,
    LinkUp,
    VerdictNotWritten,
    WriteVerdict,
    new_count_id,
)
from equipment.links.modbus_session import ModbusSession
from equipment.links.opcua_session import OpcuaSession
from equipment.links.request_queue import RequestQueue
from equipment.station_mode import DAMAGED, SILENT, UNKNOWN
from sightline.kernel.component import NewConfiguration
from sightline.messaging.topics import STATION_MODE
from tests.faults.plc_and_equipment import (
    RunningPlc,
    link_to,
    running_equipment,
    running_plc,
    wait_for,
)
from tests.unit.equipment.equipment_kit import (
    MS,
    NOW,
    EquipmentUnderTest,
    S,
    SteppedClock,
    a_verdict,
)

MODE_SILENCE_S = STATION_MODE.max_silence_s or 0.0
SESSIONS: dict[str, Any] = {"opcua": OpcuaSession, "modbus": ModbusSession}


def judged_now(driven: EquipmentUnderTest, number: int, **more: Any) -> None:
    """A fresh ok for a part that was counted just now."""
    now = driven.clock.now_ns
    times = {"triggered_monotonic_ns": now, "deadline_monotonic_ns": now + 400 * MS}
    driven.judge(a_verdict(number, **{**times, **more}))


def test_a_verdict_of_the_stations_own_count_is_no_verdict_for_the_plcs_part_of_that_number() -> (
    None
):
    driven = EquipmentUnderTest()
    driven.connect()
    driven.deliver_counter(1)
    judged_now(driven, 1, counted_by="station")
    assert driven.link.verdict_writes() == []
    text = driven.faults()[COUNTED_BY_STATION]
    assert "rejects" in text
    assert "trigger" in text
    judged_now(driven, 1)
    assert [order.part_number for order in driven.link.verdict_writes()] == [1]
    assert COUNTED_BY_STATION not in driven.faults()


def test_with_own_numbers_the_plcs_gate_stays_shut_whatever_was_found() -> None:
    with (
        running_plc(gate_delay_s=0.4) as plc,
        running_equipment(plc.plc.endpoint) as equipment,
    ):
        equipment.wait_until_ready()
        number = plc.count_part()
        equipment.judge(number, "ok", counted_by="station")
        assert plc.outcome(number) == ("rejected", "no_verdict")


class SlowOpening:
    """Lets the next connection's opening wait until the test is ready for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, session: Any) -> None:
        self.is_slow, self.waits, self.may_go = False, threading.Event(), threading.Event()
        whole = session.open

        async def opened(this: Any) -> None:
            if self.is_slow:
                self.waits.set()
                while not self.may_go.is_set():
                    await asyncio.sleep(0.005)
            await whole(this)

        monkeypatch.setattr(session, "open", opened)


@pytest.fixture(params=["opcua", "modbus"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def plc(protocol: str) -> Iterator[RunningPlc]:
    with running_plc(gate_delay_s=3.0, protocol=protocol) as plc:
        yield plc


def test_a_verdict_for_a_part_of_an_earlier_connection_goes_to_no_part_of_the_new_one(
    plc: RunningPlc, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = SlowOpening(monkeypatch, SESSIONS[protocol])
    with running_equipment(plc.plc.endpoint) as equipment:
        equipment.wait_until_ready()
        plc.count_part()
        wait_for("the trigger", lambda: len(equipment.triggered()) == 1)
        old = equipment.triggered()[0]
        opening.is_slow = True
        plc.start_task(plc.plc.drop_connections(0.05, next_number=1))
        assert opening.waits.wait(20)
        assert plc.count_part() == 1  # another part, which the station did not see
        late = old.received_monotonic_ns + 60 * S
        equipment.judge(
            1, "ok", triggered_monotonic_ns=old.received_monotonic_ns, deadline_monotonic_ns=late
        )
        wait_for("it is refused", lambda: refused(equipment) == 1)
        opening.may_go.set()
        equipment.wait_until_ready()
        plc.outcomes.clear()
        assert plc.outcome(1)[0] == "rejected"


def refused(equipment: Any) -> int:
    counters = equipment.health.build_report().counters
    return int(counters.get("verdicts_not_forwarded", 0))


def test_an_order_from_before_the_link_came_up_carries_another_count_and_is_void() -> None:
    driven = EquipmentUnderTest()
    driven.connect()
    driven.deliver_counter(1)
    judged_now(driven, 1)
    (order,) = driven.link.verdict_writes()
    driven.disconnect()
    judged_now(driven, 1)
    assert driven.link.verdict_writes() == [order]
    driven.connect()
    driven.deliver_counter(1, count_id=7)
    judged_now(driven, 1)
    assert driven.link.verdict_writes()[-1].count_id == 7 != order.count_id


def written(counts: list[int | None], orders: list[int]) -> tuple[list[int], list[int]]:
    """The orders of those counts that a session writes or refuses, as its count goes on."""
    posted: list[object] = []
    strobes: list[int] = []

    async def run() -> None:
        asked = RequestQueue(posted.append, SteppedClock())
        last: list[int] = []

        async def registers(order: WriteVerdict) -> None:
            last[:] = [order.part_number]
            change = counts.pop(0) if counts else None
            if change is not None:  # the counter begins anew just then
                asked.begin_count(change)

        async def strobe() -> None:
            strobes.extend(last)

        asked.begin_count(1)
        for number, count_id in enumerate(orders):
            asked.put(WriteVerdict(number, "ok", NOW + S, count_id=count_id))
        work = asyncio.ensure_future(asked.write_verdicts(registers, strobe))
        for _ in range(20 + 5 * len(orders)):
            await asyncio.sleep(0)
        work.cancel()

    asyncio.run(run())
    void = [event.request.part_number for event in posted if isinstance(event, VerdictNotWritten)]
    return strobes, void


def test_orders_in_the_queue_are_void_when_the_counter_begins_anew() -> None:
    assert written([], [1, 1]) == ([0, 1], [])
    assert written([2], [1, 1, 1]) == ([], [0, 1, 2])
    assert written([None, 2], [1, 1, 1]) == ([0], [1, 2])


@given(
    counts=st.lists(st.one_of(st.none(), st.integers(2, 4)), max_size=6),
    orders=st.lists(st.integers(0, 4), max_size=8),
)
def test_no_order_of_another_count_is_ever_strobed_and_none_is_forgotten(
    counts: list[int | None], orders: list[int]
) -> None:
    strobed, void = written(list(counts), orders)
    assert all(orders[number] == 1 for number in strobed)
    assert sorted(strobed + void) == list(range(len(orders)))


@pytest.mark.parametrize("lets_go", ["production", "bypass"])
def test_after_a_start_nothing_passes_until_the_mode_is_told(tmp_path: Path, lets_go: Any) -> None:
    before = EquipmentUnderTest(tmp_path, allow_bypass=True)
    before.deliver_mode("bypass")
    driven = EquipmentUnderTest(tmp_path, mode=None, allow_bypass=True)
    driven.connect()
    driven.deliver_counter(1)
    judged_now(driven, 1)
    judged_now(driven, 2, verdict="defect")
    assert [order.verdict for order in driven.link.verdict_writes()] == ["defect"]
    assert UNKNOWN in driven.faults()
    assert not driven.health.build_report().ready
    driven.deliver_mode(lets_go)
    driven.deliver_counter(3)
    judged_now(driven, 3)
    assert driven.link.verdict_writes()[-1].verdict == "ok"
    assert UNKNOWN not in driven.faults()
    assert driven.health.build_report().ready


def _not_utf8(path: Path) -> None:
    path.write_bytes(b"\xff\xfeproduction")


def _a_folder(path: Path) -> None:
    path.mkdir()


def _nonsense(path: Path) -> None:
    path.write_text("by" * 1000 + "pass")


def _empty(path: Path) -> None:
    path.write_text("")


@pytest.mark.parametrize("damage", [_not_utf8, _a_folder, _nonsense, _empty])
def test_a_damaged_mode_file_is_set_aside_and_told_and_nothing_passes_until_the_mode_is_told(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damage(tmp_path / "mode.txt")
    driven = EquipmentUnderTest(tmp_path, mode=None)
    assert "mode.txt" in driven.faults()[DAMAGED]
    assert [path.name for path in tmp_path.glob("mode.txt.damaged-*")]
    driven.connect()
    driven.deliver_counter(1)
    judged_now(driven, 1)
    assert driven.link.verdict_writes() == []
    driven.deliver_mode("paused")
    assert DAMAGED not in driven.faults()
    assert (tmp_path / "mode.txt").read_text() == "paused"


def test_when_nobody_tells_the_mode_any_more_the_line_goes_on_but_a_bypass_rests(
    tmp_path: Path,
) -> None:
    driven = EquipmentUnderTest(tmp_path, allow_bypass=True)
    driven.connect()
    driven.advance(MODE_SILENCE_S + 1)
    assert "publisher" in driven.faults()[SILENT]
    driven.deliver_counter(1)
    judged_now(driven, 1)
    assert [order.verdict for order in driven.link.verdict_writes()] == ["ok"]
    driven.deliver_mode("bypass")
    assert SILENT not in driven.faults()
    driven.deliver_counter(2)
    assert driven.link.verdict_writes()[-1].part_number == 2
    driven.advance(MODE_SILENCE_S + 1)
    driven.deliver_counter(3)
    judged_now(driven, 3, verdict="defect")
    assert [order.verdict for order in driven.link.verdict_writes()] == ["ok", "ok", "defect"]
    assert driven.health.build_report().ready


def test_a_bypass_is_void_in_another_count_as_a_verdict_is(tmp_path: Path) -> None:
    driven = EquipmentUnderTest(tmp_path, allow_bypass=True)
    driven.connect()
    driven.deliver_mode("bypass")
    driven.deliver_counter(1)
    assert driven.link.verdict_writes()[0].count_id == 1
    driven.deliver_counter(0, count_id=2)
    driven.deliver_counter(1, count_id=2)
    assert driven.link.verdict_writes()[-1].count_id == 2


def test_what_the_link_of_an_earlier_configuration_posted_is_not_taken_for_the_new_links() -> None:
    driven = EquipmentUnderTest()
    driven.connect()
    late_events = [LinkUp(NOW, new_count_id()), CounterSeen(5, NOW, NOW, 0.5)]
    unreachable = EquipmentConfiguration(link=link_to("opc.tcp://127.0.0.1:9"))
    driven.component.handle(NewConfiguration(unreachable))
    for event in late_events:
        driven.component.handle(event)
    assert not driven.health.build_report().ready
    assert "plc-away" in driven.faults()
    assert driven.announced() == [0]
    driven.component.close()


def test_a_fault_that_the_link_of_an_earlier_configuration_posted_is_not_the_new_links() -> None:
    driven = EquipmentUnderTest()
    driven.connect()
    unreachable = EquipmentConfiguration(link=link_to("opc.tcp://127.0.0.1:9"))
    driven.component.handle(NewConfiguration(unreachable))
    driven.component.handle(LinkFault(COUNTER_UNREADABLE, "The part counter is unreadable."))
    driven.component.handle(LinkUp(NOW, new_count_id()))
    driven.component.handle(CounterSeen(5, NOW, NOW, 0.5, count_id=new_count_id()))
    assert driven.faults() == {}
    assert driven.health.build_report().ready
    driven.component.close()
