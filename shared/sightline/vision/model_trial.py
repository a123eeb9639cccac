"""Tries a model's folder by the runtime that serves it: `python -m sightline.vision.model_trial FOLDER`.

`sightline.storage.model_store` runs it, also where the runtime is not installed: then the exit code is 3.
"""

import sys
from pathlib import Path

from sightline.errors import ModelError
from sightline.storage.model_folder import NO_RUNTIME


def try_model(folder: Path) -> str:
    """What the model is, once it has answered its golden frames; ModelError, ImportError."""
    from sightline.vision.golden_frames import check_golden_frames  # late: they need the runtime
    from sightline.vision.onnx_detector import OnnxDetector

    detector = OnnxDetector(folder, threads=1)
    frames = check_golden_frames(detector, folder / "golden.npz")
    contract = detector.contract
    size = contract.anchors
    return (
        f"model {contract.name} ({contract.precision}, {size.width}x{size.height}) finds "
        f"{', '.join(contract.labels)}; golden frames answered: {frames}"
    )


def main(arguments: list[str]) -> int:
    """Exit code 0 with a line on the model, 1 with the reason, 3 without the runtime."""
    try:
        sys.stdout.write(f"{try_model(Path(arguments[0]))}\n")
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return NO_RUNTIME
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
