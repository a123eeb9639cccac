"""Real, small ONNX models for tests: each finds 8 x 8 squares that are bright in one colour."""

from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sightline.storage.model_store import store_model
from sightline.vision.anchor_boxes import AnchorLevel, AnchorSpec
from sightline.vision.detector import CONTRACT_KEY, CONTRACT_VERSION, ModelContract
from sightline.vision.golden_frames import write_golden_frames
from sightline.vision.onnx_detector import OnnxDetector
from sightline.vision.preprocess import AREA_HALVES

WIDTH, HEIGHT, STRIDE = 160, 96, 8
CELLS = (WIDTH // STRIDE) * (HEIGHT // STRIDE)
RED, GREEN = 0, 1


def build_model_contract(
    name: str, label: str, picture_shapes: tuple[float, float] | None = None
) -> ModelContract:
    """What such a model says of itself."""
    return ModelContract(
        contract_version=CONTRACT_VERSION,
        name=name,
        labels=(label,),
        anchors=AnchorSpec(WIDTH, HEIGHT, (AnchorLevel(STRIDE, (8.0,), (1.0,)),)),
        preprocessing=AREA_HALVES,
        model_version="test",
        picture_shapes=picture_shapes,
    )


def write_model(
    folder: Path,
    name: str,
    label: str,
    channel: int,
    *,
    anchors: int = CELLS,
    sharpness: float = 0.1,
    picture_shapes: tuple[float, float] | None = None,
) -> Path:
    """A model folder with model.onnx and golden frames; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model = _model(channel, anchors, sharpness)
    entry = model.metadata_props.add()
    entry.key = CONTRACT_KEY
    entry.value = msgspec.json.encode(build_model_contract(name, label, picture_shapes)).decode()
    onnx.save(model, folder / "model.onnx")
    if anchors == CELLS:
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        image[16:24, 32:40, channel] = 255
        write_golden_frames(OnnxDetector(folder, 1), image[None], folder / "golden.npz")
    return folder


def put(store: Path, folder: Path, name: str) -> str:
    """Into the model store, as the model component's install step does; returns the digest."""
    return store_model(folder, name, store)


def _model(channel: int, anchors: int, sharpness: float) -> onnx.ModelProto:
    graph = helper.make_graph(
        _nodes(),
        "bright squares",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, HEIGHT, WIDTH, 3])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, anchors, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, anchors, 1]),
        ],
        [
            numpy_helper.from_array(values, name)
            for name, values in _constants(channel, anchors, sharpness).items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _nodes() -> list[onnx.NodeProto]:
    node, square = helper.make_node, [STRIDE] * 2
    return [
        node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        node("Conv", ["planes", "weights"], ["colour"]),
        node("AveragePool", ["colour"], ["cells"], kernel_shape=square, strides=square),
        node("Reshape", ["cells", "shape"], ["flat"]),
        node("Sub", ["flat", "middle"], ["above"]),
        node("Mul", ["above", "sharpness"], ["logits"]),
        node("Sigmoid", ["logits"], ["all_scores"]),
        node("Slice", ["all_scores", "from", "to", "axis"], ["scores"]),
        node("Identity", ["no_offsets"], ["boxes"]),
    ]


def _constants(channel: int, anchors: int, sharpness: float) -> dict[str, np.ndarray]:
    weights = np.full((1, 3, 1, 1), -0.5, np.float32)
    weights[0, channel] = 1.0
    return {
        "weights": weights,
        "shape": np.array([1, CELLS, 1], np.int64),
        "middle": np.array(120, np.float32),
        "sharpness": np.array(sharpness, np.float32),
        "no_offsets": np.zeros((1, anchors, 4), np.float32),
        "from": np.array([0], np.int64),
        "to": np.array([anchors], np.int64),
        "axis": np.array([1], np.int64),
    }
