"""The int8 form of a network: all convolutions in 8 bits, and outputs close to fp32."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")

from sightline.vision.anchor_boxes import AnchorLevel, AnchorSpec  # noqa: E402
from training.exporting.quantization import convert_to_fp16, convert_to_int8  # noqa: E402
from training.methods.ssd_method import ServedSsd  # noqa: E402
from training.models.dense_ssd import DenseSsd  # noqa: E402
from training.models.ssd_lite import ChannelWidths  # noqa: E402

WIDTH, HEIGHT = 64, 48
ANCHORS = AnchorSpec(
    WIDTH, HEIGHT, (AnchorLevel(8, (20.0,), (1.0,)), AnchorLevel(16, (38.0,), (1.0,)))
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network in fp32, with numbers of the size that trained ones have."""
    torch.manual_seed(1)
    network = DenseSsd(2, ANCHORS, ChannelWidths(16, 16, 32, 32, 16))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.8, 1.6)
            torch.nn.init.uniform_(module.bias, -0.3, 0.3)
    for head in network.heads:
        torch.nn.init.constant_(head.scores.bias, 0.0)
    target = tmp_path_factory.mktemp("dense") / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            ServedSsd(network).eval(),
            (torch.zeros((1, HEIGHT, WIDTH, 3), dtype=torch.uint8),),
            str(target),
            dynamo=False,
            opset_version=17,
            input_names=["image"],
            output_names=["boxes", "scores"],
        )
    return target


def images(count: int) -> np.ndarray:
    """Pictures with some structure."""
    random = np.random.default_rng(2)
    coarse = random.integers(0, 256, (count, HEIGHT // 8, WIDTH // 8, 3))
    return coarse.repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)


def scores_of(file: Path) -> np.ndarray:
    """A file's scores for one picture."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options)
    return np.asarray(session.run(["scores"], {"image": images(1)})[0])


@pytest.fixture(scope="module")
def int8(file: Path) -> Path:
    target = file.with_name("int8.onnx")
    shutil.copy(file, target)
    convert_to_int8(target, images(16), ("heads",))
    return target


def test_all_convolutions_but_those_of_the_heads_take_8_bit_numbers_and_nothing_lies_between(
    int8: Path,
) -> None:
    graph = onnx.load(int8).graph
    makers = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type == "Conv" and "/heads" not in node.name:
            assert [makers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
    kinds = [node.op_type for node in graph.node]
    assert "Relu" not in kinds


def test_pixels_go_into_the_first_convolution_as_they_are(int8: Path) -> None:
    kinds = {node.op_type for node in onnx.load(int8).graph.node}
    assert not kinds & {"Cast", "Sub", "Mul"}


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_its_scores_are_close_to_those_of_the_file_it_was_made_from(
    file: Path, int8: Path, precision: str
) -> None:
    made = int8
    if precision == "fp16":
        made = file.with_name("fp16.onnx")
        shutil.copy(file, made)
        convert_to_fp16(made)
    expected = scores_of(file)
    assert expected.std() > 0.03
    np.testing.assert_allclose(
        scores_of(made), expected, atol=0.002 if precision == "fp16" else 0.02
    )
