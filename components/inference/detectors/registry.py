"""The kinds of detectors: configured runtime to class."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from inference.detectors.detector import Detector

Runtime = Literal["onnx"]
OpenDetector = Callable[[Path, int], Detector]


def _open_onnx(folder: Path, threads: int) -> Detector:
    from inference.detectors.onnx import OnnxDetector  # late: loads ONNX Runtime

    return OnnxDetector(folder, threads)


DETECTORS: dict[Runtime, OpenDetector] = {"onnx": _open_onnx}


def open_detector(runtime: Runtime, folder: Path, threads: int) -> Detector:
    """The model in a folder of the model store; ModelError if it cannot serve."""
    return DETECTORS[runtime](folder, threads)
