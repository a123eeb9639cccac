"""A replay is compared with its references field by field, each with its named tolerance."""

import copy
from typing import Any

import pytest

from hil.replay.field_tolerances import COMPARED_STREAMS, find_tolerance
from hil.replay.message_comparison import compare_messages
from hil.replay.segment import RecordedMessage
from sightline.messaging.topics import CATALOGUE

JUDGED: dict[str, Any] = {
    "station_id": "station-1",
    "part": {"epoch": 1, "part_number": 7},
    "verdict": "defect",
    "reason": "scratch",
    "judged_utc_ns": 1,
    "timings": {"model_ms": 20.0},
    "detections": [
        {"camera": "cam1", "label": "scratch", "model": "surface", "score": 0.91}
        | {"x": 100, "y": 50, "width": 40, "height": 20},
        {"camera": "cam1", "label": "scratch", "model": "surface", "score": 0.90}
        | {"x": 700, "y": 60, "width": 40, "height": 20},
    ],
}


def judged(**changes: Any) -> RecordedMessage:
    """The reference with fields changed; `a__0__b` names a place within."""
    message = copy.deepcopy(JUDGED)
    for name, value in changes.items():
        *way, last = [int(step) if step.isdigit() else step for step in name.split("__")]
        place: Any = message
        for step in way:
            place = place[step]
        place[last] = value
    return RecordedMessage("PartJudged", 5, message)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"station_id": "station-2"},
        {"part__epoch": 9},
        {"judged_utc_ns": 77},
        {"timings__model_ms": 900.0},
        {"detections__0__score": 0.925},
        {"detections__0__x": 103},
        {"added_since": True},
        {"detections": JUDGED["detections"][::-1]},
    ],
)
def test_what_another_run_may_change_is_no_difference(changes: dict[str, Any]) -> None:
    assert compare_messages([judged()], [judged(**changes)]) == []


@pytest.mark.parametrize(
    ("changes", "path", "tolerance"),
    [
        ({"verdict": "ok"}, "verdict", "exact"),
        ({"detections__0__score": 0.94}, "detections[0].score", "score"),
        ({"detections__1__y": 64}, "detections[1].y", "box"),
        ({"detections__1__label": "dent"}, "detections[1]", "exact"),
        ({"detections": JUDGED["detections"][:1]}, "detections[1]", "exact"),
    ],
)
def test_what_is_beyond_its_tolerance_is_named_with_it(
    changes: dict[str, Any], path: str, tolerance: str
) -> None:
    found = compare_messages([judged()], [judged(**changes)])
    assert (path, tolerance) in {(one.path, one.tolerance) for one in found}
    assert all("part 7 PartJudged" in str(one) for one in found)


def test_a_part_on_one_side_only_is_a_difference() -> None:
    other = judged(part__part_number=8)
    assert [one.part_number for one in compare_messages([judged()], [judged(), other])] == [8]
    assert [one.part_number for one in compare_messages([judged(), other], [judged()])] == [8]


def test_of_a_message_that_was_told_again_the_first_counts() -> None:
    assert compare_messages([judged()], [judged(), judged(verdict="ok", replayed=True)]) == []


def test_other_pixels_are_a_difference() -> None:
    one = RecordedMessage("PartCaptured", 1, {"part": {"part_number": 7}}, {"cam1": "aa"})
    other = RecordedMessage("PartCaptured", 1, {"part": {"part_number": 7}}, {"cam1": "bb"})
    (found,) = compare_messages([one], [other])
    assert (found.path, found.reference, found.found) == ("pixels[0][1]", "aa", "bb")


def test_every_tolerance_is_of_a_stream_of_the_catalogue() -> None:
    assert set(COMPARED_STREAMS) <= {stream.name for stream in CATALOGUE}
    assert find_tolerance("PartJudged", "timings.per_image_ms[]").name == "timing"
    assert find_tolerance("PartJudged", "product").name == "exact"


def a_record(**boxes: list[dict[str, Any]]) -> RecordedMessage:
    """The record of a part with boxes on cameras beyond the customer's four."""
    return RecordedMessage("InspectionRecord", 5, {"partNumber": 7, "otherCameras": boxes})


BOXES: list[dict[str, Any]] = [
    {"label": "scratch", "score": 0.9, "x": 1, "y": 2, "width": 30, "height": 4},
    {"label": "scratch", "score": 0.8, "x": 500, "y": 2, "width": 30, "height": 4},
]


def test_boxes_of_a_fifth_camera_have_the_tolerances_of_the_first_four() -> None:
    near = [{**box, "score": box["score"] + 0.01, "x": box["x"] + 2} for box in BOXES]
    assert compare_messages([a_record(cam5=BOXES)], [a_record(cam5=near[::-1])]) == []
    far = [{**BOXES[0], "x": 40}, BOXES[1]]
    (found,) = compare_messages([a_record(cam5=BOXES)], [a_record(cam5=far)])
    assert (found.path, found.tolerance) == ("otherCameras.cam5[0].x", "box")
    assert compare_messages([a_record(cam5=BOXES)], [a_record(cam6=BOXES)])
