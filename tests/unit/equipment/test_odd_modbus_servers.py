"""Modbus servers as they stand in the field: what they lack or do is borne, or said in a sentence."""

import asyncio
import functools
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from equipment.configuration import TagConfiguration
from equipment.links.modbus_client import ModbusConnection
from equipment.links.modbus_configuration import (
    ModbusConfiguration,
    ModbusRegister,
    PlcRegisters,
    RegisterTable,
)
from equipment.links.modbus_requests import RegisterSpan
from equipment.links.modbus_values import decode_registers
from hil.plant.register_map import encode_words
from sightline.configuration import load_configuration
from sightline.errors import ConfigurationError
from tests.faults.plc_and_equipment import RunningEquipment, running_equipment, wait_for
from tests.unit.equipment.odd_modbus import ROWS, OddModbusPlc, odd_modbus_plc

HEARTBEAT = ROWS["Station.Heartbeat"].address


@pytest.fixture
def plc() -> Iterator[OddModbusPlc]:
    with odd_modbus_plc() as plc:
        yield plc


def fault_of(equipment: RunningEquipment) -> str:
    return " ".join(fault.text for fault in equipment.health.build_report().faults)


def counted(equipment: RunningEquipment, name: str) -> int:
    return equipment.health.build_report().counters.get(name, 0)


def has_triggered(equipment: RunningEquipment, parts: int) -> bool:
    return len(equipment.triggered()) == parts


def verdict_writes(plc: OddModbusPlc) -> list[tuple[int, list[int]]]:
    return [write for write in plc.written if write[0] not in (HEARTBEAT, HEARTBEAT + 1)]


@pytest.mark.parametrize(
    "code",
    [
        ExcCodes.ACKNOWLEDGE,
        ExcCodes.DEVICE_BUSY,
        ExcCodes.GATEWAY_PATH_UNAVIABLE,
        ExcCodes.GATEWAY_NO_RESPONSE,
    ],
)
def test_a_plc_that_is_busy_now_and_then_is_asked_again_on_the_same_connection(
    plc: OddModbusPlc, code: ExcCodes
) -> None:
    plc.busy_every = (7, code)
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        for part in range(1, 6):
            plc.put("Line.PartCounter", part)
            wait_for("the trigger", functools.partial(has_triggered, equipment, part))
            equipment.judge(part, "ok")
        wait_for("all verdicts", lambda: plc.words[ROWS["Verdict.Strobe"].address + 1] == 5)
        wait_for("the count", lambda: counted(equipment, "plc_requests_repeated") > 0)
        assert plc.connections == 1
        assert fault_of(equipment) == ""


def test_a_plc_that_stays_busy_is_a_fault_that_says_how_often_it_was_asked(
    plc: OddModbusPlc,
) -> None:
    with running_equipment(plc.endpoint, link={"request_timeout_s": 0.2}) as equipment:
        equipment.wait_until_ready()
        plc.refused = {0: ExcCodes.DEVICE_BUSY}
        wait_for("the fault", lambda: "it is busy (Modbus exception 6, " in fault_of(equipment))


def test_a_plc_with_function_6_only_gets_its_words_one_by_one_and_never_an_old_code(
    plc: OddModbusPlc,
) -> None:
    plc.has_function_16 = False
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        equipment.judge(70_000, "ok")
        equipment.judge(70_001, "defect")
        wait_for("two verdicts", lambda: plc.words[27] == 2)
        assert verdict_writes(plc) == [
            *((24, [0]), (22, [1]), (23, [70_000 - 65_536]), (24, [1]), (26, [0]), (27, [1])),
            *((24, [0]), (22, [1]), (23, [70_001 - 65_536]), (24, [2]), (26, [0]), (27, [2])),
        ]
        wait_for("the heartbeat", lambda: plc.words[HEARTBEAT + 1] >= 1)


def test_bytes_that_are_swapped_within_each_word_are_put_right(plc: OddModbusPlc) -> None:
    plc.swaps_bytes = True
    tag = TagConfiguration(
        tag="motor_current", unit="A", register=ModbusRegister(address=700, type="float32")
    )
    plc.put_words(700, encode_words("float32", 3.25, "high-first"))
    plc.put("Line.PartCounter", 70_000)
    with running_equipment(
        plc.endpoint, link={"byte_order": "low-first"}, tags=(tag,), sample_interval_s=0.1
    ) as equipment:
        equipment.wait_until_ready()
        plc.put("Line.PartCounter", 70_001)
        wait_for("the part", lambda: [p.counter for p in equipment.triggered()] == [70_001])
        equipment.judge(70_001, "ok")
        wait_for("the verdict", lambda: plc.words[26:28] == [0, 1])
        assert plc.words[22:25] == [1, 70_001 - 65_536, 1]
        wait_for(
            "the reading",
            lambda: any(s.value == 3.25 for batch in equipment.samples() for s in batch.samples),
        )


