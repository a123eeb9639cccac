"""The tolerance of each field of a replay against its reference.

A field without a row must be equal. A path names fields from the message down; `[]` stands for any list
element. The first row that matches a path or a prefix of it applies.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OTHER_CAMERAS = "otherCameras"  # boxes by camera's name
_OTHER_CAMERA = re.compile(r"^otherCameras\.[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class FieldTolerance:
    """The allowed difference of a number: absolute, or relative to the reference."""

    name: str
    reason: str
    absolute: float = 0.0
    share: float = 0.0
    compared: bool = True

    def allows(self, reference: Any, found: Any) -> bool:
        """Whether a value is within the tolerance."""
        if not self.compared:
            return True
        if isinstance(reference, bool) or isinstance(found, bool):
            return bool(reference == found)
        if isinstance(reference, int | float) and isinstance(found, int | float):
            return abs(found - reference) <= max(self.absolute, self.share * abs(reference))
        return bool(reference == found)


EXACT = FieldTolerance("exact", "determined by the frames and numbers alone")
SCORE = FieldTolerance("score", "runtimes and processors round differently", absolute=0.02)
BOX = FieldTolerance("box", "boxes depend on rounded numbers", absolute=3)
MILLIMETRES = FieldTolerance("millimetres", "sizes depend on boxes", absolute=0.5)
LEVEL = FieldTolerance("level", "luma levels, rounded to tenths", absolute=0.2)
MEASURED = FieldTolerance(
    "measured", "picture measurements depend on the order of summation", share=0.01
)
CLOCK = FieldTolerance("clock", "time of the run", compared=False)
RUN = FieldTolerance("run", "identifies the run: station, boot, ring, epoch", compared=False)
TIMING = FieldTolerance("timing", "speed; checked by the budgets", compared=False)
MACHINE = FieldTolerance(
    "machine", "the drive's readings are simulated in each run", compared=False
)

FAINT = FieldTolerance(
    "faint",
    "scores at the lowest that is looked at come and go; boxes are compared",
    compared=False,
)

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
        "threshold_basis.scores": FAINT,
    },
    "GateActed": {"acted_utc_ns": CLOCK, "cause": EXACT},
    "InspectionRecord": {
        **{
            f"{camera}[].{field}": tolerance
            for camera in ("cam1", "cam2", "cam3", "cam4", OTHER_CAMERAS)
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
        "thresholdBasis.scores": FAINT,
        "conveyerBeltSpeed": MACHINE,
        "productionLineStatus": MACHINE,
    },
}
COMPARED_STREAMS = tuple(_STREAM_TOLERANCES)


def find_tolerance(stream: str, path: str) -> FieldTolerance:
    """Find a field's tolerance by its path, with `[]` for list elements."""
    path = _OTHER_CAMERA.sub(OTHER_CAMERAS, path)
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
