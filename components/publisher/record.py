"""From a part's facts to its record: pure. What does not fit a message is cut by rank and counted."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

import msgspec

from sightline.codec import GREATEST_MESSAGE_BYTES, encode_of_any_size
from sightline.messages import (
    Detection,
    GateOutcome,
    InspectionRecord,
    MachineSnapshot,
    MachineState,
    Mode,
    Part,
    PartJudged,
    RecordBox,
)

CAMERAS = ("cam1", "cam2", "cam3", "cam4")
LONGEST_CUT_TEXT = 64
replace = msgspec.structs.replace


@dataclass(frozen=True)
class Place:
    """What the records say of where they come from, and which tag and labels mean what."""

    site_id: str
    line_id: str
    belt_speed_tag: str
    product_labels: frozenset[str]


def record_of(
    judged: PartJudged,
    gate: GateOutcome,
    machine: MachineState | None,
    place: Place,
    joined_utc_ns: int,
    mode: Mode = "production",
) -> InspectionRecord:
    """The record of one part, small enough for a message."""
    no_defects = place.product_labels.union(judged.product_labels)
    defects = [found for found in judged.detections if found.label not in no_defects]
    boxes = {camera: _boxes_of(defects, camera) for camera in CAMERAS}
    shown = sum(len(of_camera) for of_camera in boxes.values())
    record = InspectionRecord(
        siteId=place.site_id,
        timestamp=iso_utc(judged.triggered_utc_ns),
        productDetected=judged.product_detected,
        productionLineStatus=machine.status if machine else "unknown",
        conveyerBeltSpeed=belt_speed(machine, place.belt_speed_tag),
        cam1=boxes["cam1"],
        cam2=boxes["cam2"],
        cam3=boxes["cam3"],
        cam4=boxes["cam4"],
        defectDetected=judged.verdict == "defect",
        recordId=record_id(judged.station_id, judged.part),
        stationId=judged.station_id,
        lineId=place.line_id,
        epoch=judged.part.epoch,
        partNumber=judged.part.part_number,
        lot=judged.lot,
        product=judged.product,
        verdict=judged.verdict,
        reason=judged.reason,
        gate=gate,
        confidence=max((found.score for found in defects), default=None),
        defects=dict(sorted(Counter(found.label for found in defects).items())),
        models=judged.models,
        policyVersion=judged.policy_version,
        calibrationVersion=judged.calibration_version,
        timings=judged.timings,
        evidence=judged.evidence,
        machine=_snapshot(machine, joined_utc_ns) if machine else None,
        missingCameras=judged.missing_cameras,
        boxesOmitted=judged.detections_omitted + len(defects) - shown,
        mode=mode,
        challenge=judged.challenge,
        challengeResult=judged.challenge_result,
        hold=judged.hold,
        heldBack=judged.held_back,
    )
    return cut_to_size(record)


def record_id(station_id: str, part: Part) -> str:
    """The record's stable name, by which the cloud drops repeats."""
    return f"{station_id}-{part.epoch}-{part.part_number}"


def iso_utc(utc_ns: int) -> str:
    """ISO 8601 in UTC with milliseconds, cut and not rounded: 2026-01-31T06:00:00.123Z."""
    seconds, milliseconds = divmod(utc_ns // 1_000_000, 1000)
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def belt_speed(machine: MachineState | None, tag: str) -> float | None:
    """The belt's speed as the machine state has it, or None if it is no good number."""
    for found in machine.values if machine else ():
        if found.tag == tag and found.quality == "good" and not isinstance(found.value, bool | str):
            return found.value
    return None


def cut_to_size(
    record: InspectionRecord, greatest_bytes: int = GREATEST_MESSAGE_BYTES
) -> InspectionRecord:
    """The record with the least important taken away until it fits: boxes of low score first."""
    for smaller in _ever_smaller(record):
        record = smaller
        if len(encode_of_any_size(record)) <= greatest_bytes:
            break
    return record


def _ever_smaller(record: InspectionRecord) -> Iterator[InspectionRecord]:
    yield record
    while (cut := _without_least_box(record)) is not None:
        record = cut
        yield record
    while record.machine is not None and record.machine.values:
        values = dict(list(record.machine.values.items())[:-1])
        record = replace(record, machine=replace(record.machine, values=values))
        yield record
    for step in LAST_CUTS:
        record = step(record)
        yield record


def _without_least_box(record: InspectionRecord) -> InspectionRecord | None:
    boxes = [(box.score, camera, box) for camera in CAMERAS for box in getattr(record, camera)]
    if not boxes:
        return None
    _, camera, least = min(boxes, key=lambda entry: entry[0])
    kept = list(getattr(record, camera))
    kept.remove(least)
    return replace(record, **{camera: tuple(kept)}, boxesOmitted=record.boxesOmitted + 1)


def _with_short_texts(record: InspectionRecord) -> InspectionRecord:
    texts = ("siteId", "lineId", "lot", "product", "policyVersion", "calibrationVersion")
    return replace(record, **{name: getattr(record, name)[:LONGEST_CUT_TEXT] for name in texts})


LAST_CUTS: tuple[Callable[[InspectionRecord], InspectionRecord], ...] = (
    lambda record: replace(record, machine=None),
    lambda record: replace(record, timings=replace(record.timings, per_image_ms=())),
    lambda record: replace(record, reason=record.reason[:LONGEST_CUT_TEXT]),
    _with_short_texts,
    lambda record: replace(record, missingCameras=record.missingCameras[:8]),
    lambda record: replace(record, models=record.models[:8]),
    lambda record: replace(record, evidence=record.evidence[:8]),
    lambda record: replace(record, defects=dict(list(record.defects.items())[:16])),
)


def _boxes_of(defects: list[Detection], camera: str) -> tuple[RecordBox, ...]:
    return tuple(
        RecordBox(
            label=found.label,
            score=found.score,
            x=found.x,
            y=found.y,
            width=found.width,
            height=found.height,
            sizeMm=found.size_mm,
        )
        for found in defects
        if found.camera == camera
    )


def _snapshot(machine: MachineState, joined_utc_ns: int) -> MachineSnapshot:
    return MachineSnapshot(
        equipmentId=machine.equipment_id,
        status=machine.status,
        ageS=round((joined_utc_ns - machine.state_utc_ns) / 1e9, 3),
        values={found.tag: found.value for found in machine.values},
        outlierScore=machine.outlier_score,
        outlierCause=machine.outlier_cause,
    )
