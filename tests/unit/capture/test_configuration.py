"""The configuration of capture: wrong values are refused where they stand, new ones take effect."""

import resource
from pathlib import Path
from typing import Any

import pytest

from capture.configuration import CaptureConfiguration
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.configuration import load_configuration
from sightline.errors import ConfigurationError
from sightline.imaging.frame_ring import ring_path
from tests.unit.capture.capture_kit import CAMERAS, CaptureUnderTest, plain_picture, save_picture
from tests.unit.capture.conftest import StartStation


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"cameras": []}, "/cameras"),
        ({"cameras": ["../cam"]}, "/cameras/"),
        ({"frame": {"width": 1281}}, "/frame/width"),
        ({"frame": {"height": 0}}, "/frame/height"),
        ({"ringSlots": 1}, "/ringSlots"),
        ({"source": {"kind": "telepathy"}}, "/source/kind"),
        ({"source": {"kind": "images", "folder": ""}}, "/source/folder"),
        ({"trigger": {"kind": "interval", "intervalMs": 0}}, "/trigger/intervalMs"),
        ({"distanceToGateMm": -1}, "/distanceToGateMm"),
        ({"beltSpeedMps": "fast"}, "/beltSpeedMps"),
        ({"deadlineMs": 0}, "/deadlineMs"),
        ({"conditions": {"minBrightness": 300}}, "/conditions/minBrightness"),
        ({"lot": "x" * 65}, "/lot"),
        ({"source": {"kind": "v4l2"}}, "/source"),
        ({"source": {"kind": "v4l2", "cameras": {"cam1": {}}}}, "/source/cameras/"),
        ({"source": {"kind": "v4l2", "cameras": {}, "pixelFormat": "MJPG"}}, "/source/pixelFormat"),
        (
            {"source": {"kind": "v4l2", "cameras": {}, "controls": {"Frame Sync": 1}}},
            "/source/cont",
        ),
        ({"source": {"kind": "v4l2", "cameras": {}, "matching": {"beforeMs": -1}}}, "/beforeMs"),
        ({"trigger": {"kind": "gpio", "debounceMs": -1}}, "/trigger/debounceMs"),
        ({"trigger": {"kind": "gpio", "bias": "up"}}, "/trigger/bias"),
        ({"conditions": {"reference": {"folder": ""}}}, "/conditions/reference/folder"),
        ({"camera": "cam1"}, "camera"),
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(values: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_configuration(CaptureConfiguration, values)
    assert pointer in str(refused.value)


def test_two_cameras_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="names cam1 twice"):
        load_configuration(CaptureConfiguration, {"cameras": ["cam1", "cam2", "cam1"]})


def test_a_camera_without_a_node_and_two_on_one_node_are_refused() -> None:
    cameras = {"cam1": {"node": "/dev/video0"}}
    source = {"kind": "v4l2", "cameras": cameras}
    with pytest.raises(ConfigurationError, match="no node for cam2"):
        load_configuration(CaptureConfiguration, {"cameras": ["cam1", "cam2"], "source": source})
    cameras["cam2"] = {"node": "/dev/video0"}
    with pytest.raises(ConfigurationError, match="cam1 and cam2 both have the node"):
        load_configuration(CaptureConfiguration, {"cameras": ["cam1", "cam2"], "source": source})


def test_controls_are_taken_by_name_and_by_number_and_written_as_text() -> None:
    cameras = {"cam1": {"node": "/dev/video0", "controls": {"frame_sync": "1"}}}
    source = {"kind": "v4l2", "cameras": cameras, "controls": {"0x9a092a": "0", "frame_sync": 0}}
    taken = load_configuration(CaptureConfiguration, {"cameras": ["cam1"], "source": source})
    assert isinstance(taken.source, V4l2Configuration)
    assert taken.source.controls_for("cam1") == {"0x9a092a": 0, "frame_sync": 1}


