"""`make run IMAGES=DIR` says at once what capture would refuse."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from hil.run.camera_pictures import prepare_pictures, read_cameras
from hil.run.run_arguments import RunArguments, parse_run_arguments
from hil.run.terminal_progress import TerminalProgress
from sightline.errors import CameraError


@pytest.fixture
def arguments(tmp_path: Path) -> RunArguments:
    """A run with a folder of one square picture."""
    write_picture(tmp_path / "a.png", 200, 200)
    return parse_run_arguments(["--images", str(tmp_path)])


def write_picture(file: Path, width: int, height: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), np.zeros((height, width, 3), np.uint8))


def test_a_folder_of_one_shape_is_played(arguments: RunArguments, tmp_path: Path) -> None:
    assert prepare_pictures(arguments, TerminalProgress()) == (tmp_path, None)


def test_a_folder_of_several_shapes_is_refused_before_anything_starts(
    arguments: RunArguments, tmp_path: Path
) -> None:
    write_picture(tmp_path / "b.png", 640, 480)
    with pytest.raises(CameraError, match=r"200x200 .*differ in shape|differ in shape: .*200x200"):
        prepare_pictures(arguments, TerminalProgress())


def test_only_the_folders_of_the_deployments_cameras_count(
    arguments: RunArguments, tmp_path: Path
) -> None:
    write_picture(tmp_path / "cam1" / "a.png", 200, 200)
    write_picture(tmp_path / "top" / "b.png", 640, 480)
    one = replace(arguments, merges={"com.sightline.Capture": {"cameras": ["cam1"]}})
    assert prepare_pictures(one, TerminalProgress()) == (tmp_path, None)
    assert read_cameras(arguments) == ("cam1", "cam2", "cam3", "cam4")
    with pytest.raises(CameraError, match="cam2 has no pictures"):
        prepare_pictures(arguments, TerminalProgress())
