"""Records, states and health reports as a station would send them."""

from typing import Any

import msgspec

from sightline.messaging.messages import (
    EvidencePicture,
    Fault,
    GapRecord,
    GateAction,
    GateCorrection,
    InspectionRecord,
    MachineState,
    MachineValue,
    ModelUse,
    RecordBox,
    StageTimings,
    StationHealth,
)

THING = "station-1"
SCRATCH = RecordBox(label="scratch", score=0.91, x=600, y=300, width=80, height=40, sizeMm=12.5)
MODELS = (ModelUse(name="surface", digest="ab" * 32), ModelUse(name="cap", digest="cd" * 32))


def record(
    part_number: int, thing: str = THING, epoch: int = 7, **changes: Any
) -> InspectionRecord:
    """A good part's record, with what the test wants otherwise."""
    plain = InspectionRecord(
        siteId="plant-a",
        timestamp="2026-11-21T07:00:00.000Z",
        productDetected=True,
        productionLineStatus="running",
        conveyerBeltSpeed=0.4,
        cam1=(),
        cam2=(),
        cam3=(),
        cam4=(),
        defectDetected=False,
        recordId=f"{thing}-{epoch}-{part_number}",
        stationId=thing,
        lineId="line-1",
        epoch=epoch,
        partNumber=part_number,
        lot="L-1",
        product="bottle",
        verdict="ok",
        reason="no defect above the limits",
        gate="passed",
        confidence=0.97,
        defects={},
        models=MODELS,
        policyVersion="bottle-3",
        calibrationVersion="2026-11",
        timings=timings(100.0),
        evidence=(),
        machine=None,
    )
    return msgspec.structs.replace(plain, **changes)


def timings(model_ms: float, trigger_to_verdict_ms: float | None = 110.0) -> StageTimings:
    """Timings of a part with four pictures."""
    return StageTimings(
        model_ms=model_ms,
        per_image_ms=(20.0, 21.0, 22.0, 23.0),
        trigger_to_verdict_ms=trigger_to_verdict_ms,
    )


def defect(part_number: int, **changes: Any) -> InspectionRecord:
    """A part with a scratch on camera 2, and its picture kept."""
    picture = EvidencePicture(camera="cam2", key=f"{THING}/7/{part_number}/cam2.jpg")
    wanted = {
        "verdict": "defect",
        "gate": "rejected",
        "defectDetected": True,
        "reason": "scratch above the reject limit",
        "cam2": (SCRATCH,),
        "evidence": (picture,),
        **changes,
    }
    return record(part_number, **wanted)


def correction(
    part_number: int, gate: GateAction = "rejected", acted_at_utc_ns: int = 9
) -> GateCorrection:
    """What the gate did with a part, known after its record."""
    record_id = f"{THING}-7-{part_number}"
    return GateCorrection(
        correctionId=f"{record_id}/gate",
        recordId=record_id,
        stationId=THING,
        gate=gate,
        acted_at_utc_ns=acted_at_utc_ns,
    )


def gap(first: int, last: int, **changes: Any) -> GapRecord:
    """Parts that nobody saw."""
    plain = GapRecord(
        gapId=f"{THING}-7-{first}-{last}",
        siteId="plant-a",
        stationId=THING,
        lineId="line-1",
        timestamp="2026-11-21T07:00:00.000Z",
        epoch=7,
        from_=first,
        to=last,
        reason="nobody saw them",
    )
    return msgspec.structs.replace(plain, **changes)


def machine_state(state_utc_ns: int, vibration: float = 1.7) -> MachineState:
    """The conveyor's state."""
    return MachineState(
        station_id=THING,
        equipment_id="conveyor-1",
        line_id="line-1",
        state_utc_ns=state_utc_ns,
        status="running",
        values=(
            MachineValue(
                tag="vibration",
                value=vibration,
                unit="mm/s",
                quality="good",
                normal_low=0.5,
                normal_high=3.5,
            ),
        ),
    )


def health(component: str, at_utc_ns: int, ready: bool = True, fault: str = "") -> StationHealth:
    """A component's report."""
    faults = (Fault(code="plc-away", text=fault, level="fault", since_utc_ns=1),) if fault else ()
    return StationHealth(
        station_id=THING,
        component=component,
        version="0.1.0",
        at_utc_ns=at_utc_ns,
        ready=ready,
        counters={"records_sent": 3},
        faults=faults,
    )
