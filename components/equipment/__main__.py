"""Starts the component under its nucleus."""

import sys

from equipment.configuration import EquipmentConfiguration
from equipment.equipment import build_equipment
from sightline.runtime import run_component
from sightline.topics import EQUIPMENT

if __name__ == "__main__":
    sys.exit(run_component(EQUIPMENT, EquipmentConfiguration, build_equipment))
