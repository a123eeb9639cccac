"""The fused kernel gives the pixels that the preprocessing gives on a processor."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from inference.detectors.gpu_device import KERNEL_FILE, count_halvings
from sightline.vision.preprocess import FramePyramid
from tests.unit.inference.host_kernel import COMPILER, HostKernel

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no g++ to compile the kernel with")


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> HostKernel:
    return HostKernel(tmp_path_factory.mktemp("kernel"))


def frame_of(width: int, height: int, *, smooth: bool) -> np.ndarray:
    """A UYVY frame (height, width, 2): any bytes, or a slope."""
    if smooth:
        rows = (
            np.linspace(20, 200, height)[:, None, None] + np.linspace(0, 40, width)[None, :, None]
        )
        return np.repeat(rows, 2, axis=2).astype(np.uint8)
    return np.random.default_rng(1).integers(0, 256, (height, width, 2)).astype(np.uint8)


@needs_compiler
@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (320, 180), (160, 90)])
def test_halved_frames_are_the_same_to_the_bit(kernel: HostKernel, size: tuple[int, int]) -> None:
    frame = frame_of(1280, 720, smooth=False)
    expected = FramePyramid.from_frame(frame, "UYVY").at_size(*size)
    found = kernel.resized(frame, *size, count_halvings((1280, 720), size))
    np.testing.assert_array_equal(found, expected)


@needs_compiler
@pytest.mark.parametrize("size", [(300, 300), (512, 288), (96, 64)])
@pytest.mark.parametrize("smooth", [True, False])
def test_frames_resized_by_area_differ_by_rounding_only(
    kernel: HostKernel, size: tuple[int, int], smooth: bool
) -> None:
    frame = frame_of(1280, 720, smooth=smooth)
    expected = FramePyramid.from_frame(frame, "UYVY").at_size(*size).astype(int)
    found = kernel.resized(frame, *size, count_halvings((1280, 720), size)).astype(int)
    off = np.abs(found - expected)
    assert off.max() <= 1
    assert (off > 0).mean() < 0.02


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc on this machine")
def test_the_kernel_compiles_for_a_jetson_orin(tmp_path: Path) -> None:
    target = tmp_path / "kernel.ptx"
    subprocess.run(["nvcc", "-ptx", "-arch=sm_87", str(KERNEL_FILE), "-o", str(target)], check=True)
    assert "uyvy_to_input" in target.read_text()
