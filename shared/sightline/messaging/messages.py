"""The messages of a station: frozen typed structs, JSON on every wire, additive changes only.

Clocks: `*_utc_ns` is CLOCK_REALTIME, `*_monotonic_ns` is CLOCK_MONOTONIC of the boot named by `boot_id`.
Boxes are in pixels of the camera's full frame; x and y name the upper left corner.
"""

from typing import Literal

import msgspec

Verdict = Literal["ok", "defect", "review", "missed", "empty"]
GateAction = Literal["passed", "rejected"]
GateOutcome = Literal["passed", "rejected", "unconfirmed"]
GateConfirmation = Literal["confirmed", "not_arrived", "unexpected", "unknown"]
TagQuality = Literal["good", "bad", "missing", "stale"]
PixelFormat = Literal["UYVY", "YUYV", "GREY", "RGB24", "NV12"]
FaultLevel = Literal["warning", "fault"]
CountedBy = Literal["plc", "station"]
Presence = Literal["label", "always"]
OperatingMode = Literal["production", "paused", "bypass", "maintenance"]
CommandKind = Literal[
    "change_product",
    "load_model",
    "set_threshold",
    "challenge_part",
    "pause",
    "resume",
    "bypass",
    "maintenance",
    "lot_start",
    "lot_end",
    "acknowledge_hold",
    "live_view",
    "map_cameras",
    "calibrate",
    "take_reference",
    "gate_dry_run",
    "restart_component",
]
CommandResult = Literal["done", "accepted", "refused", "expired"]
StepResult = Literal["done", "failed"]
ChallengeResult = Literal["", "found", "passed", "undecided"]
CommandArgument = str | float | bool | None


class Part(msgspec.Struct, frozen=True, order=True):
    """The name of a part at one station: its number counts within an epoch."""

    epoch: int
    part_number: int


class StationMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What every message carries."""

    station_id: str
    schema_version: int = 1


class FrameRef(msgspec.Struct, frozen=True, kw_only=True):
    """Where the pixels of one frame lie in the ring; valid until the slot is written again."""

    incarnation: int
    camera: str
    slot: int
    generation: int
    width: int
    height: int
    pixel_format: PixelFormat
    sequence: int
    captured_monotonic_ns: int


class CaptureConditions(msgspec.Struct, frozen=True, kw_only=True):
    """How a camera saw: mean luma 0..255, sharpness as variance of the Laplacian, exposure if known.

    Where there is a reference picture: the colours' mean distance from grey, and how far the picture
    is moved against the reference, in pixels of the full frame (None: it is not like the reference).
    """

    camera: str
    brightness: float
    sharpness: float
    exposure_us: int | None = None
    out_of_range: tuple[str, ...] = ()
    saturation: float | None = None
    shift_px: float | None = None


class PartTriggered(StationMessage, frozen=True, kw_only=True):
    """The PLC counted a part at the trigger position: equipment -> capture.

    `product` and `lot` are what the PLC says of it, where it says anything. `delay_ms`: how long before
    its receipt the part may have been counted, beyond what the link usually takes.
    """

    counter: int
    counted_utc_ns: int
    received_monotonic_ns: int
    boot_id: str
    delay_ms: float = 0.0
    belt_speed_mps: float | None = None
    product: str = ""
    lot: str = ""


class CounterAnnounced(StationMessage, frozen=True, kw_only=True):
    """The PLC's counter as it stands, each second, so that a lost trigger shows: equipment -> capture."""

    counter: int
    counted_utc_ns: int


