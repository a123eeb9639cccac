"""A model that finds bright spots, and pictures with one, for the tests of training."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper

CONTRACT = {
    "kind": "heat",
    "name": "bright",
    "width": 80,
    "height": 60,
    "image_threshold": 0.6,
    "heat_threshold": 0.6,
}
SPOT = (40, 32, 16, 24)


def write_map_model(folder: Path, contract: dict[str, Any]) -> Path:
    """A model whose map is the brightness of each of 60 x 80 cells, and whose score is the maximum."""
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["grey"], axes=[3], keepdims=0),
        helper.make_node("Div", ["grey", "white"], ["heat"]),
        helper.make_node("ReduceMax", ["heat"], ["score"], axes=[1, 2], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "bright",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 60, 80, 3])],
        [
            helper.make_tensor_value_info("score", TensorProto.FLOAT, [1]),
            helper.make_tensor_value_info("heat", TensorProto.FLOAT, [1, 60, 80]),
        ],
        [helper.make_tensor("white", TensorProto.FLOAT, [], [255.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    entry = model.metadata_props.add()
    entry.key, entry.value = "sightline", json.dumps(contract)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / "model.onnx"))
    return folder


def write_spot(file: Path, level: int = 240, spot: tuple[int, int, int, int] = SPOT) -> Path:
    """A dark picture of 160 x 120 with a bright spot."""
    image = np.full((120, 160, 3), 60, np.uint8)
    x, y, width, height = spot
    image[y : y + height, x : x + width] = level
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), image)
    return file
