"""One full example of every message: no field has its default."""

import msgspec

from sightline.messaging import messages as m
from tests.contract.messages.command_examples import COMMANDS
from tests.contract.messages.commissioning_examples import COMMISSIONING

BOOT = "6f1c2a9e-5a53-4c0e-9a6e-0d8f0a3b7c11"
TRIGGERED_UTC_NS = 1_790_000_000_000_000_000
TRIGGERED_NS = 98_765_432_100
DEADLINE_NS = TRIGGERED_NS + 1_500_000_000
PART = m.Part(3, 1207)
CAMERAS = ("cam1", "cam2", "cam3")


def _frame(index: int, camera: str) -> m.FrameRef:
    return m.FrameRef(
        incarnation=4_503_599_627_370_495,
        camera=camera,
        slot=5,
        generation=1205,
        width=1280,
        height=720,
        pixel_format="UYVY",
        sequence=1206,
        captured_monotonic_ns=TRIGGERED_NS + index * 1_000,
    )


def _detection(camera: str, label: str, score: float, model: str) -> m.Detection:
    return m.Detection(
        camera=camera,
        label=label,
        score=score,
        x=412,
        y=96,
        width=58,
        height=21,
        model=model,
        size_mm=7.25,
    )


TIMINGS = m.StageTimings(
    capture_ms=6.5,
    queue_ms=0.4,
    preprocess_ms=3.25,
    model_ms=41.75,
    decode_ms=1.5,
    commit_ms=0.8,
    per_image_ms=(11.5, 11.75, 11.25, 12.0),
    trigger_to_verdict_ms=68.5,
    trigger_to_gate_ms=1210.5,
    trigger_to_deadline_ms=1500.0,
)
MODELS = (
    m.ModelUse(name="surface", digest="a" * 64),
    m.ModelUse(name="cap", digest="b" * 64),
)
EVIDENCE = tuple(
    m.EvidencePicture(camera=camera, key=f"station-1/3/1207/{camera}.jpg") for camera in CAMERAS
)
HELD_BACK = m.HoldRange(hold="3-1207", first=m.Part(3, 801), last=PART)
THRESHOLD_BASIS = m.ThresholdBasis(
    scores={"cap_missing": 0.99, "scratch": 0.91}, min_score=0.2, otherwise="review"
)
PART_JUDGED = m.PartJudged(
    station_id="station-1",
    part=PART,
    verdict="defect",
    reason="scratch on cam1 0.91 over 0.5",
    product_detected=True,
    triggered_utc_ns=TRIGGERED_UTC_NS,
    triggered_monotonic_ns=TRIGGERED_NS,
    deadline_monotonic_ns=DEADLINE_NS,
    boot_id=BOOT,
    judged_utc_ns=TRIGGERED_UTC_NS + 70_000_000,
    detections=(
        _detection("cam1", "scratch", 0.91, "surface"),
        _detection("cam2", "dent", 0.75, "surface"),
        _detection("cam3", "cap_missing", 0.99, "cap"),
    ),
    detections_omitted=2,
    models=MODELS,
    policy_version="policy-7",
    calibration_version="2026-09-01",
    product="bottle-500",
    lot="L-0042",
    missing_cameras=("cam4",),
    timings=TIMINGS,
    evidence=EVIDENCE,
    replayed=True,
    follows=m.Part(3, 1206),
    challenge="scratch",
    challenge_result="passed",
    hold="3-1207",
    held_back=HELD_BACK,
    product_labels=("cap_present",),
    presence="always",
    serial="SN-000481",
    counted_by="plc",
    gap_from=1207,
    frame_sizes={"cam1": (1280, 720), "cam2": (1280, 720), "cam3": (1920, 1080)},
    threshold_basis=THRESHOLD_BASIS,
)
_BOX = m.RecordBox(label="scratch", score=0.91, x=412, y=96, width=58, height=21, sizeMm=7.25)
_FAULT = m.Fault(
    code="camera-away",
    text="cam4 gives no frame",
    level="warning",
    since_utc_ns=TRIGGERED_UTC_NS,
)

