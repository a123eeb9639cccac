"""Which precisions TensorRT is allowed to build a model in, before it went by the file's types alone."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inference.detectors import build_engine
from tests.unit.inference.small_models import HEIGHT, RED, WIDTH, write_model
from training.exporting.quantization import convert_to_fp16, convert_to_int8


class OlderTensorRt:
    """TensorRT as far as an engine is built, before its version 10; notes the flags."""

    NetworkDefinitionCreationFlag = SimpleNamespace(EXPLICIT_BATCH=0)
    BuilderFlag = SimpleNamespace(FP16="FP16", INT8="INT8")

    class ILogger:
        """What loggers derive from."""

        ERROR = 1

    def __init__(self) -> None:
        self.flags: list[str] = []
        self.networks: list[int] = []

    def Builder(self, _log: Any) -> Any:
        """Builds engines."""
        configuration = SimpleNamespace(set_flag=self.flags.append)
        return SimpleNamespace(
            create_network=self.networks.append,
            create_builder_config=lambda: configuration,
            build_serialized_network=lambda _network, _configuration: b"engine",
        )

    def OnnxParser(self, _network: Any, _log: Any) -> Any:
        """Reads all files."""
        return SimpleNamespace(parse=lambda content: bool(content))


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> OlderTensorRt:
    library = OlderTensorRt()
    monkeypatch.setattr(build_engine, "load_tensorrt", lambda: library)
    return library


@pytest.mark.parametrize(
    ("precision", "flags"), [("fp32", []), ("fp16", ["FP16"]), ("int8", ["INT8"])]
)
def test_an_older_tensorrt_is_allowed_what_the_file_asks_for_and_nothing_else(
    older: OlderTensorRt, tmp_path: Path, precision: str, flags: list[str]
) -> None:
    file = write_model(tmp_path / "model", "surface", "scratch", RED) / "model.onnx"
    if precision == "fp16":
        convert_to_fp16(file)
    elif precision == "int8":
        pictures = np.random.default_rng(3).integers(0, 256, (8, HEIGHT, WIDTH, 3))
        convert_to_int8(file, pictures.astype(np.uint8), ())
    assert build_engine.build_engine(file, lambda _share, _phase: None) == b"engine"
    assert older.flags == flags
    assert older.networks == [1]  # batches are explicit


def test_a_tensorrt_that_goes_by_the_types_alone_is_given_no_flag(
    older: OlderTensorRt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = SimpleNamespace(EXPLICIT_BATCH=0, STRONGLY_TYPED=1)
    monkeypatch.setattr(older, "NetworkDefinitionCreationFlag", kinds)
    file = write_model(tmp_path / "model", "surface", "scratch", RED) / "model.onnx"
    convert_to_fp16(file)
    build_engine.build_engine(file, lambda _share, _phase: None)
    assert older.flags == []
    assert older.networks == [2]
