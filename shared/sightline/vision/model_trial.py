"""A model's folder is tried by the runtime that serves it, as inference does before it serves."""

from pathlib import Path

from sightline.vision.golden_frames import check_golden_frames
from sightline.vision.onnx_detector import OnnxDetector


def try_model(folder: Path) -> str:
    """What the model is, once it has answered its golden frames; ModelError if it cannot serve."""
    detector = OnnxDetector(folder, threads=1)
    frames = check_golden_frames(detector, folder / "golden.npz")
    contract = detector.contract
    size = contract.anchors
    return (
        f"model {contract.name} ({contract.precision}, {size.width}x{size.height}) finds "
        f"{', '.join(contract.labels)}; golden frames answered: {frames}"
    )
