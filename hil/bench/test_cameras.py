"""Who the cameras are, what the unmodified capture component gets of them, and what it says when one goes."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from hil.bench.description import Bench
from hil.bench.nodes import brightness_at, identity_of, resolved
from hil.bench.station import BenchStation, Outcome
from hil.replay.compare import compare, part_number_of
from hil.replay.segment import REFERENCE, load_messages
from hil.run.arguments import REPOSITORY

LEAST_BRIGHTENING = 5.0


def test_each_camera_is_there_and_who_the_bench_says(bench: Bench) -> None:
    nodes = {camera: bench.node_of(camera) for camera in bench.cameras}
    missing = bench.cameras_not_there()
    assert not missing, f"not there: {', '.join(missing)}"
    assert len({resolved(node) for node in nodes.values()}) == len(nodes), nodes
    for camera, node in nodes.items():
        wanted = bench.cameras[camera].identity
        assert wanted.lower() in identity_of(node).lower(), f"{camera} at {node}"


def test_more_exposure_makes_brighter_pictures(bench: Bench) -> None:
    if bench.exposure is None:
        pytest.skip("the bench names no control of the exposure")
    if bench.cameras_not_there():
        pytest.skip(f"not there: {', '.join(bench.cameras_not_there())}")
    exposure = bench.exposure

    def low_and_high(camera: str) -> list[float]:
        values = (exposure.low, exposure.high)
        return brightness_at(bench.node_of(camera), bench.frames, exposure.control, values)

    with ThreadPoolExecutor(len(bench.cameras)) as all_at_once:  # each only waits for its frames
        found = list(all_at_once.map(low_and_high, bench.cameras))
    for camera, (low, high) in zip(bench.cameras, found, strict=True):
        assert high >= low + LEAST_BRIGHTENING, f"{camera}: {low:.1f} -> {high:.1f}"


def test_every_part_has_a_frame_of_each_camera_as_it_was_asked_for(
    bench: Bench, outcome: Outcome
) -> None:
    captured = outcome.of_stream("PartCaptured")
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
    bench: Bench, outcome: Outcome
) -> None:
    if not bench.segment:
        pytest.skip("the cameras of this bench have no loops: nobody knows what they see")
    reference = [
        noted
        for noted in load_messages(REPOSITORY / bench.segment / REFERENCE)
        if part_number_of(noted) <= bench.expected.fed_parts
    ]
    assert {len(n.frames) for n in reference if n.stream == "PartCaptured"} == {len(bench.cameras)}
    found = compare(reference, outcome.messages)
    assert not found, "\n".join(map(str, found))


def test_frames_that_the_driver_drops_are_counted(
    bench: Bench, station: BenchStation, outcome: Outcome
) -> None:
    if not bench.segment:
        pytest.skip("no driver of this bench drops frames by request")
    dropped = {camera: station.dropped(camera) for camera in bench.cameras}
    assert all(dropped.values()), dropped


def test_the_frames_of_a_part_are_exposed_together(bench: Bench, outcome: Outcome) -> None:
    greatest_ms = bench.expected.frame_sync_skew_ms
    if greatest_ms is None:
        pytest.skip("the bench expects no frame-sync skew")
    for part in outcome.of_stream("PartCaptured"):
        times = [frame["captured_monotonic_ns"] for frame in part["frames"]]
        skew_ms = (max(times) - min(times)) / 1e6
        assert skew_ms <= greatest_ms, f"part {part['part']}: {skew_ms:.2f} ms"


def test_cameras_that_are_unplugged_are_told_and_had_again(
    bench: Bench, station: BenchStation, outcome: Outcome
) -> None:
    relay = bench.relay
    if relay is None:
        pytest.skip("the bench has no relay that unplugs a camera")
    subprocess.run(relay.unplug, check=True)
    try:
        for camera in relay.cameras:
            code = f"camera-{camera}"
            station.wait_for(f"fault {code}", lambda code=code: code in station.faults())  # type: ignore[misc]
            assert not station.streams(camera)
        others = [camera for camera in bench.cameras if camera not in relay.cameras]
        assert all(map(station.streams, others))
    finally:
        subprocess.run(relay.plug, check=True)
    station.wait_for("the cameras again", lambda: all(map(station.streams, relay.cameras)))
    assert station.faults() == {}
