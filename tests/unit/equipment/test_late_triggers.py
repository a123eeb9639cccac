"""A trigger that comes late says so, whoever held it back: network, server, or a status that was not good."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from asyncua import ua
from asyncua.server.subscription_service import SubscriptionService

from equipment.links.opcua_subscription import SLOW_SUBSCRIPTION, SubscriptionIntervals
from tests.faults.plc_and_equipment import (
    RunningEquipment,
    RunningPlc,
    running_equipment,
    running_plc,
    wait_for,
)
from tests.unit.equipment.equipment_kit import EquipmentUnderTest
from tests.unit.equipment.held_network import held_network
from tests.unit.equipment.odd_plc import odd_plc

MS = 1_000_000
USUAL_MS = 45.0  # what the link usually takes, at most, and source times in whole milliseconds
UINT32 = ua.VariantType.UInt32


@pytest.fixture(params=["opcua", "modbus"])
def plc(request: pytest.FixtureRequest) -> Iterator[RunningPlc]:
    with running_plc(gate_delay_s=1.5, protocol=request.param) as plc:
        yield plc


def count(plc: RunningPlc) -> tuple[int, int]:
    """A part passes the trigger: its number, and a moment at which it had been counted."""
    number = plc.count_part()
    return number, time.monotonic_ns()


def has_triggered(equipment: RunningEquipment, number: int) -> bool:
    """Whether the last trigger is this part's."""
    return [trigger.counter for trigger in equipment.triggered()][-1:] == [number]


def is_past(moment_ns: int) -> bool:
    """Whether it is later than that."""
    return time.monotonic_ns() > moment_ns


def is_told_as_late_as(equipment: RunningEquipment, number: int, counted_ns: int) -> bool:
    """Whether the part's trigger says how late it is, or more."""
    found = next(t for t in equipment.triggered() if t.counter == number)
    true_ms = (found.received_monotonic_ns - counted_ns) / MS
    return bool(found.delay_ms >= true_ms - USUAL_MS)


@pytest.mark.parametrize("parts_before", [0, 5])
def test_a_trigger_that_the_network_held_back_says_how_late_it_is(
    plc: RunningPlc, parts_before: int
) -> None:
    with (
        held_network(plc.plc.endpoint) as network,
        running_equipment(network.endpoint) as equipment,
    ):
        equipment.wait_until_ready()
        for before in range(1, parts_before + 1):
            plc.count_part()
            wait_for("its trigger", partial(has_triggered, equipment, before))
        network.held.set()
        number, counted_ns = count(plc)
        wait_for("half a second", lambda: time.monotonic_ns() > counted_ns + 500 * MS)
        network.held.clear()
        wait_for("its trigger", lambda: len(equipment.triggered()) == parts_before + 1)
        assert equipment.triggered()[-1].delay_ms > 450
        assert is_told_as_late_as(equipment, number, counted_ns)


def slow_server(monkeypatch: pytest.MonkeyPatch, floor_ms: float) -> None:
    """Let the server publish no faster than this, as many do."""
    whole = SubscriptionService.create_subscription

    async def revised(self: Any, parameters: Any, *more: Any, **named: Any) -> Any:
        parameters.RequestedPublishingInterval = floor_ms
        result = await whole(self, parameters, *more, **named)
        result.RevisedPublishingInterval = floor_ms
        return result

    monkeypatch.setattr(SubscriptionService, "create_subscription", revised)


