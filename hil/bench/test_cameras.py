"""Tests the cameras with the unmodified capture component: identity, frames, and disconnection."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from hil.bench.bench_description import BenchDescription
from hil.bench.camera_nodes import measure_brightness, read_identity, resolve_node
from hil.bench.station_under_test import BenchRunResult, BenchStation
from hil.replay.message_comparison import compare_messages, find_part_number
from hil.replay.segment import REFERENCE, load_messages
from hil.run.run_arguments import REPOSITORY

MIN_BRIGHTENING = 5.0


def test_each_camera_is_there_and_who_the_bench_says(bench: BenchDescription) -> None:
    nodes = {camera: bench.find_node(camera) for camera in bench.cameras}
    missing = bench.missing_cameras()
    assert not missing, f"missing cameras: {', '.join(missing)}"
    assert len({resolve_node(node) for node in nodes.values()}) == len(nodes), nodes
    for camera, node in nodes.items():
        wanted = bench.cameras[camera].identity
        assert wanted.lower() in read_identity(node).lower(), f"{camera} at {node}"


def test_more_exposure_makes_brighter_pictures(bench: BenchDescription) -> None:
    if bench.exposure is None:
        pytest.skip("the bench has no exposure control")
    if bench.missing_cameras():
        pytest.skip(f"missing cameras: {', '.join(bench.missing_cameras())}")
    exposure = bench.exposure

    def low_and_high(camera: str) -> list[float]:
        values = (exposure.low, exposure.high)
        return measure_brightness(bench.find_node(camera), bench.frames, exposure.control, values)

    with ThreadPoolExecutor(len(bench.cameras)) as all_at_once:  # each only waits for its frames
        found = list(all_at_once.map(low_and_high, bench.cameras))
    for camera, (low, high) in zip(bench.cameras, found, strict=True):
        assert high >= low + MIN_BRIGHTENING, f"{camera}: {low:.1f} -> {high:.1f}"


def test_every_part_has_a_frame_of_each_camera_as_it_was_asked_for(
    bench: BenchDescription, outcome: BenchRunResult
) -> None:
    captured = outcome.messages_on("PartCaptured")
    assert len(captured) == bench.expected.fed_parts
    for part in captured:
        assert list(part["missing_cameras"]) == []
        assert [frame["camera"] for frame in part["frames"]] == list(bench.cameras)
        for frame in part["frames"]:
            assert (frame["width"], frame["height"], frame["pixel_format"]) == (
                bench.frames.width,
                bench.frames.height,
                bench.frames.pixel_format,
            )


def test_the_station_judges_the_very_pictures_that_its_cameras_saw(
    bench: BenchDescription, outcome: BenchRunResult
) -> None:
    if not bench.segment:
        pytest.skip("the cameras of this bench have no loops: their pictures are unknown")
    reference = [
        noted
        for noted in load_messages(REPOSITORY / bench.segment / REFERENCE)
        if find_part_number(noted) <= bench.expected.fed_parts
    ]
    assert {len(n.frames) for n in reference if n.stream == "PartCaptured"} == {len(bench.cameras)}
    found = compare_messages(reference, outcome.messages)
    assert not found, "\n".join(map(str, found))


def test_frames_that_the_driver_drops_are_counted(
    bench: BenchDescription, station: BenchStation, outcome: BenchRunResult
) -> None:
    if not bench.segment:
        pytest.skip("no driver of this bench can drop frames on request")
    dropped = {camera: station.dropped_frames(camera) for camera in bench.cameras}
    assert all(dropped.values()), dropped


def test_the_frames_of_a_part_are_exposed_together(
    bench: BenchDescription, outcome: BenchRunResult
) -> None:
    greatest_ms = bench.expected.frame_sync_skew_ms
    if greatest_ms is None:
        pytest.skip("the bench has no expected frame-sync skew")
    for part in outcome.messages_on("PartCaptured"):
        times = [frame["captured_monotonic_ns"] for frame in part["frames"]]
        skew_ms = (max(times) - min(times)) / 1e6
        assert skew_ms <= greatest_ms, f"part {part['part']}: {skew_ms:.2f} ms"


def test_cameras_that_are_unplugged_are_told_and_had_again(
    bench: BenchDescription, station: BenchStation, outcome: BenchRunResult
) -> None:
    relay = bench.relay
    if relay is None:
        pytest.skip("the bench has no camera relay")
    subprocess.run(relay.unplug, check=True)
    try:
        for camera in relay.cameras:
            code = f"camera-{camera}"
            station.wait_for(f"fault {code}", lambda code=code: code in station.faults())  # type: ignore[misc]
            assert not station.is_streaming(camera)
        others = [camera for camera in bench.cameras if camera not in relay.cameras]
        assert all(map(station.is_streaming, others))
    finally:
        subprocess.run(relay.plug, check=True)
    station.wait_for(
        "the cameras to stream again", lambda: all(map(station.is_streaming, relay.cameras))
    )
    assert station.faults() == {}