class PartCaptured(StationMessage, frozen=True, kw_only=True):
    """One part and where its pixels lie: capture -> inference; `first_number` began the epoch.

    `challenge`: the part is known to be bad, and this label is to be found on it. `counted_by`: whose
    number the part has; a number of the station's own count means nothing to the PLC. `unphotographed`:
    why no picture was taken of it. `ended_before`: the last part of the epoch before, whose numbers
    count up to it. `continues`: capture lost its file; the PLC's count may go on from an earlier epoch.
    """

    part: Part
    triggered_utc_ns: int
    triggered_monotonic_ns: int
    captured_monotonic_ns: int
    deadline_monotonic_ns: int
    boot_id: str
    frames: tuple[FrameRef, ...]
    missing_cameras: tuple[str, ...] = ()
    conditions: tuple[CaptureConditions, ...] = ()
    calibration_version: str = ""
    product: str = ""
    lot: str = ""
    first_number: int = 1
    product_version: str = ""
    challenge: str = ""
    counted_by: CountedBy = "station"
    unphotographed: str = ""
    ended_before: Part | None = None
    continues: bool = False


class PartsAnnounced(StationMessage, frozen=True, kw_only=True):
    """The last number given so far, each second and at start: capture -> inference.

    `first_number` is the first that the epoch counts; a `last` below it: none was given yet. The other
    fields mean what they mean in `PartCaptured`.
    """

    last: Part
    deadline_monotonic_ns: int
    boot_id: str
    first_number: int = 1
    product: str = ""
    product_version: str = ""
    lot: str = ""
    counted_by: CountedBy = "station"
    ended_before: Part | None = None
    continues: bool = False


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """One box that a detector drew."""

    camera: str
    label: str
    score: float
    x: int
    y: int
    width: int
    height: int
    model: str
    size_mm: float | None = None


class ModelUse(msgspec.Struct, frozen=True, kw_only=True):
    """A model that judged: its name and the SHA-256 of its file."""

    name: str
    digest: str


