"""What every detector is: a contract that says what goes in and out, and one method that infers."""

from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from sightline.vision.anchor_boxes import AnchorSpec

CONTRACT_VERSION = 1
MAX_SHAPE_RATIO = 1.1  # of a picture's width over height to that in training
Precision = Literal["fp32", "fp16", "int8"]
CONTRACT_KEY = "sightline"  # in the ONNX file's metadata


class ModelContract(msgspec.Struct, frozen=True, kw_only=True):
    """What a model file says of itself: input (1, height, width, 3) uint8 RGB by the anchors' size;
    outputs raw boxes (1, N, 4) and scores (1, N, labels), float32.

    Every picture is stretched to the input's size. `picture_shapes`: the smallest and the largest width
    over height of the training pictures; None: the model's maker did not say.
    """

    contract_version: int
    name: str
    labels: tuple[str, ...]
    anchors: AnchorSpec
    preprocessing: str
    model_version: str = ""
    precision: Precision = "fp32"
    picture_shapes: tuple[float, float] | None = None

    def knows_shape(self, width: int, height: int) -> bool:
        """Whether a picture of this size is stretched to the input about as in training."""
        if self.picture_shapes is None:
            return True
        narrowest, widest = self.picture_shapes
        shape = width / height
        return narrowest / MAX_SHAPE_RATIO <= shape <= widest * MAX_SHAPE_RATIO


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
