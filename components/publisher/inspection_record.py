"""From a part's facts to its record: pure. What does not fit a message is cut by rank and counted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

import msgspec

from publisher.gate_matcher import GatePart
from sightline.messaging.codec import MAX_MESSAGE_BYTES
from sightline.messaging.messages import (
    Detection,
    GapRecord,
    GateConfirmation,
    GateCorrection,
    GateOutcome,
    InspectionRecord,
    MachineSnapshot,
    MachineState,
    OperatingMode,
    Part,
    PartJudged,
    RecordBox,
)
from sightline.messaging.shrink import Cut, shrink_to_fit

CUSTOMER_CAMERAS = ("cam1", "cam2", "cam3", "cam4")  # others are in `otherCameras`
MAX_SHRUNK_TEXT_LENGTH = 64
MAX_GAP_TEXT_LENGTH = 500
MAX_SECONDS = 253_402_300_799  # the last second of the year 9999
replace = msgspec.structs.replace


@dataclass(frozen=True)
class RecordOrigin:
    """What the records say of where they come from, and which tag and labels mean what.

    `product_labels`: for verdicts that do not say by which policy they were made.
    """

    site_id: str
    line_id: str
    belt_speed_tag: str
    product_labels: frozenset[str]


def build_record(
    judged: PartJudged,
    gate: GateOutcome,
    machine: MachineState | None,
    origin: RecordOrigin,
    joined_utc_ns: int,
    mode: OperatingMode = "production",
    confirmation: GateConfirmation = "unknown",
) -> InspectionRecord:
    """The record of one part, small enough for a message."""
    no_defects = _find_product_labels(judged, origin)
    defects = [found for found in judged.detections if found.label not in no_defects]
    boxes = _build_boxes_by_camera(defects)
    record = InspectionRecord(
        siteId=origin.site_id,
        timestamp=format_iso_utc(judged.triggered_utc_ns),
        productDetected=judged.product_detected,
        productionLineStatus=machine.status if machine else "unknown",
        conveyerBeltSpeed=find_belt_speed(machine, origin.belt_speed_tag),
        cam1=boxes.pop("cam1", ()),
        cam2=boxes.pop("cam2", ()),
        cam3=boxes.pop("cam3", ()),
        cam4=boxes.pop("cam4", ()),
        defectDetected=judged.verdict == "defect",
        recordId=build_record_id(judged.station_id, judged.part),
        stationId=judged.station_id,
        lineId=origin.line_id,
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
        machine=_build_snapshot(machine, joined_utc_ns) if machine else None,
        missingCameras=judged.missing_cameras,
        boxesOmitted=judged.detections_omitted,
        mode=mode,
        challenge=judged.challenge,
        challengeResult=judged.challenge_result,
        hold=judged.hold,
        heldBack=judged.held_back,
        otherCameras=boxes,
        frameSizes=judged.frame_sizes,
        countedBy=judged.counted_by,
        thresholdBasis=judged.threshold_basis,
        gateConfirmation=confirmation,
        presence=judged.presence,
        serial=judged.serial,
    )
    return shrink_record_to_fit(record)


def build_record_id(station_id: str, part: Part) -> str:
    """The record's stable name, by which the cloud drops repeats."""
    return f"{station_id}-{part.epoch}-{part.part_number}"


def build_correction(station_id: str, gate: GatePart) -> GateCorrection:
    """What the gate did to a part whose record says that it is not known."""
    assert gate.gate is not None
    assert gate.acted_utc_ns is not None
    record = build_record_id(station_id, gate.part)
    return GateCorrection(
        correctionId=f"{record}/gate",
        recordId=record,
        stationId=station_id,
        gate=gate.gate,
        acted_at_utc_ns=gate.acted_utc_ns,
    )


def build_gap_record(judged: PartJudged, origin: RecordOrigin, mode: OperatingMode) -> GapRecord:
    """The record of all the parts that this one verdict stands for."""
    part = judged.part
    first = part.part_number if judged.gap_from is None else judged.gap_from
    first = min(first, part.part_number)
    return GapRecord(
        gapId=f"{judged.station_id}-{part.epoch}-{first}-{part.part_number}",
        siteId=origin.site_id,
        stationId=judged.station_id,
        lineId=origin.line_id,
        timestamp=format_iso_utc(judged.triggered_utc_ns),
        epoch=part.epoch,
        from_=first,
        to=part.part_number,
        reason=judged.reason[:MAX_GAP_TEXT_LENGTH],
        product=judged.product[:MAX_GAP_TEXT_LENGTH],
        lot=judged.lot[:MAX_GAP_TEXT_LENGTH],
        mode=mode,
    )


