"""Starts the component under its nucleus."""

import sys

from equipment.component import build_equipment_component
from equipment.configuration import EquipmentConfiguration
from sightline.kernel.runtime import run_component
from sightline.messaging.topics import EQUIPMENT

if __name__ == "__main__":
    sys.exit(run_component(EQUIPMENT, EquipmentConfiguration, build_equipment_component))
