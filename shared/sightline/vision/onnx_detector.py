"""The detector on ONNX Runtime, CPU: the embedded default and the reference for all others."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sightline.errors import ModelError
from sightline.storage.model_folder import compute_digest
from sightline.vision.anchor_boxes import make_anchors
from sightline.vision.detector import (
    CONTRACT_KEY,
    CONTRACT_VERSION,
    ModelContract,
    RawDetections,
)
from sightline.vision.preprocess import PREPROCESSINGS

MAP_OUTPUT = "heat"  # of models that are evaluated, and not served


class OnnxDetector:
    """A model file in a session of its own; ModelError if it is none or of the wrong shape."""

    def __init__(self, folder: Path, threads: int) -> None:
        file = folder / "model.onnx"
        self.digest = compute_digest(file)
        self._session = _open_session(file, threads)
        self.contract = _parse_contract(file, self._session)
        _check_shapes(file, self._session, self.contract)

    def infer(self, image: NDArray[np.uint8]) -> RawDetections:
        """Run the bare model on (height, width, 3) uint8 RGB."""
        try:
            boxes, scores = self._session.run(("boxes", "scores"), {"image": image[None]})
        except Exception as error:
            raise ModelError(f"model {self.contract.name} cannot run: {error}") from error
        return RawDetections(boxes[0], scores[0])


def load_contract(file: Path) -> ModelContract:
    """What a model file says of itself; ModelError if it is none or of the wrong shape."""
    session = _open_session(file, threads=1)
    contract = _parse_contract(file, session)
    _check_shapes(file, session, contract)
    return contract


def _open_session(file: Path, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(
            str(file), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise ModelError(f"{file} cannot be loaded as a model: {error}") from error


def _parse_contract(file: Path, session: Any) -> ModelContract:
    text = session.get_modelmeta().custom_metadata_map.get(CONTRACT_KEY)
    if text is None:
        raise ModelError(f"{file} has no metadata {CONTRACT_KEY!r}; export it with training.export")
    if any(node.name == MAP_OUTPUT for node in session.get_outputs()):
        raise ModelError(
            f"{file} gives an anomaly map and no boxes, as the methods classifier, vae and student-teacher "
            "do: a station serves detectors only; train one with training.train ssd"
        )
    try:
        contract = msgspec.json.decode(text, type=ModelContract)
    except msgspec.DecodeError as error:
        raise ModelError(f"{file}: metadata {CONTRACT_KEY!r}: {error}") from error
    if contract.contract_version != CONTRACT_VERSION:
        raise ModelError(
            f"{file}: found contract version {contract.contract_version}; known is {CONTRACT_VERSION}"
        )
    if contract.preprocessing not in PREPROCESSINGS:
        raise ModelError(
            f"{file}: found preprocessing {contract.preprocessing!r}; "
            f"allowed are {', '.join(PREPROCESSINGS)}"
        )
    return contract


def _check_shapes(file: Path, session: Any, contract: ModelContract) -> None:
    anchors, size = len(make_anchors(contract.anchors)), contract.anchors
    expected = {
        "image": ("tensor(uint8)", [1, size.height, size.width, 3]),
        "boxes": ("tensor(float)", [1, anchors, 4]),
        "scores": ("tensor(float)", [1, anchors, len(contract.labels)]),
    }
    found = {
        node.name: (node.type, node.shape) for node in session.get_inputs() + session.get_outputs()
    }
    if found != expected:
        raise ModelError(f"{file} is of the wrong shape: found {found}; expected {expected}")