class EvidencePicture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture kept of the part; the key is derived from the part and the camera."""

    camera: str
    key: str


class StageTimings(msgspec.Struct, frozen=True, kw_only=True):
    """What each stage of a part took, in milliseconds; `per_image_ms` has one entry a frame.

    `trigger_to_gate_ms` is by the PLC's clock where the PLC gives the trigger.
    """

    capture_ms: float = 0.0
    queue_ms: float = 0.0
    preprocess_ms: float = 0.0
    model_ms: float = 0.0
    decode_ms: float = 0.0
    commit_ms: float = 0.0
    per_image_ms: tuple[float, ...] = ()
    trigger_to_verdict_ms: float | None = None
    trigger_to_gate_ms: float | None = None
    trigger_to_deadline_ms: float | None = None


class HoldRange(msgspec.Struct, frozen=True, kw_only=True):
    """What a challenge part that passed holds back: from the part after the last challenge that was
    found (None: since ever) up to the challenge; the parts after it carry the hold's name.
    """

    hold: str
    first: Part | None
    last: Part


class ThresholdBasis(msgspec.Struct, frozen=True, kw_only=True):
    """What tells how other thresholds would have judged a part.

    `scores`: of each defect label the score that decides, after what the product tolerates by size,
    zone and count. Labels that are not named stayed below `min_score`, where the station stops to look.
    `otherwise` is the verdict if no label reaches a threshold.
    """

    scores: dict[str, float]
    min_score: float
    otherwise: Verdict


class PartJudged(StationMessage, frozen=True, kw_only=True):
    """The one verdict of a part: inference -> equipment, publisher.

    `challenge` and what came of it: `found`, `passed` (judged ok), or `undecided` (all else). `hold`:
    the part is held back by a challenge that passed, `held_back` stands at that challenge itself.
    `product_labels` among the detections show the product, and are no defects.

    `follows` is the part before it in the ledger (None: the ledger began here), so that a reader
    sees over the end of an epoch, too, whether one is lacking.

    `gap_from`: this `missed` stands for all numbers of the epoch from that one up to the part's own.
    `frame_sizes`: width and height in pixels of each camera's frame, in which the boxes are given.
    `presence`: what says that a product was there: a `label` that was found, or `always`, the trigger.
    `serial`: the serial number that a code on the part says; empty where none was read.
    """

    part: Part
    verdict: Verdict
    reason: str
    product_detected: bool
    triggered_utc_ns: int
    triggered_monotonic_ns: int
    deadline_monotonic_ns: int
    boot_id: str
    judged_utc_ns: int
    detections: tuple[Detection, ...] = ()
    detections_omitted: int = 0
    models: tuple[ModelUse, ...] = ()
    policy_version: str = ""
    calibration_version: str = ""
    product: str = ""
    lot: str = ""
    missing_cameras: tuple[str, ...] = ()
    timings: StageTimings = StageTimings()
    evidence: tuple[EvidencePicture, ...] = ()
    replayed: bool = False
    follows: Part | None = None
    challenge: str = ""
    challenge_result: ChallengeResult = ""
    hold: str = ""
    held_back: HoldRange | None = None
    product_labels: tuple[str, ...] = ()
    counted_by: CountedBy = "station"
    gap_from: int | None = None
    frame_sizes: dict[str, tuple[int, int]] = {}
    threshold_basis: ThresholdBasis | None = None
    presence: Presence = "label"
    serial: str = ""


class GateActed(StationMessage, frozen=True, kw_only=True):
    """What the PLC's gate did with a part: equipment -> publisher.

    `awaits_confirmation`: sensors behind the gate will tell where the part went. `counted_utc_ns`: when
    the PLC counted it, as in its trigger; None where that is not known for certain.
    """

    part_number: int
    action: GateAction
    acted_utc_ns: int
    cause: str = ""
    awaits_confirmation: bool = False
    counted_utc_ns: int | None = None


class GateConfirmed(StationMessage, frozen=True, kw_only=True):
    """Where sensors behind the gate saw the part of an outcome: equipment -> publisher.

    `not_arrived`: it was not seen where it was sent. `unexpected`: it was seen where it was not sent.
    """

    part_number: int
    acted_utc_ns: int
    confirmation: GateConfirmation


class PartSettled(StationMessage, frozen=True, kw_only=True):
    """All parts up to this one lie durably in the outbox: publisher -> capture, inference, equipment.

    `begins`: the publisher has just started; outcomes of the gate told before may be lost to it.
    A publisher that has no record yet tells `Part(0, 0)`.
    """

    up_to: Part
    begins: bool = False


class TagSample(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of one tag; `value` is None where the quality is not good."""

    tag: str
    value: float | bool | str | None
    unit: str
    quality: TagQuality
    source_utc_ns: int


class MachineSamples(StationMessage, frozen=True, kw_only=True):
    """One batch of readings an interval, even an empty one: equipment -> telemetry.

    Many tags need several batches: `batches_to_come` of the same sampling follow.
    """

    equipment_id: str
    line_id: str
    sequence: int
    sampled_utc_ns: int
    samples: tuple[TagSample, ...]
    batches_to_come: int = 0


class MachineValue(msgspec.Struct, frozen=True, kw_only=True):
    """One consolidated tag with its normal limits and how unusual it is (0: as always)."""

    tag: str
    value: float | bool | str | None
    unit: str
    quality: TagQuality
    normal_low: float | None = None
    normal_high: float | None = None
    outlier_score: float = 0.0
    step: str = ""
    related: tuple[str, ...] = ()