def format_iso_utc(utc_ns: int) -> str:
    """ISO 8601 in UTC with milliseconds, cut and not rounded: 2026-01-31T06:00:00.123Z."""
    seconds, milliseconds = divmod(utc_ns // 1_000_000, 1000)
    seconds = min(max(seconds, 0), MAX_SECONDS)  # a PLC's clock may say anything
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def find_belt_speed(machine: MachineState | None, tag: str) -> float | None:
    """The belt's speed as the machine state has it, or None if it is no good number."""
    for found in machine.values if machine else ():
        if found.tag == tag and found.quality == "good" and not isinstance(found.value, bool | str):
            return found.value
    return None


def shrink_record_to_fit(
    record: InspectionRecord, max_bytes: int = MAX_MESSAGE_BYTES
) -> InspectionRecord:
    """The record with the least important taken away until it fits: boxes of low score first."""
    return shrink_to_fit(record, RECORD_CUTS, max_bytes)


def _without_lowest_score_box(record: InspectionRecord) -> InspectionRecord | None:
    of_camera = {
        camera: getattr(record, camera) for camera in CUSTOMER_CAMERAS
    } | record.otherCameras
    boxes = [(box.score, camera, box) for camera, boxes in of_camera.items() for box in boxes]
    if not boxes:
        return None
    _, camera, least = min(boxes, key=lambda entry: entry[0])
    kept = list(of_camera[camera])
    kept.remove(least)
    record = replace(record, boxesOmitted=record.boxesOmitted + 1)
    if camera in CUSTOMER_CAMERAS:
        return replace(record, **{camera: tuple(kept)})
    others = record.otherCameras | {camera: tuple(kept)}
    return replace(record, otherCameras={name: boxes for name, boxes in others.items() if boxes})


def _with_short_texts(record: InspectionRecord) -> InspectionRecord:
    named = ("siteId", "lineId", "productionLineStatus", "lot", "product", "policyVersion")
    texts = (*named, "calibrationVersion", "hold", "challenge")
    return replace(
        record, **{name: getattr(record, name)[:MAX_SHRUNK_TEXT_LENGTH] for name in texts}
    )


def _without_last_machine_value(record: InspectionRecord) -> InspectionRecord | None:
    if record.machine is None or not record.machine.values:
        return None
    values = dict(list(record.machine.values.items())[:-1])
    return replace(record, machine=replace(record.machine, values=values))


RECORD_CUTS: tuple[Cut[InspectionRecord], ...] = (
    lambda record: replace(record, thresholdBasis=None),
    _without_lowest_score_box,
    _without_last_machine_value,
    lambda record: replace(record, machine=None),
    lambda record: replace(record, frameSizes={}),  # no box is left that it is for
    lambda record: replace(record, timings=replace(record.timings, per_image_ms=())),
    lambda record: replace(record, reason=record.reason[:MAX_SHRUNK_TEXT_LENGTH]),
    _with_short_texts,
    lambda record: replace(record, missingCameras=record.missingCameras[:8]),
    lambda record: replace(record, models=record.models[:8]),
    lambda record: replace(record, evidence=record.evidence[:8]),
    lambda record: replace(record, defects=dict(list(record.defects.items())[:16])),
    lambda record: replace(record, missingCameras=(), models=(), evidence=(), defects={}),
)


def _find_product_labels(judged: PartJudged, origin: RecordOrigin) -> frozenset[str]:
    """What shows the product and is no defect, by the policy that judged the part."""
    said = frozenset(judged.product_labels)
    return said if said or judged.policy_version else origin.product_labels


def _build_boxes_by_camera(defects: Iterable[Detection]) -> dict[str, tuple[RecordBox, ...]]:
    boxes: dict[str, tuple[RecordBox, ...]] = {}
    for found in defects:
        box = RecordBox(
            label=found.label,
            score=found.score,
            x=found.x,
            y=found.y,
            width=found.width,
            height=found.height,
            sizeMm=found.size_mm,
        )
        boxes[found.camera] = (*boxes.get(found.camera, ()), box)
    return boxes


def _build_snapshot(machine: MachineState, joined_utc_ns: int) -> MachineSnapshot:
    return MachineSnapshot(
        equipmentId=machine.equipment_id,
        status=machine.status,
        ageS=round((joined_utc_ns - machine.state_utc_ns) / 1e9, 3),
        values={found.tag: found.value for found in machine.values},
        outlierScore=machine.outlier_score,
        outlierCause=machine.outlier_cause,
    )
