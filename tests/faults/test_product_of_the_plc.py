"""The PLC names product and lot of each part, over either protocol, with a real server between."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from equipment.links.modbus_configuration import PlcRegisters
from equipment.links.opcua_configuration import PLC_NODE_PREFIX, PlcNodes
from hil.plant.plc import PlcSettings
from hil.plant.plc_server import ProtocolName
from tests.faults.plc_and_equipment import RunningEquipment, RunningPlc, running_equipment, wait_for

WHERE: dict[ProtocolName, dict[str, Any]] = {
    "opcua": {
        "nodes": PlcNodes(
            product=PLC_NODE_PREFIX + "Line.Product", lot=PLC_NODE_PREFIX + "Line.Lot"
        )
    },
    "modbus": {"registers": PlcRegisters(product=14, lot=30)},
}


@pytest.fixture(params=["opcua", "modbus"])
def protocol(request: pytest.FixtureRequest) -> ProtocolName:
    """Each protocol in turn."""
    return "opcua" if request.param == "opcua" else "modbus"


@pytest.fixture
def plc(protocol: ProtocolName) -> Iterator[RunningPlc]:
    """A PLC that counts on command."""
    running = RunningPlc(PlcSettings(protocol=protocol))
    yield running
    running.stop()


def has_told(equipment: RunningEquipment, count: int) -> bool:
    """Whether so many parts were told."""
    return len(equipment.triggered()) >= count


def test_each_part_has_the_product_and_lot_that_the_plc_named_when_it_counted_it(
    plc: RunningPlc, protocol: ProtocolName
) -> None:
    products = {"1": "bottle", "2": "bottle-strict"}
    with running_equipment(plc.plc.endpoint, link=WHERE[protocol], products=products) as equipment:
        equipment.wait_until_ready()
        for product, lot in ((0, ""), (1, "L-1"), (2, "L-1"), (7, "A lot of 16 char")):
            plc.run(plc.plc.set_product(product, lot))
            number = plc.count_part()
            wait_for(f"part {number}", partial(has_told, equipment, number))
        told = [(m.counter, m.product, m.lot) for m in equipment.triggered()]
    assert told == [
        (1, "", ""),
        (2, "bottle", "L-1"),
        (3, "bottle-strict", "L-1"),
        (4, "7", "A lot of 16 char"),
    ]


@pytest.mark.parametrize("protocol", ["opcua"], indirect=True)
def test_parts_that_are_told_all_at_once_keep_their_own_products(plc: RunningPlc) -> None:
    async def burst() -> None:
        for product in (1, 2, 1, 2):
            await plc.plc.set_product(product, f"L-{product}")
            await plc.plc.count_part()
            await asyncio.sleep(0.001)  # the source times are of milliseconds at the worst

    products = {"1": "bottle", "2": "bottle-strict"}
    link = {**WHERE["opcua"], "publishing_interval_ms": 500.0}
    with running_equipment(plc.plc.endpoint, link=link, products=products) as equipment:
        equipment.wait_until_ready()
        plc.run(burst())
        wait_for("four parts", partial(has_told, equipment, 4))
        told = [(m.counter, m.product, m.lot) for m in equipment.triggered()]
    assert told == [
        (1, "bottle", "L-1"),
        (2, "bottle-strict", "L-2"),
        (3, "bottle", "L-1"),
        (4, "bottle-strict", "L-2"),
    ]