def test_a_plc_without_time_and_speed_may_leave_them_out(plc: OddModbusPlc) -> None:
    plc.refused = dict.fromkeys((2, 3, 4, 5, 6, 7), ExcCodes.ILLEGAL_ADDRESS)
    registers = PlcRegisters(counted_at=None, belt_speed=None)
    with running_equipment(plc.endpoint, link={"registers": registers}) as equipment:
        equipment.wait_until_ready()
        plc.put("Line.PartCounter", 1)
        wait_for("the trigger", lambda: len(equipment.triggered()) == 1)
        assert equipment.triggered()[0].belt_speed_mps is None
        equipment.judge(1, "ok")
        wait_for("the verdict", lambda: plc.words[27] == 1)


def test_registers_that_are_not_there_are_named_with_what_to_do(plc: OddModbusPlc) -> None:
    plc.refused = {2: ExcCodes.ILLEGAL_ADDRESS}
    with running_equipment(plc.endpoint) as equipment:
        wait_for("the fault", lambda: "it has no such register" in fault_of(equipment))
        assert "countedAt and beltSpeed may be null" in fault_of(equipment)


def test_answers_of_another_unit_are_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        endpoint = f"modbus-tcp://127.0.0.1:{listening.getsockname()[1]}"
        with running_equipment(endpoint, link={"request_timeout_s": 0.3}) as equipment:
            connection, _ = listening.accept()
            with connection:
                request = connection.recv(300)
                connection.sendall(request[:2] + b"\0\0\0\x03\x03\x83\x02")
                wait_for(
                    "the fault",
                    lambda: "answers come from unit 3: set unitId" in fault_of(equipment),
                )


@pytest.mark.parametrize(
    ("endpoint", "is_taken"),
    [
        ("modbus-tcp://[::1]:502", True),
        ("modbus-tcp://[fe80::1%eth0]:502", True),
        ("modbus-tcp://plc-3.line.local:502/", True),
        ("modbus-tcp://::1:502", False),
        ("modbus-tcp://[::1]", False),
    ],
)
def test_addresses_of_ipv6_stand_in_brackets(endpoint: str, is_taken: bool) -> None:
    def load() -> Any:
        return load_configuration(ModbusConfiguration, {"endpoint": endpoint})

    if is_taken:
        assert load().endpoint == endpoint
    else:
        with pytest.raises(ConfigurationError, match="/endpoint"):
            load()


def test_a_plc_is_reached_by_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with odd_modbus_plc(host="::1") as plc, running_equipment(plc.endpoint) as equipment:
        assert plc.endpoint.startswith("modbus-tcp://[::1]:")
        equipment.wait_until_ready()


def bits(first: bool) -> SimData:
    return SimData(0, count=16, values=[first, not first] * 8, datatype=DataType.BITS)


async def read_bits(tables: tuple[RegisterTable, ...]) -> list[list[int]]:
    registers = SimData(0, count=8, values=0, datatype=DataType.REGISTERS)
    device = SimDevice(0, simdata=([bits(True)], [bits(False)], [registers], [registers]))
    server: Any = ModbusTcpServer(device, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    port = server.transport.sockets[0].getsockname()[1]
    connection = ModbusConnection(ModbusConfiguration(endpoint=f"modbus-tcp://127.0.0.1:{port}"))
    await connection.connect()
    try:
        return [await connection.read(RegisterSpan(table, 2, 3)) for table in tables]
    finally:
        connection.close()
        await server.shutdown()


def test_coils_and_discrete_inputs_are_read_as_bits() -> None:
    assert asyncio.run(read_bits(("coil", "discrete"))) == [[1, 0, 1], [0, 1, 0]]
    assert decode_registers("bool", [1], "high-first") is True


def test_a_bit_is_no_number() -> None:
    wrong = {"address": 3, "table": "coil", "type": "float32"}
    with pytest.raises(ConfigurationError, match="which holds bits; set bool"):
        load_configuration(ModbusRegister, wrong)
