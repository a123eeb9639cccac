"""The kinds of detectors: configured runtime to class."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sightline.vision.detector import Detector

Runtime = Literal["onnx", "tensorrt"]


def _ignore_progress(share: float, phase: str) -> None:
    """For models whose loading nobody watches."""


@dataclass(frozen=True)
class DetectorOptions:
    """What a detector may need: threads of one run, a folder for what it builds, an ear for progress."""

    threads: int = 1
    engine_folder: Path = field(default_factory=lambda: Path("engines"))
    report_progress: Callable[[float, str], None] = _ignore_progress


DetectorOpener = Callable[[Path, DetectorOptions], Detector]


def _open_onnx(folder: Path, loading: DetectorOptions) -> Detector:
    from sightline.vision.onnx_detector import OnnxDetector  # late: loads ONNX Runtime

    return OnnxDetector(folder, loading.threads)


def _open_tensorrt(folder: Path, loading: DetectorOptions) -> Detector:
    from inference.detectors.engine_cache import EngineCache
    from inference.detectors.tensorrt_detector import TensorRtDetector  # late: needs a GPU

    return TensorRtDetector(folder, EngineCache(loading.engine_folder), loading.report_progress)


DETECTORS: dict[Runtime, DetectorOpener] = {"onnx": _open_onnx, "tensorrt": _open_tensorrt}


def open_detector(runtime: Runtime, folder: Path, loading: DetectorOptions) -> Detector:
    """The model in a folder of the model store; ModelError if it cannot serve."""
    return DETECTORS[runtime](folder, loading)
