"""Conversion of model files to int8 (QDQ, calibrated on pictures, some parts in fp32) and fp16."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sightline.errors import ModelError

# Relu and Resize too: fp32 between two int8 convolutions costs two conversions.
QUANTIZED_OPERATORS = ["Conv", "Relu", "Add", "Resize"]
PIXEL_SCALE, PIXEL_ZERO = np.float32(1 / 58.0), np.uint8(116)  # (x - 116) / 58 = x / 58 - 2


class CalibrationReader:
    """Calibration pictures for onnxruntime, one by one."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, Any] | None:
        """The next input; None at the end."""
        image = next(self._images, None)
        return None if image is None else {"image": image[None]}


def convert_to_int8(file: Path, images: NDArray[np.uint8], fp32_parts: Sequence[str]) -> None:
    """Convert a model file to int8 in place, except for the named modules.

    `images` (K, height, width, 3) uint8 RGB set the ranges. ModelError without onnxruntime's quantizer.
    """
    try:
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise ModelError(f"int8 needs onnxruntime.quantization: {error}") from error
    draft = file.with_suffix(".int8")
    quant_pre_process(str(file), str(draft), skip_symbolic_shape=True)  # folds constants
    nodes = onnx.load(draft).graph.node
    quantize_static(
        str(draft),
        str(draft),
        CalibrationReader(images),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=QUANTIZED_OPERATORS,
        per_channel=True,
        reduce_range=True,  # 7-bit weights: sums saturate on no processor, so results agree
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[node.name for node in nodes if _is_in_modules(node.name, fp32_parts)],
    )
    model = onnx.load(draft)
    bypass_input_quantization(model)
    onnx.save(model, draft)
    draft.replace(file)


def bypass_input_quantization(model: onnx.ModelProto) -> None:
    """Feed 8-bit pixels directly: remove cast, normalisation and quantization at the input."""
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    for rounding in [node for node in graph.node if node.op_type == "QuantizeLinear"]:
        path = _find_upstream_nodes(rounding, makers)
        if [node.op_type for node in path] != ["Sub", "Mul", "Cast"]:
            continue
        for name, value in (("pixel_scale", PIXEL_SCALE), ("pixel_zero", PIXEL_ZERO)):
            graph.initializer.append(numpy_helper.from_array(np.array(value), name))
        for reader in [node for node in graph.node if rounding.output[0] in node.input]:
            reader.input[:] = [path[-1].input[0], "pixel_scale", "pixel_zero"]
        for node in [rounding, *path]:
            graph.node.remove(node)
        return


def _find_upstream_nodes(
    node: onnx.NodeProto, makers: dict[str, onnx.NodeProto]
) -> list[onnx.NodeProto]:
    """Up to three nodes before this one."""
    path: list[onnx.NodeProto] = []
    while node.input[0] in makers and len(path) < 3:
        node = makers[node.input[0]]
        path.append(node)
    return path


def _is_in_modules(node: str, parts: Sequence[str]) -> bool:
    return any(f"/{part}" in node for part in parts)


def convert_to_fp16(file: Path) -> None:
    """Convert a model file to fp16 in place; its outputs stay fp32."""
    model = onnx.load(file)
    graph = model.graph
    del graph.value_info[:]
    fp32_inputs = {
        name for node in graph.node if node.op_type == "Resize" for name in node.input[1:]
    }
    for tensor in graph.initializer:
        if tensor.name not in fp32_inputs:
            _convert_tensor_to_fp16(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
            elif node.op_type == "Constant" and node.output[0] not in fp32_inputs:
                _convert_tensor_to_fp16(attribute.t)
    for output in graph.output:
        half = f"{output.name}_half"
        for node in graph.node:
            node.output[:] = [half if name == output.name else name for name in node.output]
            node.input[:] = [half if name == output.name else name for name in node.input]
        graph.node.append(helper.make_node("Cast", [half], [output.name], to=TensorProto.FLOAT))
    onnx.save(model, file)


def _convert_tensor_to_fp16(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        numbers = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(numbers, tensor.name))
