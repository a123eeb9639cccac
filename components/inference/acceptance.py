"""Which defects a product puts up with: by size in mm, by zone, by count. Pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from sightline.messages import Detection
from sightline.products import LabelTiers, Measure, Policy, Zone

FrameSizes = Mapping[str, tuple[int, int]]


def sized(
    detections: Sequence[Detection], policy: Policy, scales: Mapping[str, float]
) -> tuple[Detection, ...]:
    """The detections with their size in mm, where a camera's scale (mm per pixel) is known.

    What was measured at this station goes before the product's scale, which is one for all stations.
    """
    known = {**policy.mm_per_pixel, **scales}
    return tuple(
        msgspec.structs.replace(
            found, size_mm=_size_mm(found, known[found.camera], _measure(found, policy))
        )
        if found.camera in known
        else found
        for found in detections
    )


def is_accepted(found: Detection, tiers: LabelTiers, sizes: FrameSizes) -> bool:
    """Whether this box is none to complain of: small enough, or where the product does not mind.

    What is not known is not accepted: a size without a scale, a place without the frame's size.
    """
    if found.size_mm is not None and found.size_mm <= tiers.largest_ok_mm:
        return True
    zones, size = tiers.zones.get(found.camera), sizes.get(found.camera)
    if zones is None or size is None:
        return False
    return not any(_touches(found, zone, size) for zone in zones)


def too_many(counting: Sequence[Detection], policy: Policy) -> list[Detection]:
    """Of these defects, those of the labels of which there are more than are still ok."""
    count = Counter(found.label for found in counting)
    return [
        found for found in counting if count[found.label] > policy.defects[found.label].still_ok
    ]


def _touches(found: Detection, zone: Zone, size: tuple[int, int]) -> bool:
    width, height = size
    return (
        found.x < zone.right * width
        and found.x + found.width > zone.left * width
        and found.y < zone.bottom * height
        and found.y + found.height > zone.top * height
    )


def _measure(found: Detection, policy: Policy) -> Measure:
    tiers = policy.defects.get(found.label)
    return tiers.measured_by if tiers is not None else "longerSide"


def _size_mm(found: Detection, mm_per_pixel: float, measure: Measure) -> float:
    """Of the box; rounded up to hundredths, so that no size is told smaller than it is."""
    sides = (found.width, found.height)
    pixels = math.hypot(*sides) if measure == "diagonal" else max(sides)
    return math.ceil(pixels * mm_per_pixel * 100) / 100