class MachineState(StationMessage, frozen=True, kw_only=True):
    """A machine's state over one interval: telemetry -> publisher, IoT Core.

    Many tags need several pages, numbered from 1: the same interval, `sequence` and scores, other values.
    """

    equipment_id: str
    line_id: str
    state_utc_ns: int
    status: str
    values: tuple[MachineValue, ...]
    outlier_score: float = 0.0
    outlier_cause: str = ""
    sequence: int = 0
    page: int = 1
    pages: int = 1


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong now, in words for the operator."""

    code: str
    text: str
    level: FaultLevel
    since_utc_ns: int


class StationHealth(StationMessage, frozen=True, kw_only=True):
    """How a component fares: each component -> IoT Core."""

    component: str
    version: str
    at_utc_ns: int
    ready: bool
    counters: dict[str, int] = {}
    gauges: dict[str, float] = {}
    faults: tuple[Fault, ...] = ()
    facts: dict[str, str] = {}


class Command(StationMessage, frozen=True, kw_only=True):
    """What the cloud asks of the station: IoT Core -> publisher, which allows or refuses it.

    `kind` is free text here, so that a kind this station does not know gets its answer, too.
    """

    command_id: str
    kind: str
    issued_by: str
    issued_utc_ns: int
    expires_utc_ns: int
    arguments: dict[str, CommandArgument] = {}


class CommandOutcome(StationMessage, frozen=True, kw_only=True):
    """What became of a command, once by its id, repeats with the same words: publisher -> IoT Core.

    `done`: in force; `accepted`: allowed and told to the component that carries it out, whose answer
    follows. `from_part`: the first part for which it is in force.
    """

    command_id: str
    kind: str
    issued_by: str
    result: CommandResult
    decided_utc_ns: int
    reason: str = ""
    from_part: Part | None = None


class CommandAccepted(StationMessage, frozen=True, kw_only=True):
    """A command that was allowed: publisher -> capture, inference, equipment.

    It may come more than once; `sequence` counts up with each command of the station.
    """

    command_id: str
    kind: CommandKind
    issued_by: str
    sequence: int
    accepted_utc_ns: int
    expires_utc_ns: int
    arguments: dict[str, CommandArgument] = {}


class CommandCarriedOut(StationMessage, frozen=True, kw_only=True):
    """What a component made of an accepted command: capture, inference -> publisher.

    It is told each time the command is. `from_part`: the first part for which it is in force.
    """

    command_id: str
    component: str
    result: CommandResult
    decided_utc_ns: int
    reason: str = ""
    from_part: Part | None = None


class StationMode(StationMessage, frozen=True, kw_only=True):
    """What the station may do, each second and at each change: publisher -> equipment.

    `paused`: parts are judged and recorded, but none is let through. `maintenance`: the same, and they
    are no production. `bypass`: each part is let through, whatever is found on it, where allowed.
    """

    mode: OperatingMode
    since_utc_ns: int
    command_id: str = ""


class CameraView(StationMessage, frozen=True, kw_only=True):
    """How a camera sees now, twice a second while somebody looks: capture -> IoT Core.

    `focus` is the variance of the Laplacian over all pixels of the luma, `brightness` its mean; the
    picture lies under its key in the evidence store, renewed with each view.
    """

    camera: str
    device: str
    sequence: int
    seen_utc_ns: int
    width: int
    height: int
    focus: float
    brightness: float
    picture_key: str
    out_of_range: tuple[str, ...] = ()
    shift_px: float | None = None
    mm_per_pixel: float | None = None
    reprojection_px: float | None = None
    calibration_version: str = ""
    reference_version: str = ""


class CameraCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """What a printed target showed of a camera: its scale, and how well the target's points fit.

    It holds for frames of this width and height only.
    """

    camera: str
    mm_per_pixel: float
    reprojection_px: float
    tilt_deg: float
    points: int
    calibrated_utc_ns: int
    width: int = 0
    height: int = 0


class GateTrial(msgspec.Struct, frozen=True, kw_only=True):
    """One dry-run part: what was ordered, what the PLC echoed and did, and how long each took."""

    number: int
    ordered: Literal["ok", "reject"]
    echoed: int | None
    acted: GateAction | None
    order_to_echo_ms: float | None
    order_to_act_ms: float | None
    cause: str = ""


class CommissioningStep(StationMessage, frozen=True, kw_only=True):
    """What a component made of a command of the commissioning: capture, equipment -> IoT Core."""

    command_id: str
    kind: str
    component: str
    result: StepResult
    at_utc_ns: int
    text: str
    version: str = ""
    calibrations: tuple[CameraCalibration, ...] = ()
    trials: tuple[GateTrial, ...] = ()
    positions: dict[str, str] = {}


class RecordBox(msgspec.Struct, frozen=True, kw_only=True):
    """A defect as the record lists it under its camera."""

    label: str
    score: float
    x: int
    y: int
    width: int
    height: int
    sizeMm: float | None = None


class MachineSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The machine's state as the record keeps it, with its age at the time of joining."""

    equipmentId: str
    status: str
    ageS: float
    values: dict[str, float | bool | str | None]
    outlierScore: float
    outlierCause: str


class InspectionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one part: publisher -> IoT Core. The first ten names are the customer's."""

    siteId: str
    timestamp: str
    productDetected: bool
    productionLineStatus: str
    conveyerBeltSpeed: float | None
    cam1: tuple[RecordBox, ...]
    cam2: tuple[RecordBox, ...]
    cam3: tuple[RecordBox, ...]
    cam4: tuple[RecordBox, ...]
    defectDetected: bool
    recordId: str
    stationId: str
    lineId: str
    epoch: int
    partNumber: int
    lot: str
    product: str
    verdict: Verdict
    reason: str
    gate: GateOutcome
    confidence: float | None
    defects: dict[str, int]
    models: tuple[ModelUse, ...]
    policyVersion: str
    calibrationVersion: str
    timings: StageTimings
    evidence: tuple[EvidencePicture, ...]
    machine: MachineSnapshot | None
    missingCameras: tuple[str, ...] = ()
    boxesOmitted: int = 0
    schemaVersion: int = 1
    mode: OperatingMode = "production"
    challenge: str = ""
    challengeResult: ChallengeResult = ""
    hold: str = ""
    heldBack: HoldRange | None = None
    otherCameras: dict[str, tuple[RecordBox, ...]] = {}
    frameSizes: dict[str, tuple[int, int]] = {}
    countedBy: CountedBy = "plc"
    thresholdBasis: ThresholdBasis | None = None
    gateConfirmation: GateConfirmation = "unknown"
    presence: Presence = "label"
    serial: str = ""


class GateCorrection(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate did, known only after the part's record was sent: publisher -> IoT Core.

    `correctionId` is the record's id and `/gate`. The last that came holds; a repeat changes nothing.
    """

    correctionId: str
    recordId: str
    stationId: str
    gate: GateAction
    acted_at_utc_ns: int
    schemaVersion: int = 1


class GapRecord(msgspec.Struct, frozen=True, kw_only=True):
    """More parts than are recorded one by one, which nobody saw: publisher -> IoT Core.

    It counts as one `missed` for each number of the epoch from `from` to `to`, both included.
    """

    gapId: str
    siteId: str
    stationId: str
    lineId: str
    timestamp: str
    epoch: int
    from_: int = msgspec.field(name="from")
    to: int
    reason: str
    product: str = ""
    lot: str = ""
    mode: OperatingMode = "production"
    schemaVersion: int = 1


class RecordsStored(StationMessage, frozen=True, kw_only=True):
    """What the cloud keeps from now on: cloud -> publisher, which forgets it only then.

    The ids are those of records (`recordId`), gate corrections (`correctionId`) and gaps (`gapId`).
    """

    record_ids: tuple[str, ...]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """What the cloud will never store, and why, in words."""

    record_id: str
    reason: str


class RecordsRefused(StationMessage, frozen=True, kw_only=True):
    """What the cloud will never store: cloud -> publisher, which sets it aside and goes on."""

    refused: tuple[DeadLetter, ...]


class Beat(StationMessage, frozen=True, kw_only=True):
    """A component's word to itself: where it is not heard, the component hears nothing else either."""

    component: str
    sequence: int
    incarnation: str = ""