def test_a_ring_slot_holds_a_frame_of_every_format(start_station: StartStation) -> None:
    source = {"kind": "v4l2", "cameras": {"cam1": {"node": "/dev/no-such-camera"}}}
    for pixel_format, frame_bytes in (("RGB24", 3072), ("GREY", 1024), ("NV12", 1536)):
        station = start_station(
            cameras=["cam1"],
            frame={"width": 32, "height": 32},
            source={**source, "pixelFormat": pixel_format},
        )
        ring = ring_path(station.name).stat().st_size
        slots = 2 * (4096 + -(-frame_bytes // 4096) * 4096)
        assert ring == 4096 + slots
        station.capture.close()


def test_limits_that_no_frame_could_meet_are_refused() -> None:
    values = {"conditions": {"minBrightness": 200, "maxBrightness": 100}}
    with pytest.raises(ConfigurationError, match="at /conditions: minBrightness is above"):
        load_configuration(CaptureConfiguration, values)


def test_a_part_of_eight_cameras_with_the_longest_names_fits_a_packet(
    start_station: StartStation, tmp_path: Path
) -> None:
    save_picture(tmp_path / "pictures" / "one.png", plain_picture(0, 0, 0))
    cameras = [f"{'c' * 31}{n}" for n in range(8)]
    texts = dict.fromkeys(("product", "lot", "calibrationVersion"), "\U0001f37e" * 64)
    station = start_station(cameras=cameras, **texts)
    station.trigger(1)
    assert len(station.captured[0].frames) == 8


def test_numbers_written_as_text_are_taken() -> None:
    values = {"ringSlots": "4", "beltSpeedMps": "0.25", "frame": {"width": "640"}}
    taken = load_configuration(CaptureConfiguration, values)
    assert (taken.ring_slots, taken.belt_speed_mps, taken.frame_size.width) == (4, 0.25, 640)


def test_product_lot_calibration_limits_and_deadline_change_between_two_parts(
    station: CaptureUnderTest,
) -> None:
    station.trigger(1)
    station.configure(
        product="bottle",
        lot="L7",
        calibrationVersion="c3",
        deadlineMs=300,
        conditions={"minBrightness": 250, "maxBrightness": 255},
    )
    station.trigger(2)
    before, after = station.captured
    assert (before.product, before.lot, before.calibration_version) == ("", "", "")
    assert (after.product, after.lot, after.calibration_version) == ("bottle", "L7", "c3")
    assert after.deadline_monotonic_ns - after.triggered_monotonic_ns == 300_000_000
    assert "brightness" in after.conditions[0].out_of_range
    assert before.frames[0].incarnation == after.frames[0].incarnation


def test_a_new_frame_size_begins_a_new_ring(station: CaptureUnderTest) -> None:
    station.trigger(1)
    station.configure(frame={"width": 160, "height": 120})
    station.trigger(2)
    before, after = station.captured
    assert before.frames[0].incarnation != after.frames[0].incarnation
    assert station.pixels(after, "cam1").shape == (120, 160, 3)


def test_other_cameras_take_over_between_two_parts(
    station: CaptureUnderTest, pictures: Path
) -> None:
    save_picture(pictures / "left" / "a.png", plain_picture(99, 99, 99))
    station.trigger(1)
    station.configure(cameras=["left"])
    station.trigger(2)
    assert [ref.camera for ref in station.captured[1].frames] == ["left"]
    assert abs(float(station.pixels(station.captured[1], "left").mean()) - 99) < 3


def test_a_new_source_that_cannot_be_had_leaves_parts_unseen_but_numbered(
    station: CaptureUnderTest, tmp_path: Path, pictures: Path
) -> None:
    station.configure(source={"kind": "images", "folder": str(tmp_path / "elsewhere")})
    station.trigger(1)
    assert station.captured[0].missing_cameras == CAMERAS
    assert "elsewhere" in station.faults["cameras"]
    station.configure(source={"kind": "images", "folder": str(pictures)})
    station.trigger(2)
    assert station.captured[1].missing_cameras == ()
    assert station.faults == {}


def test_a_new_trigger_begins_an_epoch_of_its_own_count(station: CaptureUnderTest) -> None:
    station.trigger(700)
    station.configure(trigger={"kind": "interval", "intervalMs": 1})
    station.trigger(701)  # the PLC is not listened to any more
    elapsed = station.inbox.next_event(30)
    station.capture.handle(elapsed)
    before, after = station.captured
    assert (before.part.part_number, after.part.part_number) == (700, 1)
    assert after.part.epoch > before.part.epoch


def test_a_ring_that_finds_no_room_is_a_fault_and_parts_go_out_unseen(
    station: CaptureUnderTest,
) -> None:
    station.trigger(1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        station.configure(frame={"width": 1280, "height": 960})
        station.trigger(2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert station.captured[1].missing_cameras == CAMERAS
    assert "no room for the frames" in station.faults["frame-ring"]
    assert not station.health.build_report().ready
    station.advance(1)
    station.trigger(3)
    assert station.captured[2].missing_cameras == ()
    assert station.health.build_report().ready
    assert station.faults == {}


def test_closing_removes_the_ring(station: CaptureUnderTest) -> None:
    assert ring_path(station.name).exists()
    station.capture.close()
    assert not ring_path(station.name).exists()
