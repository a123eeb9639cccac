"""The source v4l2 with linuxpy and the kernel's test driver; skipped, with the reason, without nodes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from capture.sources.camera_device import StreamFormat
from capture.sources.source import CameraFault, CameraFrame
from capture.sources.v4l2 import LinuxpyDevice
from sightline.errors import CameraError
from sightline.imaging.frame_ring import frame_shape
from sightline.imaging.pixels import to_rgb
from sightline.messaging.messages import PixelFormat
from tests.faults.v4l2_nodes import (
    VividNodes,
    bind_driver,
    press,
    read_value,
    set_value,
    unbind_driver,
    vivid_nodes,
    why_skipped,
)
from tests.unit.capture.capture_kit import MachineClock, wait_until
from tests.unit.capture.conftest import StartStation, start_station

__all__ = ["start_station"]

pytestmark = [
    pytest.mark.skipif(bool(why_skipped()), reason=why_skipped()),
    pytest.mark.timeout(240),
]


@contextlib.contextmanager
def nodes_with(**values: object) -> Iterator[VividNodes]:
    nodes = VividNodes(**values)
    try:
        yield nodes
    finally:
        nodes.close()


@pytest.mark.parametrize("pixel_format", get_args(PixelFormat))
def test_every_format_is_set_read_back_and_becomes_a_picture(pixel_format: PixelFormat) -> None:
    with nodes_with(pixelFormat=pixel_format) as nodes:
        nodes.start()
        nodes.wait_until_streaming()
        for frame in nodes.frames():
            assert isinstance(frame, CameraFrame), frame
            assert frame.pixels.shape == frame_shape(640, 360, pixel_format)
            rgb = to_rgb(frame.pixels, pixel_format)
            assert rgb.shape == (360, 640, 3)
            assert float(np.std(rgb)) > 20  # the driver's colour bars


def test_frames_bear_the_time_at_which_they_were_asked_for() -> None:
    with nodes_with() as nodes:
        nodes.start()
        nodes.wait_until_streaming()
        asked_ns = nodes.clock.monotonic_ns()
        frames = [frame for frame in nodes.frames() if isinstance(frame, CameraFrame)]
        assert len(frames) == 2
        for frame in frames:
            assert frame.captured_monotonic_ns is not None
            assert abs(frame.captured_monotonic_ns - asked_ns) <= 1_000_000_000


def test_a_size_that_the_driver_adjusts_is_refused() -> None:
    wanted = StreamFormat(4200, 3100, "UYVY")
    device = LinuxpyDevice(vivid_nodes()[0], wanted, 4)
    found = device.stream_format
    device.close()
    assert (found.width, found.height) != (wanted.width, wanted.height)
    with nodes_with() as nodes:
        nodes.start(4200, 3100)
        wait_until("the fault", lambda: "camera-cam1" in nodes.faults)
        assert "UYVY 4200x3100 was requested" in nodes.faults["camera-cam1"]


def test_a_node_that_another_has_open_is_had_when_it_is_free() -> None:
    device = LinuxpyDevice(vivid_nodes()[0], StreamFormat(640, 480, "YUYV"), 4)
    device.start()
    with nodes_with() as nodes:
        nodes.start()
        wait_until("the fault", lambda: "camera-cam1" in nodes.faults)
        assert "busy" in nodes.faults["camera-cam1"]
        device.close()
        nodes.wait_until_streaming()


def test_controls_are_set_by_name_and_by_number_and_hold_while_it_streams() -> None:
    with nodes_with(controls={"brightness": 77, "0x980901": 99}) as nodes:
        nodes.start()
        nodes.wait_until_streaming()
        for node in nodes.node_of.values():
            assert (read_value(node, "brightness"), read_value(node, "contrast")) == (77, 99)


@pytest.mark.parametrize(
    ("control", "value", "why"),
    [
        ("frame_sync", 1, "has no control frame_sync"),
        ("brightness", 70_000, "the control brightness reads 255; 70000 was set"),
        ("button", 1, "is a button"),
    ],
)
def test_a_control_that_does_not_hold_keeps_the_camera_out(
    control: str, value: int, why: str
) -> None:
    with nodes_with(controls={control: value}) as nodes:
        nodes.start()
        wait_until("the fault", lambda: "camera-cam1" in nodes.faults, timeout_s=60)
        assert why in nodes.faults["camera-cam1"]


def test_a_frame_with_the_error_flag_is_counted_and_the_stream_goes_on() -> None:
    with nodes_with() as nodes:
        nodes.start()
        nodes.wait_until_streaming()
        press(nodes.node_of["cam1"], "v4l2_buf_flag_error")
        wait_until("the damaged frame", lambda: nodes.counter("frames_damaged_cam1") > 0, 60)
        assert nodes.counter("camera_lost_cam1") == 0
        assert all(isinstance(frame, CameraFrame) for frame in nodes.frames())


def test_dropped_buffers_are_counted_by_sequence() -> None:
    with nodes_with() as nodes:
        nodes.start()
        nodes.wait_until_streaming()
        node = nodes.node_of["cam1"]
        set_value(node, "percentage_of_dropped_buffers", 50)
        try:
            wait_until("drops", lambda: nodes.counter("frames_dropped_cam1") > 0, 60)
        finally:
            set_value(node, "percentage_of_dropped_buffers", 0)


@pytest.mark.parametrize(
    ("error", "losses"),
    [
        ("vidioc_reqbufs_error", 0),  # fewer buffers are asked for, at once
        ("vidioc_streamon_error", 1),
    ],
)
def test_a_stream_that_cannot_begin_is_begun_again_and_costs_one_camera_only(
    error: str, losses: int
) -> None:
    with nodes_with() as nodes:
        press(nodes.node_of["cam1"], error)
        nodes.start()
        nodes.wait_until_streaming()
        assert nodes.counter("camera_lost_cam1") == losses
        assert nodes.counter("camera_lost_cam2") == 0
        assert nodes.faults == {}


@pytest.mark.parametrize("error", ["fatal_streaming_error", "vidioc_qbuf_error"])
def test_a_stream_that_fails_costs_one_camera_only_until_it_is_opened_again(error: str) -> None:
    with nodes_with() as nodes:
        nodes.start()
        nodes.wait_until_streaming()
        press(nodes.node_of["cam1"], error)
        wait_until("the loss", lambda: nodes.counter("camera_lost_cam1") > 0, 60)
        nodes.wait_until_streaming("cam1")
        assert nodes.counter("camera_lost_cam2") == 0
        assert nodes.faults == {}
        assert all(isinstance(frame, CameraFrame) for frame in nodes.frames())


def test_a_node_that_is_unplugged_is_had_again_when_it_returns() -> None:
    with nodes_with() as nodes:
        nodes.start()
        nodes.wait_until_streaming()
        press(nodes.node_of["cam1"], "disconnect")
        wait_until("the loss", lambda: nodes.counter("camera_lost_cam1") > 0, 60)
        first, second = nodes.frames()
        assert isinstance(first, CameraFault)
        assert isinstance(second, CameraFrame)
        unbind_driver()
        try:
            wait_until("all are lost", lambda: nodes.counter("camera_lost_cam2") > 0, 60)
            wait_until("no node is there", lambda: not Path(nodes.node_of["cam2"]).exists(), 60)
        finally:
            bind_driver()
        nodes.wait_until_streaming()
        assert all(isinstance(frame, CameraFrame) for frame in nodes.frames())
        assert nodes.faults == {}


def test_the_component_gives_a_part_the_frames_of_its_trigger(
    start_station: StartStation,
) -> None:
    nodes = VividNodes()
    station = start_station(
        clock=MachineClock(),
        cameras=list(nodes.names),
        frame={"width": 640, "height": 360},
        source={"kind": "v4l2", **nodes.values},
    )
    for name in nodes.names:
        gauge = f"camera_streams_{name}"
        wait_until(
            f"{name} streams",
            lambda gauge=gauge: station.health.build_report().gauges.get(gauge) == 1.0,  # type: ignore[misc]
            timeout_s=60,
        )
    station.trigger(1)
    station.trigger(2)
    for part in station.captured:
        assert part.missing_cameras == ()
        for ref in part.frames:
            off_ns = ref.captured_monotonic_ns - part.triggered_monotonic_ns
            assert abs(off_ns) <= 1_000_000_000
    first, second = station.captured
    assert second.frames[0].captured_monotonic_ns > first.frames[0].captured_monotonic_ns


def test_a_node_that_is_not_there_is_told_by_its_path() -> None:
    with pytest.raises(CameraError, match="/dev/no-such-camera: No such file or directory"):
        LinuxpyDevice("/dev/no-such-camera", StreamFormat(640, 360, "UYVY"), 4)
