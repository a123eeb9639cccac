"""A part that went by becomes the reference: durable, by version, and only if it is fit for it."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sightline.messaging.messages import Part
from sightline.storage.station_folder import StationFolder, evidence_key
from tests.unit.capture.capture_kit import (
    CAMERAS,
    HEIGHT,
    WIDTH,
    CaptureUnderTest,
    Picture,
    plain_picture,
    save_picture,
)
from tests.unit.capture.commissioning_kit import find_step, send_command
from tests.unit.capture.conftest import StartStation


def edges(shade: int, right_px: int = 0) -> Picture:
    """A picture with a bright square on it; it can stand more to the right."""
    picture = plain_picture(shade, shade, shade)
    picture[10:30, 10 + right_px : 40 + right_px] = 230
    return picture


@pytest.fixture
def folder(tmp_path: Path) -> StationFolder:
    """The station's folder; two parts wait in the cameras, the second one much darker."""
    for camera in CAMERAS:
        for number, shade in enumerate((120, 40), start=1):
            save_picture(tmp_path / "pictures" / camera / f"{number}.png", edges(shade))
    return StationFolder(tmp_path / "station")


def out_of_range(station: CaptureUnderTest) -> set[str]:
    """What was wrong with the last part, over all cameras."""
    return {name for c in station.captured[-1].conditions for name in c.out_of_range}


def test_parts_are_held_against_the_part_that_was_taken_and_also_after_a_restart(
    start_station: StartStation, folder: StationFolder
) -> None:
    station = start_station()
    station.trigger(1, 2)
    assert out_of_range(station) == set()  # nothing to hold it against
    step = find_step(station, send_command(station, "take_reference", partNumber=1.0, epoch=0.0))
    assert step.result == "failed"  # another epoch
    epoch = float(station.captured[0].part.epoch)
    step = find_step(station, send_command(station, "take_reference", partNumber=1.0, epoch=epoch))
    assert (step.result, step.version[:4]) == ("done", "ref-")
    assert "as the cameras captured it" in step.text
    for life in (station, None):
        again = life or start_station()
        again.trigger(3)
        assert out_of_range(again) == set()
        again.trigger(4)
        assert "brightness" in out_of_range(again)
        if life is not None:
            life.trigger(5)


def test_the_last_part_is_meant_where_no_number_is_said(
    start_station: StartStation, folder: StationFolder
) -> None:
    station = start_station()
    station.trigger(1, 2)
    step = find_step(station, send_command(station, "take_reference"))
    assert step.text.startswith("Part 2 is the reference")
    version = folder.references / "station" / step.version
    assert sorted(file.name for file in version.iterdir()) == [f"{c}.png" for c in CAMERAS]
    picture = cv2.imread(str(version / "cam1.png"))
    assert picture is not None
    assert abs(float(picture[40, 60].mean()) - 40) < 3


def test_a_part_that_left_the_ring_is_taken_from_its_kept_pictures(
    start_station: StartStation, folder: StationFolder, tmp_path: Path
) -> None:
    station = start_station(evidenceFolder=str(tmp_path / "evidence"))
    station.trigger(1, 2, 3, 4)  # the ring has two slots
    part = station.captured[0].part
    for camera in CAMERAS:
        half = cv2.resize(edges(120), (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
        key = evidence_key(station.name, part, camera)
        save_picture(tmp_path / "evidence" / key, np.asarray(half, np.uint8))
    wanted: dict[str, Any] = {"epoch": float(part.epoch), "partNumber": float(part.part_number)}
    step = find_step(station, send_command(station, "take_reference", **wanted))
    assert step.result == "done"
    assert "at half size" in step.text
    station.trigger(5)
    assert out_of_range(station) == set()
    station.trigger(6)
    assert "brightness" in out_of_range(station)


def test_a_part_that_lies_nowhere_is_refused_with_what_can_be_done(
    start_station: StartStation, folder: StationFolder
) -> None:
    station = start_station()
    station.trigger(1, 2, 3, 4)
    epoch = station.captured[0].part.epoch
    step = find_step(
        station, send_command(station, "take_reference", partNumber=1.0, epoch=float(epoch))
    )
    assert step.result == "failed"
    assert "use one of the last 2 parts" in step.text
    assert not folder.references.exists()


def test_a_part_with_a_camera_missing_or_without_detail_is_no_reference(
    start_station: StartStation, folder: StationFolder, tmp_path: Path
) -> None:
    save_picture(tmp_path / "pictures" / "cam2" / "1.png", plain_picture(2, 2, 2))
    (tmp_path / "pictures" / "cam3" / "2.png").write_bytes(b"no picture")
    station = start_station()
    station.trigger(1)
    step = find_step(station, send_command(station, "take_reference"))
    assert step.text == "A reference must be within the limits itself; out of range: cam2 sharpness"
    station.trigger(2)
    step = find_step(station, send_command(station, "take_reference"))
    assert step.text == "Part 2 has no picture of cam3"


def test_a_taken_reference_can_be_forgotten(
    start_station: StartStation, folder: StationFolder
) -> None:
    station = start_station()
    station.trigger(1)
    find_step(station, send_command(station, "take_reference"))
    station.trigger(2)
    assert "brightness" in out_of_range(station)
    assert find_step(station, send_command(station, "take_reference", forget=True)).result == "done"
    station.trigger(3, 4)
    assert out_of_range(station) == set()


def test_no_part_yet_and_wrong_arguments_are_said_in_words(
    start_station: StartStation, folder: StationFolder
) -> None:
    station = start_station()
    step = find_step(station, send_command(station, "take_reference"))
    assert step.text == "No part has passed since the component started"
    step = find_step(station, send_command(station, "take_reference", part="first"))
    assert step.result == "failed"
    assert "part" in step.text


def test_a_reference_belongs_to_the_product_that_the_part_was(
    start_station: StartStation, folder: StationFolder
) -> None:
    station = start_station(product="cup")
    station.trigger(1)
    assert station.captured[0].part == Part(station.captured[0].part.epoch, 1)
    step = find_step(station, send_command(station, "take_reference"))
    assert "the reference for cup" in step.text
    assert (folder.references / "cup" / step.version / "cam4.png").is_file()
    assert (
        "Removed the reference for cup"
        in find_step(station, send_command(station, "take_reference", forget=True)).text
    )
    station.configure(product="jug")
    station.trigger(2)
    assert "brightness" not in out_of_range(station)
