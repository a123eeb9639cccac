"""Whether a folder holds a model that a station can serve: its files here, its answers by the runtime.

The runtime (ONNX Runtime, NumPy, OpenCV) is not in a model component's own environment. There inference
tries the model before it serves; on a machine that has the runtime it is tried at once.
"""

import hashlib
import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from sightline.errors import ModelError

MODEL_FILES = ("model.onnx", "golden.npz", "card.json")
RUNTIME_PACKAGES = ("onnxruntime", "numpy", "cv2")
TRIAL = "sightline.vision.model_trial"  # imported late: its packages may not be here
KNOWN_FILES = frozenset({*MODEL_FILES, "card.md"})
WEIGHT_SUFFIXES = frozenset({".data", ".bin", ".weight", ".weights", ".pb"})


class _StoredCard(msgspec.Struct):
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    digest: str = ""


def compute_digest(model_file: Path) -> str:
    """SHA-256 of a model file, in hexadecimal."""
    try:
        return hashlib.sha256(model_file.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{model_file}: {error.strerror or error}") from error


def find_model_forms(folder: Path) -> dict[str, Path]:
    """The folders of a model's forms, by precision: its own, and that of each sub-folder."""
    forms = {load_precision(folder): folder}
    return forms | {path.parent.name: path.parent for path in sorted(folder.glob("*/model.onnx"))}


def load_precision(folder: Path) -> str:
    """The precision that a model's card tells; fp32 without one."""
    return _load_card(folder).precision


def check_model_folder(folder: Path, runtime_needed: bool) -> list[str]:
    """One line on each form of a model; ModelError says why one cannot be served, and what to do.

    Without the runtime that is an error where it is needed; else only the files are looked at.
    """
    tries = _load_trial()
    if tries is None and runtime_needed:
        lacking = ", ".join(_find_lacking_packages())
        raise ModelError(
            f"the model cannot be tried here: {lacking} cannot be imported; run this where the project's "
            "environment is (make environment)"
        )
    return [_check_form(form, tries) for form in find_model_forms(folder).values()]


def _check_form(folder: Path, tries: Callable[[Path], str] | None) -> str:
    digest = check_model_files(folder)
    if tries is None:
        return f"{folder}: {digest[:8]}, files are whole; not tried: inference tries it before it serves"
    return f"{folder}: {digest[:8]}, {tries(folder)}"


def check_model_files(folder: Path) -> str:
    """The digest of the model's file; ModelError if the files are not whole, or of several models."""
    digest = compute_digest(folder / MODEL_FILES[0])
    weights = _find_external_weights(folder)
    if weights:
        raise ModelError(
            f"{folder}: {', '.join(weights)}: weights outside of model.onnx are not taken, for its digest "
            "does not cover them; save it as one file: onnx.save(onnx.load('model.onnx'), 'one.onnx')"
        )
    if not (folder / "golden.npz").is_file():
        raise ModelError(
            f"{folder} has no golden.npz: no station can tell whether the model answers as it did where it "
            "was made; export it again with training.export"
        )
    card = _load_card(folder)
    if card.digest and card.digest != digest:
        raise ModelError(
            f"{folder}: card.json is of the model {card.digest[:8]}, model.onnx is {digest[:8]}: it was "
            "changed or damaged since, or is of another export; copy the whole folder of one export"
        )
    return digest


def _load_card(folder: Path) -> _StoredCard:
    """The model's card; what it does not say, or one that is not there, has the defaults."""
    card = folder / "card.json"
    if not card.is_file():
        return _StoredCard()
    try:
        return msgspec.json.decode(card.read_bytes(), type=_StoredCard)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{card}: {error}") from error


def _find_external_weights(folder: Path) -> list[str]:
    """The files beside model.onnx that may hold its weights."""
    return sorted(
        file.name
        for file in folder.iterdir()
        if file.is_file()
        and file.name not in KNOWN_FILES
        and (file.suffix in WEIGHT_SUFFIXES or file.name.startswith("model.onnx"))
    )


def _find_lacking_packages() -> Sequence[str]:
    return [name for name in RUNTIME_PACKAGES if importlib.util.find_spec(name) is None]


def _load_trial() -> Callable[[Path], str] | None:
    """What tries a model with the real runtime; None where that is not installed."""
    if _find_lacking_packages():
        return None
    trial: Callable[[Path], str] = importlib.import_module(TRIAL).try_model
    return trial
