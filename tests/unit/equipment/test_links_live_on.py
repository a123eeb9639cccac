"""Whatever a server sends or an error does, the link lives: it tells, and connects again, in a bound time."""

import asyncio
import random
import socket
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from equipment.links.modbus_session import ModbusSession
from equipment.links.opcua_session import OpcuaSession
from tests.faults.plc_and_equipment import (
    RunningEquipment,
    RunningPlc,
    running_equipment,
    running_plc,
    wait_for,
)
from tests.unit.equipment.equipment_kit import EquipmentUnderTest
from tests.unit.equipment.held_network import held_network

SESSIONS: dict[str, Any] = {"opcua": OpcuaSession, "modbus": ModbusSession}
QUICK: dict[str, Any] = {"request_timeout_s": 0.3, "first_retry_s": 0.05, "max_retry_s": 0.1}


@pytest.fixture(params=["opcua", "modbus"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def plc(protocol: str) -> Iterator[RunningPlc]:
    with running_plc(protocol=protocol) as plc:
        yield plc


def fault_says(equipment: RunningEquipment, words: str) -> bool:
    """Whether the PLC is away, for a reason with these words."""
    return words in equipment.faults().get("plc-away", "")


def still_works(equipment: RunningEquipment, plc: RunningPlc) -> None:
    """A part that is counted now is triggered; what was spoilt before may cost one more connection."""
    last, due_s = plc.count_part(), time.monotonic() + 0.5

    def triggers() -> bool:
        nonlocal last, due_s
        if time.monotonic() > due_s:
            last, due_s = plc.count_part(), time.monotonic() + 0.5
        return [trigger.counter for trigger in equipment.triggered()][-1:] == [last]

    wait_for("the trigger of a part counted now", triggers)
    equipment.wait_until_ready()


class Panic(BaseException):
    """As a library in another language raises it."""


@pytest.mark.parametrize(
    "error", [MemoryError("none left"), SystemExit(3), KeyboardInterrupt(), Panic("at 17:3")]
)
def test_an_error_that_nobody_foresaw_is_told_and_the_link_comes_up_again(
    plc: RunningPlc, protocol: str, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    session = SESSIONS[protocol]
    whole, calls = session.run, list[int]()

    async def run(self: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise error
        await whole(self)

    monkeypatch.setattr(session, "run", run)
    with running_equipment(plc.plc.endpoint, link=QUICK) as equipment:
        equipment.wait_until_ready()
        told: list[str] = []
        note_faults(equipment, told, monkeypatch)
        plc.start_task(plc.plc.drop_connections(0.1))
        wait_for("the error's connection and one more", lambda: len(calls) >= 3)
        assert any(type(error).__name__ in text for text in told)
        still_works(equipment, plc)


def note_faults(
    equipment: RunningEquipment, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Note the texts of all faults that are raised from now on."""
    raised = equipment.health.raise_fault

    def note(code: str, text: str, *more: Any) -> bool:
        told.append(text)
        return raised(code, text, *more)

    monkeypatch.setattr(equipment.health, "raise_fault", note)


@pytest.mark.parametrize("error", [MemoryError("none left"), SystemExit(3), Panic("at 17:3")])
def test_an_event_loop_that_breaks_is_replaced(
    plc: RunningPlc, protocol: str, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    session = SESSIONS[protocol]
    whole, broken = session.run, list[int]()

    async def run(self: Any) -> None:
        if not broken:
            broken.append(1)
            loop: Any = asyncio.get_running_loop()
            loop._run_once = partial(_fail_once, loop, error)
        await whole(self)

    monkeypatch.setattr(session, "run", run)
    with running_equipment(plc.plc.endpoint, link=QUICK) as equipment:
        told: list[str] = []
        note_faults(equipment, told, monkeypatch)
        wait_for("it broke", lambda: bool(broken))
        wait_for("it is told", lambda: any("is started again" in text for text in told))
        still_works(equipment, plc)


def _fail_once(loop: Any, error: BaseException) -> None:
    del loop._run_once
    raise error


def test_a_plc_that_answers_nothing_any_more_is_away_in_a_bound_time_and_found_again(
    plc: RunningPlc,
) -> None:
    with (
        held_network(plc.plc.endpoint) as network,
        running_equipment(network.endpoint, link=QUICK) as equipment,
    ):
        equipment.wait_until_ready()
        network.held.set()
        wait_for("away", lambda: "plc-away" in equipment.faults())
        assert not equipment.ready
        network.held.clear()
        still_works(equipment, plc)


@pytest.mark.parametrize("scheme", ["opc.tcp", "modbus-tcp"])
def test_a_server_that_takes_the_call_and_says_nothing_is_away(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        with running_equipment(endpoint, link=QUICK) as equipment:
            wait_for("the fault", lambda: fault_says(equipment, "no answer"))


def test_a_server_that_opens_ever_so_slowly_is_given_up_with_the_time_allowed(
    plc: RunningPlc, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(self: Any) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(SESSIONS[protocol], "open", never)
    with running_equipment(
        plc.plc.endpoint, link={**QUICK, "request_timeout_s": 0.05}
    ) as equipment:
        wait_for("the fault", lambda: fault_says(equipment, "not ready within 0.5 s"))


class Garble:
    """Spoils what the PLC sends, each time in another way; the same seed spoils it alike."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.spoilt = 0

    def __call__(self, data: bytes) -> bytes:
        """The bytes, cut, flipped, doubled, left out, or others."""
        self.spoilt += 1
        noise = self._random.randbytes(self._random.choice([1, 7, 8, 60, 3000]))
        place = self._random.randrange(len(data) + 1)
        flipped = bytearray(data)
        flipped[place % len(data)] ^= 1 << self._random.randrange(8)
        ways = [data[:place], bytes(flipped), data + data, b"", noise, data[:place] + noise]
        return self._random.choice(ways)


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_from_the_server_never_end_the_link(plc: RunningPlc, seed: int) -> None:
    with (
        held_network(plc.plc.endpoint) as network,
        running_equipment(network.endpoint, link=QUICK) as equipment,
    ):
        equipment.wait_until_ready()
        for part in range(2):
            garble = Garble(10 * seed + part)
            network.change = garble
            wait_for("some answers", lambda garble=garble: garble.spoilt > 15)  # type: ignore[misc]
            network.change = bytes
            still_works(equipment, plc)


def test_an_event_that_cannot_be_handled_is_lost_alone() -> None:
    """The kernel makes a fault of it (tests/unit/shared/test_loop.py)."""
    driven = EquipmentUnderTest()
    driven.connect()
    with pytest.raises(TypeError):
        driven.deliver_counter("five")  # type: ignore[arg-type]
    driven.disconnect()
    driven.connect()
    driven.deliver_counter(1)
    assert driven.triggers() == [1]


@pytest.mark.parametrize("text", ["x" * 10_000, "A\x07B", "\ud800", "a\nb", "\x01\x02"])
@pytest.mark.parametrize("field", ["product", "lot"])
def test_a_text_of_the_plc_that_cannot_be_told_loses_no_part(field: str, text: str) -> None:
    driven = EquipmentUnderTest()
    driven.connect()
    driven.deliver_counter(1, **{field: text})
    (trigger,) = driven.triggered()
    assert getattr(trigger, field).isprintable()
    assert getattr(trigger, field) != text[:64]
    assert "PLC" in driven.faults()["plc-text"]
    driven.deliver_counter(2, product="bottle", lot="L-7")
    assert "plc-text" not in driven.faults()
    assert driven.triggers() == [1, 2]
