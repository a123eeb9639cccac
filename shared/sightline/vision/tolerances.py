"""Which defects a product puts up with: by size in mm, by zone, by count. Pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from sightline.messaging.messages import Detection
from sightline.storage.products import InspectionZone, LabelTiers, SizeMeasure, VerdictPolicy

FrameSizes = Mapping[str, tuple[int, int]]
NO_SIZES: FrameSizes = {}


def measure_detections(
    detections: Sequence[Detection],
    policy: VerdictPolicy,
    scales: Mapping[str, float],
    sizes: FrameSizes = NO_SIZES,
) -> tuple[Detection, ...]:
    """The detections with their size in mm, where a camera's scale (mm per pixel) is known.

    What was measured at this station goes before the product's scale, which is one for all stations.
    A box at the edge of a frame (`sizes`: width and height by camera) has no known size: who knows how
    much of it lies outside.
    """
    known = {
        camera: scale
        for camera, scale in {**policy.mm_per_pixel, **scales}.items()
        if math.isfinite(scale) and scale > 0
    }
    return tuple(
        msgspec.structs.replace(
            found, size_mm=_size_mm(found, known[found.camera], _find_measure(found, policy))
        )
        if found.camera in known and not touches_edge(found, sizes.get(found.camera))
        else found
        for found in detections
    )


def is_tolerated(found: Detection, tiers: LabelTiers, sizes: FrameSizes) -> bool:
    """Whether this box is none to complain of: small enough, or where the product does not mind.

    What is not known is not accepted: a size without a scale, a place without the frame's size, a box
    of which the frame shows nothing.
    """
    size = sizes.get(found.camera)
    if size is None or found.width <= 0 or found.height <= 0:
        return False
    if _is_small_enough(found, tiers) and not touches_edge(found, size):
        return True
    zones = tiers.zones.get(found.camera)
    return zones is not None and not any(_touches_zone(found, zone, size) for zone in zones)


def touches_edge(found: Detection, size: tuple[int, int] | None) -> bool:
    """Whether a box reaches the edge of its frame, where that is known."""
    if size is None:
        return False
    width, height = size
    return (
        found.x <= 0
        or found.y <= 0
        or found.x + found.width >= width
        or found.y + found.height >= height
    )


def _is_small_enough(found: Detection, tiers: LabelTiers) -> bool:
    """A limit of 0 accepts no size."""
    return found.size_mm is not None and 0 < found.size_mm <= tiers.max_ok_mm


def find_over_count(counting: Sequence[Detection], policy: VerdictPolicy) -> list[Detection]:
    """Of these defects, those of the labels of which there are more than are still ok."""
    count = Counter(found.label for found in counting)
    return [
        found for found in counting if count[found.label] > policy.defects[found.label].max_ok_count
    ]


def _touches_zone(found: Detection, zone: InspectionZone, size: tuple[int, int]) -> bool:
    width, height = size
    return (
        found.x < zone.right * width
        and found.x + found.width > zone.left * width
        and found.y < zone.bottom * height
        and found.y + found.height > zone.top * height
    )


def _find_measure(found: Detection, policy: VerdictPolicy) -> SizeMeasure:
    tiers = policy.defects.get(found.label)
    return tiers.measured_by if tiers is not None else "longerSide"


def _size_mm(found: Detection, mm_per_pixel: float, measure: SizeMeasure) -> float | None:
    """Of the box; rounded up to hundredths, so that no size is told smaller than it is."""
    sides = (found.width, found.height)
    pixels = math.hypot(*sides) if measure == "diagonal" else max(sides)
    hundredths = pixels * mm_per_pixel * 100
    return math.ceil(hundredths) / 100 if math.isfinite(hundredths) else None
