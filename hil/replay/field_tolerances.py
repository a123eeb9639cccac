"""How far each field of a replay may be from its reference, by name.

A field without a row must be equal. A path names fields from the message down; `[]` stands for any place
in a list. The first row that fits a path or what it begins with counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FieldTolerance:
    """By how much a number may differ: absolutely, or as a share of the reference."""

    name: str
    reason: str
    absolute: float = 0.0
    share: float = 0.0
    compared: bool = True

    def allows(self, reference: Any, found: Any) -> bool:
        """Whether what was found is near enough."""
        if not self.compared:
            return True
        if isinstance(reference, bool) or isinstance(found, bool):
            return bool(reference == found)
        if isinstance(reference, int | float) and isinstance(found, int | float):
            return abs(found - reference) <= max(self.absolute, self.share * abs(reference))
        return bool(reference == found)


EXACT = FieldTolerance("exact", "it follows from the frames and the numbers alone")
SCORE = FieldTolerance("score", "runtimes and processors round differently", absolute=0.02)
BOX = FieldTolerance("box", "a box follows from rounded numbers", absolute=3)
MILLIMETRES = FieldTolerance("millimetres", "a size follows from a box", absolute=0.5)
LEVEL = FieldTolerance("level", "levels of luma, rounded to tenths", absolute=0.2)
MEASURED = FieldTolerance("measured", "measures of a picture, by another order of sums", share=0.01)
CLOCK = FieldTolerance("clock", "another time", compared=False)
RUN = FieldTolerance("run", "names this run: station, boot, ring, epoch", compared=False)
TIMING = FieldTolerance("timing", "how fast it went; budgets look after that", compared=False)
MACHINE = FieldTolerance("machine", "the drive's readings are the replay's own", compared=False)

_COMMON_TOLERANCES: dict[str, FieldTolerance] = {
    "station_id": RUN,
    "stationId": RUN,
    "boot_id": RUN,
    "part.epoch": RUN,
    "follows": RUN,
    "epoch": RUN,
    "triggered_utc_ns": CLOCK,
    "triggered_monotonic_ns": CLOCK,
    "captured_monotonic_ns": CLOCK,
    "deadline_monotonic_ns": CLOCK,
    "judged_utc_ns": CLOCK,
    "timings": TIMING,
}
_STREAM_TOLERANCES: dict[str, dict[str, FieldTolerance]] = {
    "PartCaptured": {
        "frames[].incarnation": RUN,
        "frames[].slot": RUN,
        "frames[].generation": RUN,
        "frames[].sequence": RUN,
        "frames[].captured_monotonic_ns": CLOCK,
        "conditions[].brightness": LEVEL,
        "conditions[].saturation": LEVEL,
        "conditions[].sharpness": MEASURED,
        "conditions[].shift_px": LEVEL,
        "first_number": RUN,
    },
    "PartJudged": {
        "detections[].score": SCORE,
        "detections[].x": BOX,
        "detections[].y": BOX,
        "detections[].width": BOX,
        "detections[].height": BOX,
        "detections[].size_mm": MILLIMETRES,
        "evidence[].key": RUN,
        "replayed": RUN,
    },
    "GateActed": {"acted_utc_ns": CLOCK, "cause": EXACT},
    "InspectionRecord": {
        **{
            f"{camera}[].{field}": tolerance
            for camera in ("cam1", "cam2", "cam3", "cam4")
            for field, tolerance in (
                *(("score", SCORE), ("sizeMm", MILLIMETRES)),
                *((side, BOX) for side in ("x", "y", "width", "height")),
            )
        },
        "siteId": RUN,
        "lineId": RUN,
        "timestamp": CLOCK,
        "recordId": RUN,
        "evidence[].key": RUN,
        "confidence": SCORE,
        "machine": MACHINE,
        "conveyerBeltSpeed": MACHINE,
        "productionLineStatus": MACHINE,
    },
}
COMPARED_STREAMS = tuple(_STREAM_TOLERANCES)


def find_tolerance(stream: str, path: str) -> FieldTolerance:
    """The tolerance of a field, by its path with `[]` for places in lists."""
    rows: Mapping[str, FieldTolerance] = {
        **_COMMON_TOLERANCES,
        **_STREAM_TOLERANCES.get(stream, {}),
    }
    steps = path
    while steps:
        if steps in rows:
            return rows[steps]
        steps = steps.rpartition(".")[0]
    return EXACT
