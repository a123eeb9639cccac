"""A server for each module, as at power-on for each test, and a component that is connected to it."""

from collections.abc import Iterator

import pytest

from tests.faults.plc_and_equipment import RunningEquipment, running_equipment
from tests.unit.equipment.odd_plc import OddPlc, odd_plc


@pytest.fixture(scope="module")
def running() -> Iterator[OddPlc]:
    with odd_plc() as plc:
        yield plc


@pytest.fixture
def plc(running: OddPlc) -> OddPlc:
    running.begin_anew()
    return running


@pytest.fixture
def equipment(plc: OddPlc) -> Iterator[RunningEquipment]:
    with running_equipment(plc.endpoint, sample_interval_s=0.1) as equipment:
        equipment.wait_until_ready()
        yield equipment
