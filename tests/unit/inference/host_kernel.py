"""The GPU's kernel on the processor: the same source, compiled for it, run pixel by pixel."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np

from inference.detectors.gpu_device import KERNEL_FILE

COMPILER = shutil.which("g++")
SHELL = """
#include <cmath>
using std::fminf; using std::fmaxf; using std::rintf;
#define __device__
#define __global__
struct Place { int x, y; };
static Place blockIdx, blockDim = {1, 1}, threadIdx;
%s
extern "C" void whole_image(const unsigned char *frame, unsigned char *input, int width, int height,
                            int halvings, int input_width, int input_height) {
    for (blockIdx.y = 0; blockIdx.y < input_height; ++blockIdx.y)
        for (blockIdx.x = 0; blockIdx.x < input_width; ++blockIdx.x)
            uyvy_to_input(frame, input, width, height, halvings, input_width, input_height);
}
"""


class HostKernel:
    """`uyvy_to_input` for arrays in the processor's memory."""

    def __init__(self, folder: Path) -> None:
        assert COMPILER is not None
        source, library = folder / "kernel.cpp", folder / "kernel.so"
        source.write_text(SHELL % KERNEL_FILE.read_text())
        command = [COMPILER, "-O2", "-shared", "-fPIC", "-o", str(library), str(source)]
        subprocess.run(command, check=True, capture_output=True)
        self._run = ctypes.CDLL(str(library)).whole_image

    def __call__(
        self, frame: int, target: int, width: int, height: int, halvings: int, *size: int
    ) -> None:
        """All pixels of the model's input; the addresses are those of arrays."""
        numbers = [ctypes.c_int(int(n)) for n in (width, height, halvings, *size)]
        self._run(ctypes.c_void_p(frame), ctypes.c_void_p(target), *numbers)

    def resized(self, frame: np.ndarray, width: int, height: int, halvings: int) -> np.ndarray:
        """(height, width, 3) uint8 RGB from a UYVY frame."""
        result = np.zeros((height, width, 3), np.uint8)
        whole = (frame.shape[1], frame.shape[0])
        self(frame.ctypes.data, result.ctypes.data, *whole, halvings, width, height)
        return result
