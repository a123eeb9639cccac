"""Predictors for exported models; they run the served file, not the checkpoint.

The metadata of `model.onnx` gives its kind. A model with anchors detects boxes. A model of `kind: heat` has
the outputs `score` (1,), how anomalous the picture is in 0..1, and `heat` (1, height, width), the anomaly
map: regions of at least `heat_threshold` become boxes.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sightline.errors import ModelError
from sightline.storage.model_folder import compute_digest
from sightline.vision.detector import CONTRACT_KEY
from sightline.vision.model_outputs import InferenceTimings, ServingModel, decode_outputs, run_model
from sightline.vision.onnx_detector import OnnxDetector
from sightline.vision.preprocess import AREA_HALVES
from training.datasets import load_frame, load_input
from training.evaluation.predictions import (
    PicturePrediction,
    PicturePredictor,
    PredictedBox,
    build_prediction_from_boxes,
)

MIN_PREDICTED_SCORE = 0.05  # lower bound of curves and sweeps
DEFAULT_THRESHOLD = 0.5
MODEL_FILE, CARD_FILE = "model.onnx", "card.json"


class AnomalyMapContract(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata of a model with a score and, optionally, an anomaly map."""

    kind: str = "heat"
    name: str
    width: int
    height: int
    label: str = "anomaly"
    preprocessing: str = AREA_HALVES
    image_threshold: float = DEFAULT_THRESHOLD
    map_threshold: float | None = msgspec.field(
        default=None, name="heat_threshold"
    )  # None: no boxes
    min_area: float = msgspec.field(
        default=0.0, name="least_area"
    )  # of a region, as a share of the picture


class BoxPredictor:
    """A detector with anchors; its thresholds come from its card."""

    def __init__(self, folder: Path) -> None:
        detector = OnnxDetector(folder, threads=1)
        self._model = ServingModel(detector)
        self.name, self.digest = detector.contract.name, detector.digest
        self.labels = detector.contract.labels
        thresholds = read_card(folder).get("thresholds", {})
        self.box_threshold = float(thresholds.get("box", DEFAULT_THRESHOLD))
        self.image_threshold = float(thresholds.get("image", self.box_threshold))

    def predict(self, file: Path) -> PicturePrediction:
        """The boxes that the station would find."""
        found = decode_outputs(
            [run_model(self._model, load_frame(file), "", InferenceTimings())], MIN_PREDICTED_SCORE
        )
        boxes = [
            PredictedBox(one.label, one.score, (one.x, one.y, one.width, one.height))
            for one in found
        ]
        return build_prediction_from_boxes(boxes)


class AnomalyMapPredictor:
    """A model with a score and, optionally, an anomaly map whose regions become boxes."""

    def __init__(self, folder: Path) -> None:
        file = folder / MODEL_FILE
        self._session = _open_session(file)
        try:
            self.contract = msgspec.convert(_read_contract(file), AnomalyMapContract)
        except msgspec.ValidationError as error:
            raise ModelError(f"{file}: metadata {CONTRACT_KEY!r}: {error}") from error
        self.name, self.digest = self.contract.name, compute_digest(file)
        self.labels: tuple[str, ...] = (self.contract.label,)
        self._outputs = [node.name for node in self._session.get_outputs()]
        self.image_threshold = self.contract.image_threshold
        self.box_threshold = self.contract.map_threshold or DEFAULT_THRESHOLD

    def predict(self, file: Path) -> PicturePrediction:
        """The score, and the boxes around regions of the map."""
        contract = self.contract
        frame = load_frame(file)
        image = load_input(file, contract.preprocessing, (contract.width, contract.height))
        found = dict(
            zip(self._outputs, self._session.run(None, {"image": image[None]}), strict=True)
        )
        score = float(np.ravel(found["score"])[0])
        if "heat" not in found:
            return PicturePrediction((), score)
        anomaly_map = np.rint(np.clip(found["heat"][0], 0, 1) * 255).astype(np.uint8)
        if contract.map_threshold is None:
            return PicturePrediction((), score, anomaly_map)
        boxes = find_map_boxes(
            found["heat"][0],
            contract.map_threshold,
            contract.min_area,
            frame.size,
            contract.label,
        )
        return PicturePrediction(tuple(boxes), score, anomaly_map)


def find_map_boxes(
    anomaly_map: NDArray[np.float32],
    threshold: float,
    min_area: float,
    size: tuple[int, int],
    label: str,
) -> list[PredictedBox]:
    """A box around each connected region of the map, in pixels of the picture, best first."""
    above = (anomaly_map >= threshold).astype(np.uint8)
    count, regions, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    across, down = size[0] / anomaly_map.shape[1], size[1] / anomaly_map.shape[0]
    peaks = np.zeros(count, anomaly_map.dtype)
    np.maximum.at(peaks, regions.ravel(), anomaly_map.ravel())
    found = []
    for number in range(1, count):
        x, y, width, height, area = (int(value) for value in stats[number])
        if area >= min_area * anomaly_map.size:
            box = (x * across, y * down, width * across, height * down)
            found.append(PredictedBox(label, float(peaks[number]), box))
    return sorted(found, key=lambda box: -box.score)


PREDICTOR_KINDS: dict[str, Callable[[Path], PicturePredictor]] = {
    "boxes": BoxPredictor,
    "heat": AnomalyMapPredictor,
}


def open_predictor(folder: Path) -> PicturePredictor:
    """A predictor for the model in a folder; ModelError if it is missing or of an unknown kind."""
    kind = str(_read_contract(folder / MODEL_FILE).get("kind", "boxes"))
    if kind not in PREDICTOR_KINDS:
        raise ModelError(f"{folder}: found kind {kind!r}; known are {', '.join(PREDICTOR_KINDS)}")
    return PREDICTOR_KINDS[kind](folder)


def _open_session(file: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(file), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise ModelError(f"Cannot load the model {file}: {error}") from error


def _read_contract(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ModelError(f"{file} is missing")
    text = _open_session(file).get_modelmeta().custom_metadata_map.get(CONTRACT_KEY)
    if text is None:
        raise ModelError(f"{file} has no metadata {CONTRACT_KEY!r}; export it with training.export")
    return dict(json.loads(text))


def read_card(folder: Path) -> dict[str, Any]:
    """The facts of a model card, empty without a card; ModelError if it cannot be read."""
    file = folder / CARD_FILE
    try:
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}
    except (OSError, ValueError) as error:
        raise ModelError(f"Cannot read {file}: {error}") from error
