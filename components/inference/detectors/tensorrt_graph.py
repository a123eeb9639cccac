"""A model file as TensorRT takes it: pure steps from one ONNX graph to another.

TensorRT wants pixels cast to float at once, 8-bit numbers symmetric around zero, and biases in float;
ONNX Runtime's fastest form has none of that. Both are made from the same file.
"""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MAX_INT8 = 127.0
TensorValues = np.ndarray[Any, np.dtype[Any]]


def convert_for_tensorrt(model: onnx.ModelProto, *, activations: bool) -> onnx.ModelProto:
    """The graph for TensorRT; without `activations` only the weights stay in 8 bits."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in result.graph.initializer}
    del result.graph.value_info[:]  # the types change
    _cast_pixels(result.graph)
    _make_biases_float(result.graph, values)
    _restore_clamps(result.graph, values)
    _normalise_pixels_in_float(result.graph, values, activations)
    if activations:
        _make_activation_ranges_symmetric(result.graph, values)
    else:
        _drop_rounding(result.graph)
    return result


def find_low_precisions(model: onnx.ModelProto) -> list[str]:
    """What below fp32 the file's own types ask for, in TensorRT's words."""
    asked = {
        "FP16": _is_half(model.graph),
        "INT8": bool(_find_nodes(model.graph, "QuantizeLinear")),
    }
    return [name for name, is_asked in asked.items() if is_asked]


def _cast_pixels(graph: onnx.GraphProto) -> None:
    pixels = graph.input[0].name
    for node in graph.node:
        _rename_inputs(node, {pixels: "pixels_as_float"})
    graph.node.insert(
        0, helper.make_node("Cast", [pixels], ["pixels_as_float"], to=_float_type(graph))
    )


def _float_type(graph: onnx.GraphProto) -> int:
    return int(TensorProto.FLOAT16 if _is_half(graph) else TensorProto.FLOAT)


def _is_half(graph: onnx.GraphProto) -> bool:
    return any(tensor.data_type == TensorProto.FLOAT16 for tensor in graph.initializer)


def _make_biases_float(graph: onnx.GraphProto, values: dict[str, TensorValues]) -> None:
    for node in _find_nodes(graph, "DequantizeLinear"):
        number = values.get(node.input[0])
        if number is not None and number.dtype == np.int32:
            bias = (number * values[node.input[1]]).astype(np.float32)
            graph.initializer.append(numpy_helper.from_array(bias, node.output[0]))
            graph.node.remove(node)


def _restore_clamps(graph: onnx.GraphProto, values: dict[str, TensorValues]) -> None:
    """Unsigned numbers from zero on cut off what is negative, in place of a Relu; signed ones do not."""
    for node in _find_nodes(graph, "QuantizeLinear"):
        zero = values.get(node.input[2])
        if zero is not None and zero.dtype == np.uint8 and zero == 0:
            clamped = f"{node.input[0]}_clamped"
            relu = helper.make_node("Relu", [node.input[0]], [clamped])
            node.input[0] = clamped
            graph.node.insert(list(graph.node).index(node), relu)


def _normalise_pixels_in_float(
    graph: onnx.GraphProto, values: dict[str, TensorValues], activations: bool
) -> None:
    """Where pixels are taken for 8-bit numbers as they are: normalise them in float instead."""
    rounded = {node.output[0] for node in _find_nodes(graph, "QuantizeLinear")}
    for node in _find_nodes(graph, "DequantizeLinear"):
        if node.input[0] in values or node.input[0] in rounded:
            continue
        scale, zero = (float(values[name]) for name in node.input[1:3])
        name = node.output[0]
        steps = [("Sub", zero), ("Mul", scale)]
        made, source = [], node.input[0]
        for number, (kind, value) in enumerate(steps):
            constant, target = f"{name}_{kind}", name if number == 1 else f"{name}_centred"
            graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), constant))
            made.append(helper.make_node(kind, [source, constant], [target]))
            source = target
        if activations:
            made += _build_rounding_nodes(graph, made[-1], scale * max(zero, 255 - zero) / MAX_INT8)
        place = list(graph.node).index(node)
        graph.node.remove(node)
        for step in reversed(made):
            graph.node.insert(place, step)


def _build_rounding_nodes(
    graph: onnx.GraphProto, last: onnx.NodeProto, scale: float
) -> list[onnx.NodeProto]:
    """To 8 bits and back behind a node, whose output then is named otherwise."""
    name = last.output[0]
    last.output[0] = f"{name}_exact"
    graph.initializer.append(numpy_helper.from_array(np.array(scale, np.float32), f"{name}_scale8"))
    graph.initializer.append(numpy_helper.from_array(np.array(0, np.int8), f"{name}_zero8"))
    numbers = [f"{name}_scale8", f"{name}_zero8"]
    return [
        helper.make_node("QuantizeLinear", [last.output[0], *numbers], [f"{name}_8"]),
        helper.make_node("DequantizeLinear", [f"{name}_8", *numbers], [name]),
    ]


def _make_activation_ranges_symmetric(
    graph: onnx.GraphProto, values: dict[str, TensorValues]
) -> None:
    """The same range of each activation in signed numbers around zero: a bit less fine."""
    known: dict[tuple[str, str], tuple[str, str]] = {}
    for node in [*_find_nodes(graph, "QuantizeLinear"), *_find_nodes(graph, "DequantizeLinear")]:
        scale_name, zero_name = node.input[1], node.input[2]
        zero = values.get(zero_name)
        if zero is None or zero.dtype != np.uint8:
            continue
        if (scale_name, zero_name) not in known:
            scale = float(values[scale_name]) * max(float(zero), 255 - float(zero)) / MAX_INT8
            names = (f"{scale_name}_signed", f"{zero_name}_signed")
            for name, value in zip(names, (np.float32(scale), np.int8(0)), strict=True):
                graph.initializer.append(numpy_helper.from_array(np.array(value), name))
            known[scale_name, zero_name] = names
        node.input[1:] = known[scale_name, zero_name]


def _drop_rounding(graph: onnx.GraphProto) -> None:
    """Leave activations in float: read behind each rounding what went into it."""
    exact = {node.output[0]: node.input[0] for node in _find_nodes(graph, "QuantizeLinear")}
    back = {
        node.output[0]: exact[node.input[0]]
        for node in _find_nodes(graph, "DequantizeLinear")
        if node.input[0] in exact
    }
    gone = [node for node in graph.node if node.output[0] in exact or node.output[0] in back]
    for node in gone:
        graph.node.remove(node)
    for node in graph.node:
        _rename_inputs(node, back)


def _find_nodes(graph: onnx.GraphProto, kind: str) -> list[onnx.NodeProto]:
    return [node for node in graph.node if node.op_type == kind]


def _rename_inputs(node: onnx.NodeProto, names: dict[str, str]) -> None:
    node.input[:] = [names.get(name, name) for name in node.input]