EXAMPLES: tuple[msgspec.Struct, ...] = (
    m.PartTriggered(
        station_id="station-1",
        counter=1207,
        counted_utc_ns=TRIGGERED_UTC_NS,
        received_monotonic_ns=TRIGGERED_NS,
        boot_id=BOOT,
        delay_ms=12.5,
        belt_speed_mps=0.5,
        product="bottle-500",
        lot="L-0042",
    ),
    m.CounterAnnounced(station_id="station-1", counter=1207, counted_utc_ns=TRIGGERED_UTC_NS),
    m.PartCaptured(
        station_id="station-1",
        part=PART,
        triggered_utc_ns=TRIGGERED_UTC_NS,
        triggered_monotonic_ns=TRIGGERED_NS,
        captured_monotonic_ns=TRIGGERED_NS + 6_500_000,
        deadline_monotonic_ns=DEADLINE_NS,
        boot_id=BOOT,
        frames=tuple(_frame(index, camera) for index, camera in enumerate(CAMERAS)),
        missing_cameras=("cam4",),
        conditions=(
            m.CaptureConditions(
                camera="cam1",
                brightness=121.5,
                sharpness=88.25,
                exposure_us=2000,
                out_of_range=("brightness",),
                saturation=31.5,
                shift_px=4.2,
            ),
        ),
        calibration_version="2026-09-01",
        product="bottle-500",
        lot="L-0042",
        first_number=1001,
        product_version="7",
        challenge="scratch",
        counted_by="plc",
        unphotographed="its trigger was told 350 ms late",
        ended_before=m.Part(2, 65535),
        continues=True,
    ),
    m.PartsAnnounced(
        station_id="station-1",
        last=PART,
        deadline_monotonic_ns=DEADLINE_NS,
        boot_id=BOOT,
        first_number=1001,
        product="bottle-500",
        product_version="7",
        lot="L-0042",
        counted_by="plc",
        ended_before=m.Part(2, 65535),
        continues=True,
    ),
    PART_JUDGED,
    m.GateActed(
        station_id="station-1",
        part_number=1207,
        action="rejected",
        acted_utc_ns=TRIGGERED_UTC_NS + 1_500_000_000,
        cause="verdict",
        awaits_confirmation=True,
        counted_utc_ns=TRIGGERED_UTC_NS,
    ),
    m.GateConfirmed(
        station_id="station-1",
        part_number=1207,
        acted_utc_ns=TRIGGERED_UTC_NS + 1_500_000_000,
        confirmation="not_arrived",
    ),
    m.PartSettled(station_id="station-1", up_to=PART, begins=True),
    m.RecordsStored(station_id="station-1", record_ids=("station-1-3-1206", "station-1-3-1207")),
    m.MachineSamples(
        station_id="station-1",
        equipment_id="conveyor-1",
        line_id="line-1",
        sequence=77,
        sampled_utc_ns=TRIGGERED_UTC_NS,
        samples=(
            m.TagSample(
                tag="belt_speed",
                value=0.5,
                unit="m/s",
                quality="good",
                source_utc_ns=TRIGGERED_UTC_NS,
            ),
            m.TagSample(
                tag="line_running",
                value=True,
                unit="",
                quality="good",
                source_utc_ns=TRIGGERED_UTC_NS,
            ),
            m.TagSample(
                tag="air_pressure",
                value=None,
                unit="bar",
                quality="bad",
                source_utc_ns=TRIGGERED_UTC_NS,
            ),
        ),
        batches_to_come=1,
    ),
    m.MachineState(
        station_id="station-1",
        equipment_id="conveyor-1",
        line_id="line-1",
        state_utc_ns=TRIGGERED_UTC_NS,
        status="running",
        values=(
            m.MachineValue(
                tag="vibration",
                value=4.75,
                unit="mm/s",
                quality="good",
                normal_low=0.5,
                normal_high=3.5,
                outlier_score=6.5,
                step="transport",
                related=("motor_current", "belt_speed"),
            ),
        ),
        outlier_score=6.5,
        outlier_cause="vibration",
        sequence=78,
        page=2,
        pages=3,
    ),
    m.StationHealth(
        station_id="station-1",
        component="com.sightline.Capture",
        version="0.1.0",
        at_utc_ns=TRIGGERED_UTC_NS,
        ready=True,
        counters={"parts": 1207},
        gauges={"inbox_depth": 2.0},
        faults=(_FAULT,),
        facts={"product": "bottle-500", "lot": "L-0042"},
    ),
    m.InspectionRecord(
        siteId="site-1",
        timestamp="2026-09-21T14:13:20.000Z",
        productDetected=True,
        productionLineStatus="running",
        conveyerBeltSpeed=0.5,
        cam1=(_BOX,),
        cam2=(msgspec.structs.replace(_BOX, label="dent", score=0.75),),
        cam3=(msgspec.structs.replace(_BOX, label="cap_missing", score=0.99),),
        cam4=(),
        defectDetected=True,
        recordId="station-1-3-1207",
        stationId="station-1",
        lineId="line-1",
        epoch=3,
        partNumber=1207,
        lot="L-0042",
        product="bottle-500",
        verdict="defect",
        reason="scratch on cam1 0.91 over 0.5",
        gate="rejected",
        confidence=0.99,
        defects={"scratch": 1, "dent": 1, "cap_missing": 1},
        models=MODELS,
        policyVersion="policy-7",
        calibrationVersion="2026-09-01",
        timings=TIMINGS,
        evidence=EVIDENCE,
        machine=m.MachineSnapshot(
            equipmentId="conveyor-1",
            status="running",
            ageS=0.5,
            values={"belt_speed": 0.5, "line_running": True, "air_pressure": None},
            outlierScore=6.5,
            outlierCause="vibration",
        ),
        missingCameras=("cam4",),
        boxesOmitted=2,
        mode="paused",
        challenge="scratch",
        challengeResult="passed",
        hold="3-1207",
        heldBack=HELD_BACK,
        otherCameras={"top": (msgspec.structs.replace(_BOX, x=1400),)},
        frameSizes={"cam1": (1280, 720), "top": (1920, 1080)},
        countedBy="station",
        thresholdBasis=THRESHOLD_BASIS,
        gateConfirmation="not_arrived",
        presence="always",
        serial="SN-000481",
    ),
    m.GateCorrection(
        correctionId="station-1-3-1207/gate",
        recordId="station-1-3-1207",
        stationId="station-1",
        gate="rejected",
        acted_at_utc_ns=TRIGGERED_UTC_NS + 1_500_000_000,
    ),
    m.GapRecord(
        gapId="station-1-3-1208-20000",
        siteId="site-1",
        stationId="station-1",
        lineId="line-1",
        timestamp="2026-09-21T14:13:20.000Z",
        epoch=3,
        from_=1208,
        to=20000,
        reason="no pictures of these parts came",
        product="bottle-500",
        lot="L-0042",
        mode="bypass",
    ),
    m.RecordsRefused(
        station_id="station-1",
        refused=(m.DeadLetter(record_id="station-1-3-1206", reason="partNumber is -1"),),
    ),
    m.Beat(
        station_id="station-1",
        component="com.sightline.Capture",
        sequence=12,
        incarnation="5f0c",
    ),
    *COMMANDS,
    *COMMISSIONING,
)
