"""Renders aluminium bottles with known ground truth: one view per camera, defects and look-alikes."""

from hil.plant.bottles.number_plate import draw_part_number, read_part_number
from hil.plant.bottles.part import BottleView, PartPlan, plan_part, render_part
from hil.plant.bottles.severity import SEVERITY_BANDS, SeverityBand

__all__ = [
    "SEVERITY_BANDS",
    "BottleView",
    "PartPlan",
    "SeverityBand",
    "draw_part_number",
    "plan_part",
    "read_part_number",
    "render_part",
]
