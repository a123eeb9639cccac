"""Whether a folder holds a model that a station can serve: its files here, its answers by the runtime.

The runtime (ONNX Runtime, NumPy, OpenCV) is not in a model component's own environment. There inference
tries the model before it serves; on a machine that has the runtime it is tried at once.
"""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Literal

import msgspec

from sightline.errors import ModelError

MODEL_FILES = ("model.onnx", "golden.npz", "card.json")
TRIAL = "sightline.vision.model_trial"
TRIAL_TIMEOUT_S = 300.0
NO_RUNTIME = 3  # exit code of the trial: the packages that it needs are not installed
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
    return [_check_form(form, runtime_needed) for form in find_model_forms(folder).values()]


def _check_form(folder: Path, runtime_needed: bool) -> str:
    digest = check_model_files(folder)
    tried = _try_model(folder)
    if tried.returncode not in (0, NO_RUNTIME):
        crashed = f"it ended with exit code {tried.returncode}"
        raise ModelError(tried.stderr.strip() or f"{folder}: the runtime cannot run it: {crashed}")
    if tried.returncode == NO_RUNTIME and runtime_needed:
        raise ModelError(
            f"{folder} cannot be tried here: {tried.stderr.strip()}; run this in the project's environment "
            "(make environment)"
        )
    told = tried.stdout.strip() or "not tried here: inference tries it before it serves"
    return f"{folder}: {digest[:8]}, {told}"


def _try_model(folder: Path) -> "subprocess.CompletedProcess[str]":
    """In a process of its own: a damaged model may take the runtime down with it."""
    command = [sys.executable, "-m", TRIAL, str(folder)]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TRIAL_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"{folder}: no answer to its golden frames in {error.timeout:g} s"
        ) from None


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
