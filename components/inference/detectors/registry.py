"""The kinds of detectors: configured runtime to class."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from inference.detectors.detector import Detector

Runtime = Literal["onnx", "tensorrt"]


def _tell_nobody(share: float, phase: str) -> None:
    """For models whose loading nobody watches."""


@dataclass(frozen=True)
class Loading:
    """What a detector may need: threads of one run, a folder for what it builds, an ear for progress."""

    threads: int = 1
    built: Path = field(default_factory=lambda: Path("engines"))
    report: Callable[[float, str], None] = _tell_nobody


OpenDetector = Callable[[Path, Loading], Detector]


def _open_onnx(folder: Path, loading: Loading) -> Detector:
    from inference.detectors.onnx import OnnxDetector  # late: loads ONNX Runtime

    return OnnxDetector(folder, loading.threads)


def _open_tensorrt(folder: Path, loading: Loading) -> Detector:
    from inference.detectors.engine_cache import EngineCache
    from inference.detectors.tensorrt import TensorRtDetector  # late: needs a GPU

    return TensorRtDetector(folder, EngineCache(loading.built), loading.report)


DETECTORS: dict[Runtime, OpenDetector] = {"onnx": _open_onnx, "tensorrt": _open_tensorrt}


def open_detector(runtime: Runtime, folder: Path, loading: Loading) -> Detector:
    """The model in a folder of the model store; ModelError if it cannot serve."""
    return DETECTORS[runtime](folder, loading)
