"""The verdicts as messages: pure, from what is known of a part."""

import math
from collections.abc import Sequence

import msgspec

from inference.prediction.part_inference import PartPredictions
from sightline.messaging.codec import MAX_MESSAGE_BYTES
from sightline.messaging.messages import (
    CaptureConditions,
    EvidencePicture,
    ModelUse,
    Part,
    PartCaptured,
    PartJudged,
    PartsAnnounced,
    StageTimings,
    Verdict,
)
from sightline.messaging.shrink import Cut, shrink_to_fit
from sightline.storage.products import VerdictPolicy
from sightline.text import truncate
from sightline.vision.model_outputs import ServingModel
from sightline.vision.part_judging import ReasonedVerdict, ViewCoverage

ROOM_BYTES = 400  # for what is filled in later: the part before, the hold, the time of the commit
MAX_DETECTIONS = 64
MAX_VERDICT_REASON = 1000  # characters
MAX_SHORT_REASON = 200  # where a longer one does not fit: JSON makes six bytes of some characters


def build_gap_verdict(
    station_id: str,
    part: Part,
    reason: str,
    before: PartCaptured | PartsAnnounced,
    now_utc_ns: int,
    gap_from: int | None = None,
) -> PartJudged:
    """The verdict on a part of which nothing but its number is known, or on all from `gap_from` on.

    It stands at the gate no later than the part that was captured or announced after it.
    """
    return PartJudged(
        station_id=station_id,
        part=part,
        verdict="missed",
        reason=reason,
        product_detected=False,
        triggered_utc_ns=now_utc_ns,
        triggered_monotonic_ns=0,
        deadline_monotonic_ns=before.deadline_monotonic_ns,
        boot_id=before.boot_id,
        judged_utc_ns=now_utc_ns,
        product=before.product,
        policy_version=before.product_version,
        lot=before.lot,
        counted_by=before.counted_by,
        gap_from=gap_from,
    )


def build_missed_verdict(captured: PartCaptured, reason: str, now_utc_ns: int) -> PartJudged:
    """The verdict on a part that was captured and could not be judged in its time."""
    return shrink_verdict(_build_from_captured(captured, "missed", reason, False, now_utc_ns))


def build_verdict(
    captured: PartCaptured,
    reasoned: ReasonedVerdict,
    predictions: PartPredictions,
    models: Sequence[ServingModel],
    *,
    policy: VerdictPolicy,
    evidence: tuple[EvidencePicture, ...],
    queue_ms: float,
    now_utc_ns: int,
    serial: str = "",
) -> PartJudged:
    """The verdict on a part that was seen; detections that do not fit into a message are counted."""
    timings = predictions.timings
    message = msgspec.structs.replace(
        _build_from_captured(
            captured, reasoned.verdict, reasoned.reason, reasoned.product_detected, now_utc_ns
        ),
        detections=reasoned.relevant_detections,
        models=tuple(ModelUse(name=m.name, digest=m.detector.digest) for m in models),
        policy_version=policy.version,
        presence=policy.presence,
        serial=serial,
        product_labels=tuple(
            label for label in policy.product_labels if label not in policy.defects
        ),
        evidence=evidence,
        threshold_basis=reasoned.threshold_basis,
        timings=StageTimings(
            capture_ms=_to_milliseconds(
                captured.captured_monotonic_ns - captured.triggered_monotonic_ns
            ),
            queue_ms=round(queue_ms, 3),
            preprocess_ms=round(timings.preprocess, 3),
            model_ms=round(timings.model, 3),
            decode_ms=round(timings.decode, 3),
            per_image_ms=tuple(round(image_ms, 3) for image_ms in timings.per_image),
        ),
    )
    return shrink_verdict(message)


def shrink_verdict(message: PartJudged) -> PartJudged:
    """The message without what would make it too large: one that cannot be published blocks the rest."""
    if len(message.detections) > MAX_DETECTIONS:  # far more than fit
        message = _keep_detections(message, MAX_DETECTIONS)
    return shrink_to_fit(message, VERDICT_CUTS, MAX_MESSAGE_BYTES - ROOM_BYTES)


