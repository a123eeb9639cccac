"""What a record says, field by field, and what is cut where it does not fit a message."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from publisher.inspection_record import (
    RecordOrigin,
    build_record,
    format_iso_utc,
    shrink_record_to_fit,
)
from sightline.messaging.codec import MAX_MESSAGE_BYTES, encode, encode_of_any_size
from sightline.messaging.messages import (
    Detection,
    EvidencePicture,
    InspectionRecord,
    MachineState,
    MachineValue,
    ModelUse,
    PartJudged,
    RecordBox,
    StageTimings,
    ThresholdBasis,
)
from tests.unit.publisher.publisher_kit import (
    EPOCH,
    SECOND_NS,
    STATION,
    TRIGGERED_UTC_NS,
    a_box,
    a_machine_state,
    a_verdict,
)

GOLDEN = Path(__file__).parent / "golden"
JOINED_UTC_NS = TRIGGERED_UTC_NS + SECOND_NS
PLACE = RecordOrigin("plant-7", "line-1", "belt_speed", frozenset({"cap_present"}))
CUSTOMER_FIELDS = [
    "siteId",
    "timestamp",
    "productDetected",
    "productionLineStatus",
    "conveyerBeltSpeed",
    "cam1",
    "cam2",
    "cam3",
    "cam4",
    "defectDetected",
]


def a_scratched_part() -> PartJudged:
    return a_verdict(
        17,
        verdict="defect",
        reason="scratch 1.5 mm on cam1",
        detections=(
            a_box("scratch", 0.91, "cam1"),
            a_box("dent", 0.55, "cam3"),
            a_box("cap_present", 0.99, "cam1"),
            a_box("scratch", 0.4, "cam9"),
        ),
        detections_omitted=2,
        models=(ModelUse(name="surface", digest="5f" * 32),),
        policy_version="bottle-3",
        product_labels=("cap_present",),
        frame_sizes={"cam1": (1280, 720), "cam9": (640, 480)},
        calibration_version="2026-01-05",
        product="bottle-500",
        lot="L-0042",
        missing_cameras=("cam4",),
        timings=StageTimings(capture_ms=12.5, model_ms=80.0, per_image_ms=(101.0, 99.5)),
        evidence=(EvidencePicture(camera="cam1", key=f"{STATION}/{EPOCH}/17/cam1.jpg"),),
    )


def test_a_record_is_field_by_field_the_golden_one() -> None:
    record = build_record(a_scratched_part(), "rejected", a_machine_state(), PLACE, JOINED_UTC_NS)
    written = json.loads((GOLDEN / "inspection_record.json").read_text(encoding="utf-8"))
    assert json.loads(encode(record)) == written
    assert list(written)[: len(CUSTOMER_FIELDS)] == CUSTOMER_FIELDS


def test_a_part_of_which_nothing_is_known_but_its_verdict_has_a_golden_record_too() -> None:
    missed = a_verdict(18, verdict="missed", reason="not judged in time", product_detected=False)
    record = build_record(missed, "unconfirmed", None, PLACE, JOINED_UTC_NS)
    written = json.loads((GOLDEN / "inspection_record_missed.json").read_text(encoding="utf-8"))
    assert json.loads(encode(record)) == written


@pytest.mark.parametrize(
    ("utc_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (TRIGGERED_UTC_NS, "2026-01-31T06:00:00.123Z"),
        (1_709_251_199_999_999_999, "2024-02-29T23:59:59.999Z"),
    ],
)
def test_a_timestamp_is_in_utc_with_milliseconds_that_are_never_rounded_up(
    utc_ns: int, text: str
) -> None:
    assert format_iso_utc(utc_ns) == text


def test_a_belt_speed_that_is_not_good_is_not_told() -> None:
    state = MachineState(
        station_id=STATION,
        equipment_id="conveyor-1",
        line_id="line-1",
        state_utc_ns=TRIGGERED_UTC_NS,
        status="unknown",
        values=(MachineValue(tag="belt_speed", value=0.5, unit="m/s", quality="stale"),),
    )
    assert build_record(a_verdict(1), "passed", state, PLACE, 0).conveyerBeltSpeed is None


def test_boxes_of_the_lowest_scores_are_cut_first_and_counted() -> None:
    boxes = tuple(
        a_box("scratch", round(0.2 + index / 200, 3), f"cam{index % 4 + 1}") for index in range(100)
    )
    judged = a_verdict(1, verdict="defect", detections=boxes)
    record = build_record(judged, "rejected", a_machine_state(), PLACE, JOINED_UTC_NS)
    assert len(encode(record)) <= MAX_MESSAGE_BYTES
    shown = [box.score for camera in "1234" for box in getattr(record, f"cam{camera}")]
    assert shown
    assert record.boxesOmitted == len(boxes) - len(shown)
    assert sorted(shown) == sorted(box.score for box in boxes)[-len(shown) :]
    assert record.defects == {"scratch": 100}
    assert record.confidence == max(box.score for box in boxes)
    assert record.machine is not None
    assert len(record.machine.values) == 2


def test_machine_values_are_cut_when_there_are_no_boxes_left() -> None:
    values = tuple(
        MachineValue(tag=f"a-reading-with-a-long-name-{index}", value=1.5, unit="", quality="good")
        for index in range(300)
    )
    state = MachineState(
        station_id=STATION,
        equipment_id="conveyor-1",
        line_id="line-1",
        state_utc_ns=TRIGGERED_UTC_NS,
        status="running",
        values=values,
    )
    judged = a_verdict(1, verdict="defect", detections=(a_box(),))
    record = build_record(judged, "rejected", state, PLACE, JOINED_UTC_NS)
    assert len(encode(record)) <= MAX_MESSAGE_BYTES
    assert record.boxesOmitted == 1
    assert record.machine is not None
    assert 0 < len(record.machine.values) < 300


texts = st.text(max_size=1500)
boxes = st.builds(
    Detection,
    camera=st.sampled_from(["cam1", "cam2", "cam3", "cam4", "cam9"]) | st.text(max_size=30),
    label=st.text(max_size=60),
    score=st.floats(0, 1),
    x=st.integers(0, 8192),
    y=st.integers(0, 8192),
    width=st.integers(0, 8192),
    height=st.integers(0, 8192),
    model=st.text(max_size=20),
)
verdicts = st.builds(
    lambda **changes: a_verdict(3, **changes),
    reason=texts,
    detections=st.lists(boxes, max_size=80).map(tuple),
    models=st.lists(
        st.builds(
            ModelUse, name=st.text(max_size=200) | st.just("m" * 5000), digest=st.just("0" * 64)
        ),
        max_size=20,
    ).map(tuple),
    policy_version=texts,
    calibration_version=texts,
    product=texts,
    lot=texts,
    missing_cameras=st.lists(st.text(max_size=60), max_size=60).map(tuple),
    evidence=st.lists(
        st.builds(EvidencePicture, camera=st.text(max_size=30), key=st.text(max_size=60)),
        max_size=40,
    ).map(tuple),
    timings=st.builds(
        StageTimings, per_image_ms=st.lists(st.floats(0, 1e9), max_size=300).map(tuple)
    ),
    hold=texts,
    challenge=texts,
    frame_sizes=st.dictionaries(
        st.text(max_size=64), st.tuples(st.integers(1, 8192), st.integers(1, 8192)), max_size=8
    ),
)


@settings(max_examples=150, deadline=None)
@given(judged=verdicts)
def test_every_verdict_that_a_message_can_carry_has_a_record_that_a_message_can_carry(
    judged: PartJudged,
) -> None:
    if len(encode_of_any_size(judged)) > MAX_MESSAGE_BYTES:
        return
    record = build_record(judged, "passed", a_machine_state(), PLACE, JOINED_UTC_NS)
    assert len(encode(record)) <= MAX_MESSAGE_BYTES
    shown = sum(len(getattr(record, f"cam{camera}")) for camera in "1234")
    shown += sum(len(boxes) for boxes in record.otherCameras.values())
    no_defects = judged.product_labels if judged.policy_version else ("cap_present",)
    defects = sum(found.label not in no_defects for found in judged.detections)
    assert record.boxesOmitted + shown == defects


def test_a_machine_of_a_long_status_keeps_no_record_from_its_message() -> None:
    machine = replace(a_machine_state(), status="é" * 3000, values=())
    record = build_record(a_verdict(1), "passed", machine, PLACE, TRIGGERED_UTC_NS)
    assert len(encode(record)) <= MAX_MESSAGE_BYTES
    assert record.productionLineStatus == "é" * 64


def test_what_shows_the_product_of_this_part_is_no_defect() -> None:
    lid, dent = a_box("lid", 0.99), a_box("dent", 0.7)
    judged = a_verdict(1, detections=(lid, dent), product_labels=("lid",))
    record = build_record(judged, "rejected", None, PLACE, TRIGGERED_UTC_NS)
    assert record.defects == {"dent": 1}
    assert [box.label for box in record.cam1] == ["dent"]
    assert record.confidence == 0.7


def boxes_of(record: InspectionRecord) -> dict[str, list[RecordBox]]:
    of_camera = {f"cam{n}": list(getattr(record, f"cam{n}")) for n in "1234"}
    return of_camera | {camera: list(found) for camera, found in record.otherCameras.items()}


def test_a_defect_that_only_the_fifth_camera_sees_is_in_the_record() -> None:
    judged = a_verdict(1, verdict="defect", detections=(a_box(camera="cam5"),))
    record = build_record(judged, "rejected", None, PLACE, TRIGGERED_UTC_NS)
    assert [box.label for box in record.otherCameras["cam5"]] == ["scratch"]
    assert (record.boxesOmitted, record.confidence) == (0, 0.9)


@settings(max_examples=100, deadline=None)
@given(
    cameras=st.lists(
        st.sampled_from(["cam1", "cam4"]) | st.text(min_size=1, max_size=64),
        unique=True,
        max_size=8,
    ),
    data=st.data(),
)
def test_boxes_in_the_record_and_those_omitted_are_all_defects_of_all_cameras(
    cameras: list[str], data: st.DataObject
) -> None:
    scores = data.draw(st.lists(st.floats(0, 1), max_size=120)) if cameras else []
    found = tuple(
        a_box("scratch", score, cameras[place % len(cameras)]) for place, score in enumerate(scores)
    )
    sizes = dict.fromkeys(cameras, (1920, 1080))
    judged = a_verdict(1, verdict="defect", detections=found, frame_sizes=sizes)
    record = build_record(judged, "rejected", a_machine_state(), PLACE, JOINED_UTC_NS)
    assert len(encode(record)) <= MAX_MESSAGE_BYTES
    shown = [box.score for boxes in boxes_of(record).values() for box in boxes]
    assert record.boxesOmitted + len(shown) == len(found)
    assert sorted(shown) == sorted(scores)[len(scores) - len(shown) :]
    assert record.defects == ({"scratch": len(found)} if found else {})
    if shown:
        assert record.frameSizes == sizes
        assert {name for name, boxes in boxes_of(record).items() if boxes} <= set(cameras)


def test_a_product_whose_defect_is_called_like_the_stations_product_label_keeps_its_defects() -> (
    None
):
    found = (a_box("cap_present"), a_box("bottle", 0.99))
    for labels, version in ((("bottle",), "lids-2"), (("bottle",), ""), ((), "lids-2")):
        judged = a_verdict(
            1, verdict="defect", detections=found, product_labels=labels, policy_version=version
        )
        record = build_record(judged, "rejected", None, PLACE, TRIGGERED_UTC_NS)
        assert record.defects["cap_present"] == 1
        assert "cap_present" in {box.label for box in record.cam1}


def test_a_verdict_that_names_no_policy_has_the_stations_product_labels() -> None:
    judged = a_verdict(1, detections=(a_box("cap_present"), a_box("dent")))
    record = build_record(judged, "rejected", None, PLACE, TRIGGERED_UTC_NS)
    assert record.defects == {"dent": 1}


@pytest.mark.parametrize("utc_ns", [-(2**63), -1, 2**63, 2**64, 10**30])
def test_a_time_that_no_clock_can_mean_ends_no_record(utc_ns: int) -> None:
    record = build_record(a_verdict(1, triggered_utc_ns=utc_ns), "passed", None, PLACE, 0)
    assert len(record.timestamp) == len("2026-01-31T06:00:00.123Z")


def test_the_record_says_in_which_size_its_boxes_are_and_who_counted_the_part() -> None:
    judged = a_verdict(1, frame_sizes={"cam1": (1920, 1080)}, counted_by="station")
    record = build_record(judged, "unconfirmed", None, PLACE, 0)
    assert (record.frameSizes, record.countedBy) == ({"cam1": (1920, 1080)}, "station")


def test_the_least_boxes_are_cut_first_whichever_camera_they_are_of() -> None:
    cameras = ("cam1", "cam3", "north", "south")
    boxes = tuple(
        a_box("scratch", round(0.2 + index / 200, 3), cameras[index % 4]) for index in range(120)
    )
    record = build_record(
        a_verdict(1, verdict="defect", detections=boxes), "rejected", None, PLACE, JOINED_UTC_NS
    )
    assert len(encode(record)) <= MAX_MESSAGE_BYTES
    shown = sorted(box.score for found in boxes_of(record).values() for box in found)
    assert 0 < len(shown) < len(boxes)
    assert record.boxesOmitted + len(shown) == len(boxes)
    assert shown == sorted(box.score for box in boxes)[-len(shown) :]
    assert all(boxes_of(record)[camera] for camera in cameras)


def test_the_scores_behind_a_verdict_go_into_the_record_and_leave_it_before_any_box() -> None:
    basis = ThresholdBasis(scores={"scratch": 0.91}, min_score=0.2, otherwise="ok")
    judged = replace(a_scratched_part(), threshold_basis=basis)
    record = build_record(judged, "rejected", a_machine_state(), PLACE, JOINED_UTC_NS)
    assert record.thresholdBasis == basis
    without = replace(record, thresholdBasis=None)
    assert shrink_record_to_fit(record, len(encode(record)) - 1) == without
