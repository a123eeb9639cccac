"""What every detector is: a contract that says what goes in and out, and one method that infers."""

from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from sightline.vision.anchor_boxes import AnchorSpec

CONTRACT_VERSION = 1
Precision = Literal["fp32", "fp16", "int8"]
CONTRACT_KEY = "sightline"  # in the ONNX file's metadata


class ModelContract(msgspec.Struct, frozen=True, kw_only=True):
    """What a model file says of itself: input (1, height, width, 3) uint8 RGB by the anchors' size;
    outputs raw boxes (1, N, 4) and scores (1, N, labels), float32."""

    contract_version: int
    name: str
    labels: tuple[str, ...]
    anchors: AnchorSpec
    preprocessing: str
    model_version: str = ""
    precision: Precision = "fp32"


@dataclass(frozen=True)
class RawDetections:
    """A model's answer for one image: offsets (N, 4) and scores (N, labels), float32."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]


class Detector(Protocol):
    """A loaded model; several threads may use it at once."""

    contract: ModelContract
    digest: str

    def infer(self, image: NDArray[np.uint8]) -> RawDetections:
        """Run the bare model on (height, width, 3) uint8 RGB; ModelError if it fails."""