@pytest.mark.parametrize("plc", ["opcua"], indirect=True)
def test_a_server_that_publishes_slowly_is_a_fault_with_both_intervals_and_its_parts_are_read_in_time(
    plc: RunningPlc, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_server(monkeypatch, 500.0)
    with running_equipment(plc.plc.endpoint) as equipment:
        equipment.wait_until_ready()
        assert "500 ms" in equipment.faults()[SLOW_SUBSCRIPTION]
        assert "10 ms, publishingIntervalMs" in equipment.faults()[SLOW_SUBSCRIPTION]
        counted = []
        for _ in range(5):
            counted.append(count(plc))
            wait_for("the next part", partial(is_past, time.monotonic_ns() + 170 * MS))
        wait_for("all", lambda: len(equipment.triggered()) == 5)
        assert all(is_told_as_late_as(equipment, number, ns) for number, ns in counted)
        delays_ms = [trigger.delay_ms for trigger in equipment.triggered()]
        assert sorted(delays_ms)[2] < 100  # a busy machine may let one wait; the server lets all
        plc.start_task(plc.plc.drop_connections(0.3))
        wait_for("away", lambda: "plc-away" in equipment.faults())
        assert SLOW_SUBSCRIPTION not in equipment.faults()


def test_what_an_interval_is_slow_for_is_what_capture_allows_or_what_was_asked_for() -> None:
    assert not SubscriptionIntervals(10, 10, 0).are_slow
    assert not SubscriptionIntervals(10, 50, 50).are_slow
    assert SubscriptionIntervals(10, 100, 0).are_slow
    assert SubscriptionIntervals(10, 10, 250).are_slow
    assert not SubscriptionIntervals(200, 200, 200).are_slow


def test_a_plc_whose_source_times_are_of_another_clock_or_none_is_late_only_when_it_is() -> None:
    with odd_plc() as plc, running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        for number, year in enumerate([1601, 9999, 2001, 2040, 2001], start=1):
            before_ns = time.monotonic_ns()
            plc.put("Line.PartCounter", number, UINT32, year=year)
            wait_for("its trigger", partial(has_triggered, equipment, number))
            found = equipment.triggered()[-1]
            look_ms = 500.0  # the last look before: a busy machine may need so long
            assert found.delay_ms <= (found.received_monotonic_ns - before_ns) / MS + look_ms


def test_a_part_counted_while_the_counter_was_unreadable_is_as_old_as_that() -> None:
    with odd_plc() as odd, running_equipment(odd.endpoint) as equipment:
        equipment.wait_until_ready()
        odd.put("Line.PartCounter", 1, UINT32)
        wait_for("the first", lambda: len(equipment.triggered()) == 1)
        bad_ns = time.monotonic_ns()
        odd.put("Line.PartCounter", 1, UINT32, ua.StatusCodes.UncertainLastUsableValue)
        wait_for("the fault", lambda: "counter-unreadable" in equipment.faults())
        assert "UncertainLastUsableValue" in equipment.faults()["counter-unreadable"]
        assert not equipment.ready
        wait_for("0.3 s", lambda: time.monotonic_ns() > bad_ns + 300 * MS)
        odd.put("Line.PartCounter", 4, UINT32)
        wait_for("the fourth", lambda: [t.counter for t in equipment.triggered()] == [1, 4])
        assert equipment.triggered()[-1].delay_ms > 250
        wait_for("well again", lambda: equipment.ready and not equipment.faults())


NONSENSE: list[tuple[object, Any, str]] = [
    ("five", ua.VariantType.String, "'five'"),
    ([1, 2], UINT32, "[1, 2]"),
    (float("nan"), ua.VariantType.Double, "nan"),
    (2.5, ua.VariantType.Double, "2.5"),
    (-3_000_000_000, ua.VariantType.Int64, "-3000000000"),
    (2**40, ua.VariantType.UInt64, "1099511627776"),
    (True, ua.VariantType.Boolean, "True"),
    (None, ua.VariantType.Null, "None"),
]


@pytest.mark.parametrize(("value", "kind", "shown"), NONSENSE, ids=[n[2] for n in NONSENSE])
def test_a_counter_that_is_no_count_is_a_fault_with_what_it_holds_and_its_return_is_told(
    value: object, kind: Any, shown: str
) -> None:
    with odd_plc() as odd, running_equipment(odd.endpoint) as equipment:
        equipment.wait_until_ready()
        odd.put("Line.PartCounter", value, kind)
        wait_for(
            "the fault",
            lambda: shown in equipment.faults().get("counter-unreadable", ""),
        )
        assert "Line.PartCounter" in equipment.faults()["counter-unreadable"]
        assert not equipment.ready
        odd.put("Line.PartCounter", 3, UINT32)
        wait_for("the third", lambda: [t.counter for t in equipment.triggered()] == [3])
        wait_for("well again", lambda: equipment.ready and not equipment.faults())


def test_a_counter_that_is_unreadable_at_the_start_is_a_fault_until_it_is_read() -> None:
    with odd_plc() as odd:
        odd.put("Line.PartCounter", 7, UINT32, ua.StatusCodes.BadWaitingForInitialData)
        with running_equipment(odd.endpoint) as equipment:
            wait_for("the fault", lambda: "counter-unreadable" in equipment.faults())
            assert not equipment.ready
            odd.put("Line.PartCounter", 7, UINT32)
            equipment.wait_until_ready()
            assert equipment.triggered() == []


def test_a_float_counter_with_whole_values_counts() -> None:
    with odd_plc() as odd, running_equipment(odd.endpoint) as equipment:
        equipment.wait_until_ready()
        odd.put("Line.PartCounter", 1.0, ua.VariantType.Double)
        wait_for("the first", lambda: [t.counter for t in equipment.triggered()] == [1])


def test_the_delay_goes_along_with_the_trigger() -> None:
    driven = EquipmentUnderTest()
    driven.connect()
    driven.deliver_counter(1, delay_ms=123.4)
    assert [trigger.delay_ms for trigger in driven.triggered()] == [123.4]


def test_a_subscription_that_tells_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equipment.links.opcua_session.MAX_NOTIFICATION_SILENCE_NS", 200 * MS)
    with odd_plc() as odd, running_equipment(odd.endpoint) as equipment:
        equipment.wait_until_ready()
        with SilentSubscriptions(monkeypatch):
            odd.put("Line.PartCounter", 3, UINT32)
            wait_for("the loss", lambda: "subscription" in equipment.faults().get("plc-away", ""))
        equipment.wait_until_ready()


class SilentSubscriptions:
    """The server's changes are lost on the way while this holds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __enter__(self) -> None:
        from equipment.links.opcua_session import OpcuaSession

        self._context = self._monkeypatch.context()
        patch = self._context.__enter__()
        patch.setattr(OpcuaSession, "datachange_notification", lambda *_: None)

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(None, None, None)


def test_a_change_that_cannot_be_taken_is_a_loss_in_words_and_not_silence() -> None:
    with odd_plc() as odd, running_equipment(odd.endpoint) as equipment:
        equipment.wait_until_ready()
        odd.put("Verdict.Echo", "x", ua.VariantType.String)
        wait_for("the loss", lambda: "verdict_echo" in equipment.faults().get("plc-away", ""))
