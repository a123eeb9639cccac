"""The live view: while somebody looks, each camera's picture and scores; else nothing at all."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from capture.commissioning.frame_view import measure_focus
from capture.commissioning.inter_part_pause import MAX_PART_PAUSE_S, InterPartPause
from sightline.storage.station_folder import StationFolder
from tests.unit.capture.capture_kit import (
    CAMERAS,
    HEIGHT,
    WIDTH,
    CaptureUnderTest,
    Picture,
    plain_picture,
    save_picture,
    wait_until,
)
from tests.unit.capture.commissioning_kit import await_views, find_step, send_command, views
from tests.unit.capture.conftest import StartStation


def checks(blur: float = 0.0) -> Picture:
    """A picture full of edges, sharp or not."""
    rows, columns = np.indices((HEIGHT, WIDTH)) // 4
    board = np.uint8(((rows + columns) % 2)[..., None] * np.full(3, 200))
    return np.asarray(cv2.GaussianBlur(board, (0, 0), blur) if blur else board, np.uint8)


def test_nobody_looks_so_nothing_is_shown(station: CaptureUnderTest, tmp_path: Path) -> None:
    station.trigger(1, 2, 3)
    find_step(
        station, send_command(station, "map_cameras")
    )  # the bench is awake and has nothing to show
    assert views(station) == []
    assert not (tmp_path / "station" / "evidence-spool").exists()


def test_who_looks_sees_each_camera_with_picture_and_scores(
    station: CaptureUnderTest, tmp_path: Path
) -> None:
    send_command(station, "live_view")
    seen = {view.camera: view for view in await_views(station, len(CAMERAS))}
    assert set(seen) == set(CAMERAS)
    assert seen["cam1"].brightness < seen["cam4"].brightness
    for camera, view in seen.items():
        assert view.picture_key == f"live/{station.name}/{camera}.jpg"
        spool = StationFolder(tmp_path / "station").evidence_spool
        picture = cv2.imread(str(spool / view.picture_key))
        assert picture is not None
        assert picture.shape == (HEIGHT // 2, WIDTH // 2, 3)


def test_the_view_ends_when_its_time_is_over(station: CaptureUnderTest) -> None:
    send_command(station, "live_view", lifetime_s=10)
    await_views(station, 1)
    station.clock.advance(11)
    before = station.counter("views_shown")
    find_step(station, send_command(station, "map_cameras"))
    assert station.counter("views_shown") <= before + len(CAMERAS)  # the round under way
    count = len(views(station))
    find_step(station, send_command(station, "map_cameras"))
    assert len(views(station)) == count


def test_the_focus_score_is_highest_where_the_picture_is_sharpest() -> None:
    scores = [measure_focus(checks(blur)[..., 1]) for blur in (0.0, 0.6, 1.2, 2.5)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 4 * scores[-1]


def test_two_positions_change_their_cameras_and_that_outlasts_a_restart(
    start_station: StartStation, pictures: Path
) -> None:
    station = start_station()
    station.trigger(1)
    before = {camera: station.pixels(station.captured[-1], camera).mean() for camera in CAMERAS}
    step = find_step(station, send_command(station, "map_cameras", cam1="cam4", cam4="cam1"))
    assert step.result == "done"
    assert step.positions == {"cam1": "cam4", "cam2": "cam2", "cam3": "cam3", "cam4": "cam1"}
    for number in (2, 3):
        life = station if number == 2 else start_station()
        life.trigger(number)
        part = life.captured[-1]
        assert [ref.camera for ref in part.frames] == list(CAMERAS)
        assert life.pixels(part, "cam1").mean() == before["cam4"]
        assert life.pixels(part, "cam4").mean() == before["cam1"]
        assert life.pixels(part, "cam2").mean() == before["cam2"]


def test_a_command_is_carried_out_once_however_often_it_comes_and_not_after_its_end(
    station: CaptureUnderTest,
) -> None:
    late = find_step(
        station, send_command(station, "map_cameras", lifetime_s=-2, cam1="cam2", cam2="cam1")
    )
    assert (late.result, late.text) == ("failed", "Command expired 2.0 s ago")
    swap = send_command(station, "map_cameras", times=3, cam1="cam2", cam2="cam1")
    assert find_step(station, swap).result == "done"
    find_step(station, send_command(station, "map_cameras"))
    assert station.counter("steps_done") == 2


@pytest.mark.parametrize(
    ("assignment", "word"),
    [
        ({"cam1": "cam2"}, "Each of cam1, cam2, cam3, cam4 must be at exactly one position"),
        ({"cam9": "cam1"}, "No position is called 'cam9'"),
        ({"cam1": 5.0}, "must be at exactly one position"),
    ],
)
def test_an_assignment_that_is_none_is_refused_in_words(
    station: CaptureUnderTest, assignment: dict[str, Any], word: str
) -> None:
    step = find_step(station, send_command(station, "map_cameras", **assignment))
    assert step.result == "failed"
    assert word in step.text


def test_positions_that_no_longer_fit_are_a_fault_and_the_cameras_stand_as_configured(
    start_station: StartStation, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "station"
    folder.mkdir()
    (folder / "positions.json").write_text('{"cam1": "cam9"}')
    station = start_station()
    assert "cam9" in station.faults["camera-positions"]
    station.trigger(1)
    assert station.captured[-1].missing_cameras == ()


def test_where_a_camera_was_taken_away_the_others_stand_as_configured_with_a_fault(
    start_station: StartStation, pictures: Path
) -> None:
    station, without_cam2 = start_station(), ["cam1", "cam3", "cam4"]
    station.trigger(1)
    shade = station.pixels(station.captured[0], "cam1").mean()
    find_step(station, send_command(station, "map_cameras", cam1="cam2", cam2="cam1"))
    station.configure(cameras=without_cam2)
    for number in (2, 3):
        life = station if number == 2 else start_station(cameras=without_cam2)
        life.trigger(number)
        part = life.captured[-1]
        assert [ref.camera for ref in part.frames] == without_cam2
        assert life.pixels(part, "cam1").mean() == shade
        assert "cam2" in life.faults["camera-positions"]
    life.configure(cameras=list(CAMERAS))
    assert "camera-positions" not in life.faults


@pytest.mark.parametrize("damaged", [b"\xff\xfe\x00", b"[]", b"{", b'{"version": 5}', b"\x00"])
def test_damaged_files_of_the_bench_never_keep_the_station_from_starting(
    start_station: StartStation, pictures: Path, tmp_path: Path, damaged: bytes
) -> None:
    folder = StationFolder(tmp_path / "station")
    for file in (folder.positions, folder.calibration, folder.references / "cup" / "current"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(damaged)
    station = start_station(product="cup")
    assert {"camera-positions", "calibration"} <= station.faults.keys()
    station.trigger(1)
    assert station.captured[-1].missing_cameras == ()


def test_a_spool_that_cannot_be_written_is_told_and_the_parts_go_on(
    station: CaptureUnderTest, tmp_path: Path
) -> None:
    (tmp_path / "station").write_text("a file where the folder should be")
    send_command(station, "live_view")
    wait_until("the fault", lambda: "live-view" in station.faults)
    station.trigger(1)
    assert station.numbers == [1]


def test_the_part_in_hand_is_left_alone_for_most_of_the_time_to_the_next() -> None:
    now_s = 100.0
    pause = InterPartPause(lambda: now_s)
    assert pause.remaining_s() == 0
    pause.on_part_triggered()
    assert pause.remaining_s() == pytest.approx(MAX_PART_PAUSE_S)
    now_s += 0.1
    pause.on_part_triggered()
    assert pause.remaining_s() == pytest.approx(0.06)
    now_s += 0.06
    assert pause.remaining_s() == pytest.approx(0)


def test_a_camera_without_a_picture_does_not_hide_the_others(
    start_station: StartStation, tmp_path: Path
) -> None:
    for camera in CAMERAS:
        save_picture(tmp_path / "pictures" / camera / "part.png", plain_picture(90, 90, 90))
    (tmp_path / "pictures" / "cam2" / "part.png").write_bytes(b"no picture")
    station = start_station()
    station.trigger(1)
    send_command(station, "live_view")
    assert {view.camera for view in await_views(station, 3)} == {"cam1", "cam3", "cam4"}