def _without_labels_not_found(message: PartJudged) -> PartJudged | None:
    found = {detection.label for detection in message.detections}
    labels = tuple(label for label in message.product_labels if label in found)
    if labels == message.product_labels:
        return None
    return msgspec.structs.replace(message, product_labels=labels)


def _without_lowest_score(message: PartJudged) -> PartJudged | None:
    return _keep_detections(message, len(message.detections) - 1) if message.detections else None


def _with_short_reason(message: PartJudged) -> PartJudged | None:
    reason = truncate(message.reason, MAX_SHORT_REASON)
    if len(reason) >= len(message.reason):
        return None
    return msgspec.structs.replace(message, reason=reason)


VERDICT_CUTS: tuple[Cut[PartJudged], ...] = (
    _without_labels_not_found,
    lambda message: msgspec.structs.replace(message, threshold_basis=None),
    _without_lowest_score,
    _with_short_reason,
)


def _keep_detections(message: PartJudged, kept: int) -> PartJudged:
    omitted = message.detections_omitted + len(message.detections) - kept
    return msgspec.structs.replace(
        message, detections=message.detections[:kept], detections_omitted=omitted
    )


def build_view_coverage(
    captured: PartCaptured,
    cameras: tuple[str, ...],
    doubts: tuple[str, ...] = (),
    part_doubts: tuple[str, ...] = (),
) -> ViewCoverage:
    """What the station could see of the part; a camera that is not mentioned is missing."""
    delivered = {ref.camera for ref in captured.frames}
    bad = [
        f"{conditions.camera} {name}"
        for conditions in captured.conditions
        for name in (*conditions.out_of_range, *_find_not_finite(conditions))
    ]
    absent = [camera for camera in cameras if camera not in delivered]
    return ViewCoverage(
        cameras, tuple(absent), tuple(bad), doubts, _frame_sizes(captured), part_doubts
    )


def _frame_sizes(captured: PartCaptured) -> dict[str, tuple[int, int]]:
    return {ref.camera: (ref.width, ref.height) for ref in captured.frames}


def _find_not_finite(conditions: CaptureConditions) -> list[str]:
    """The conditions of which nobody can say whether they are in range."""
    values = {
        name: getattr(conditions, name)
        for name in ("brightness", "sharpness", "saturation", "shift_px")
    }
    return [
        f"{name} (not a number)"
        for name, value in values.items()
        if value is not None and not math.isfinite(value)
    ]


def _build_from_captured(
    captured: PartCaptured, verdict: Verdict, reason: str, product: bool, now_utc_ns: int
) -> PartJudged:
    return PartJudged(
        station_id=captured.station_id,
        part=captured.part,
        verdict=verdict,
        reason=truncate(reason, MAX_VERDICT_REASON),
        product_detected=product,
        triggered_utc_ns=captured.triggered_utc_ns,
        triggered_monotonic_ns=captured.triggered_monotonic_ns,
        deadline_monotonic_ns=captured.deadline_monotonic_ns,
        boot_id=captured.boot_id,
        judged_utc_ns=now_utc_ns,
        calibration_version=captured.calibration_version,
        product=captured.product,
        lot=captured.lot,
        missing_cameras=captured.missing_cameras,
        policy_version=captured.product_version,
        challenge=captured.challenge,
        counted_by=captured.counted_by,
        frame_sizes=_frame_sizes(captured),
    )


def _to_milliseconds(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 3)


def with_commit_time(verdict: PartJudged, commit_ms: float) -> PartJudged:
    """The verdict with the milliseconds that its commit took."""
    timings = msgspec.structs.replace(verdict.timings, commit_ms=round(commit_ms, 3))
    return msgspec.structs.replace(verdict, timings=timings)
