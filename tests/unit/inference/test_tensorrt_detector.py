"""TensorRT: real engines are built where it is installed; what runs them is proven on a stand-in."""

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from inference.detectors import build_engine, tensorrt_detector
from inference.detectors.engine_cache import EngineCache, EngineKey
from inference.detectors.tensorrt_detector import TensorRtDetector
from inference.detectors.tensorrt_graph import convert_for_tensorrt
from inference.prediction.part_inference import PartInference
from sightline.errors import ModelError
from sightline.vision.golden_frames import check_golden_frames
from sightline.vision.model_outputs import ServingModel
from sightline.vision.onnx_detector import OnnxDetector
from tests.unit.inference.conftest import CAMERAS, InferenceUnderTest
from tests.unit.inference.device_stand_in import FakeDriver, build_gpu, library
from tests.unit.inference.host_kernel import COMPILER, HostKernel
from tests.unit.inference.small_models import GREEN, HEIGHT, RED, WIDTH, write_model
from training.exporting.quantization import convert_to_fp16, convert_to_int8

REPOSITORY = Path(__file__).resolve().parents[3]
INSTALLED = any(importlib.util.find_spec(name) for name in build_engine.TENSORRT_LIBRARIES)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no g++ to compile the kernel with")
needs_tensorrt = pytest.mark.skipif(
    not INSTALLED, reason="neither tensorrt nor tensorrt-rtx is installed: make tensorrt"
)


class Factory:
    """Opens detectors on the stand-in; building an engine is to hand over the model file."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache_folder = folder / "engines"
        self.driver = FakeDriver()
        self.kernel = HostKernel(folder)
        self.gpu = build_gpu(self.driver, self.kernel)
        self.built: list[Path] = []
        self.progress: list[float] = []
        self._monkeypatch = monkeypatch
        self.use(library())

        def build(model: Path, out: Path, report: build_engine.BuildProgressCallback) -> bytes:
            self.built.append(model)
            report(1.0, "built")
            return model.read_bytes()

        monkeypatch.setattr(tensorrt_detector, "build_in_subprocess", build)

    def use(self, found: object) -> None:
        """Another TensorRT from now on."""
        self._monkeypatch.setattr(tensorrt_detector, "load_tensorrt", lambda: found)

    def open(self, model: Path) -> TensorRtDetector:
        """A detector, its engine from the cache or built."""
        cache = EngineCache(self.cache_folder)
        return TensorRtDetector(model, cache, lambda s, _: self.progress.append(s), self.gpu)

    def cached(self) -> Path:
        """The one engine in the cache."""
        [file] = self.cache_folder.glob("*.engine")
        return file


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Factory:
    return Factory(tmp_path, monkeypatch)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model", "surface", "scratch", RED)


@needs_compiler
def test_it_answers_the_golden_frames_and_all_work_is_done_by_one_thread(
    factory: Factory, model: Path
) -> None:
    detector = factory.open(model)
    check_golden_frames(detector, model / "golden.npz")
    assert len(factory.driver.threads) == 1
    assert factory.progress == [1.0]


@needs_compiler
def test_a_part_on_the_device_gives_the_same_detections_as_on_the_processor(
    factory: Factory, bench: InferenceUnderTest, tmp_path: Path
) -> None:
    folders = [
        write_model(tmp_path / "a", "surface", "scratch", RED),
        write_model(tmp_path / "b", "cap", "cap_present", GREEN),
    ]
    on_device = [ServingModel(factory.open(folder)) for folder in folders]
    on_processor = [ServingModel(OnnxDetector(folder, 1)) for folder in folders]
    examiner = PartInference(bench.station, CAMERAS, images_at_once=2)
    allocated = []
    for number in range(1, 4):
        captured = bench.capture(number, caps=("cam1", "cam4"), scratches=(f"cam{number}",))
        found = examiner.predict_part(captured.frames, on_device, 0.2)
        expected = examiner.predict_part(captured.frames, on_processor, 0.2)
        assert found.detections == expected.detections != ()
        for camera in CAMERAS:
            whole = found.frames[camera].size
            np.testing.assert_array_equal(
                found.frames[camera].at_size(*whole), expected.frames[camera].at_size(*whole)
            )
        allocated.append(factory.driver.allocated)
    assert allocated[0] == allocated[-1]
    examiner.close()


@needs_compiler
def test_an_error_of_the_device_is_one_of_the_model(
    factory: Factory, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = factory.open(model)

    def fail(*_: object) -> None:
        raise factory.driver.Error("out of memory")

    monkeypatch.setattr(factory.driver, "memcpy_htod_async", fail)
    with pytest.raises(ModelError, match="the GPU failed: out of memory"):
        detector.infer(images(1)[0])


@needs_compiler
def test_an_engine_is_built_once_and_again_when_damaged_or_for_another_tensorrt(
    factory: Factory, model: Path
) -> None:
    factory.open(model)
    factory.open(model)
    assert len(factory.built) == 1
    for damage in (b"", b"not an engine", factory.cached().read_bytes()[:-1]):
        factory.cached().write_bytes(damage)
        check_golden_frames(factory.open(model), model / "golden.npz")
    assert len(factory.built) == 4
    factory.use(library("2.0"))
    factory.open(model)
    assert len(factory.built) == 5


@needs_compiler
def test_an_engine_that_the_device_does_not_take_is_built_again(
    factory: Factory, model: Path
) -> None:
    detector = factory.open(model)
    key = EngineKey(
        model_digest=detector.digest,
        tensorrt="stand_in 1.0",
        gpu=factory.gpu.name,
        precision="fp32",
    )
    EngineCache(factory.cache_folder).store(key, b"whole, but not for this device")
    check_golden_frames(factory.open(model), model / "golden.npz")
    assert len(factory.built) == 2


@pytest.mark.parametrize(
    "other",
    [{"gpu": "other 8.9"}, {"precision": "int8"}, {"tensorrt": "t 2"}, {"model_digest": "b"}],
)
def test_the_cache_gives_no_engine_of_another_device_version_model_or_precision(
    tmp_path: Path, other: dict[str, str]
) -> None:
    known = {"model_digest": "a", "tensorrt": "t 1", "gpu": "orin 8.7", "precision": "fp32"}
    cache = EngineCache(tmp_path)
    cache.store(EngineKey(**known), b"engine")  # type: ignore[arg-type]
    assert cache.load(EngineKey(**known)) == b"engine"  # type: ignore[arg-type]
    [file] = tmp_path.glob("*.engine")
    assert cache.load(EngineKey(**{**known, **other})) is None  # type: ignore[arg-type]
    file.write_bytes(file.read_bytes()[:-1])
    assert cache.load(EngineKey(**known)) is None  # type: ignore[arg-type]


def test_a_foreign_engine_under_a_known_name_is_not_given(tmp_path: Path) -> None:
    keys = [EngineKey(model_digest=d, tensorrt="t", gpu="g", precision="fp32") for d in ("a", "b")]
    cache = EngineCache(tmp_path)
    cache.store(keys[0], b"engine")
    [foreign] = tmp_path.glob("*.engine")
    cache.store(keys[1], b"other")
    [mine] = [file for file in tmp_path.glob("*.engine") if file != foreign]
    mine.write_bytes(foreign.read_bytes())
    assert cache.load(keys[1]) is None


@pytest.mark.skipif(
    importlib.util.find_spec("pycuda") is not None, reason="pycuda is installed here"
)
def test_without_pycuda_the_refusal_says_what_is_missing(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="needs pycuda and a GPU's driver"):
        TensorRtDetector(model, EngineCache(tmp_path), lambda *_: None)


@pytest.mark.parametrize("activations", [True, False])
def test_the_graph_for_tensorrt_answers_like_the_int8_file(
    model: Path, tmp_path: Path, activations: bool
) -> None:
    file = int8_of(with_relu(model), tmp_path)
    image = images(1)
    expected = answer(onnx.load(file), image)
    assert expected.std() > 0.02
    made = convert_for_tensorrt(onnx.load(file), activations=activations)
    assert next(node.op_type for node in made.graph.node) == "Cast"
    np.testing.assert_allclose(answer(made, image), expected, atol=0.08)


@pytest.mark.parametrize("made", ["fp16", "int8"])
def test_a_file_of_fewer_bits_answers_alike(model: Path, tmp_path: Path, made: str) -> None:
    file = fp16_of(model, tmp_path) if made == "fp16" else int8_of(model, tmp_path)
    expected = answer(onnx.load(model / "model.onnx"), images(1))
    np.testing.assert_allclose(answer(onnx.load(file), images(1)), expected, atol=0.08)
    kinds = {node.op_type for node in onnx.load(file).graph.node}
    assert ("QuantizeLinear" in kinds) == (made == "int8")


@needs_tensorrt
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_real_engine_is_built_with_progress(model: Path, tmp_path: Path, precision: str) -> None:
    file = {"fp32": lambda *_: model / "model.onnx", "fp16": fp16_of, "int8": int8_of}[precision](
        model, tmp_path
    )
    shares: list[float] = []
    engine = build_engine.build_in_subprocess(
        file, tmp_path / "e", lambda share, _: shares.append(share)
    )
    assert len(engine) > 1000
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@needs_tensorrt
def test_the_demo_models_become_engines(tmp_path: Path) -> None:
    for name in ("surface", "cap"):
        file = REPOSITORY / "components" / "models" / name / "model.onnx"
        assert len(build_engine.build_in_subprocess(file, tmp_path / "e", lambda *_: None)) > 1000


@needs_tensorrt
def test_what_tensorrt_cannot_read_is_refused_with_its_words(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"this is no model")
    with pytest.raises(ModelError, match="is not a model"):
        build_engine.build_in_subprocess(file, tmp_path / "e", lambda *_: None)


def int8_of(model: Path, folder: Path) -> Path:
    """The model file in 8 bits."""
    file = folder / "int8.onnx"
    file.write_bytes((model / "model.onnx").read_bytes())
    convert_to_int8(file, images(8), ())
    return file


def with_relu(model: Path) -> Path:
    """The model with a clamp amid its layers: what is not of its colour counts as none."""
    found = onnx.load(model / "model.onnx")
    place = [node.op_type for node in found.graph.node].index("AveragePool")
    found.graph.node[place].input[0] = "clamped"
    found.graph.node.insert(place, onnx.helper.make_node("Relu", ["colour"], ["clamped"]))
    middle = next(tensor for tensor in found.graph.initializer if tensor.name == "middle")
    middle.CopyFrom(onnx.numpy_helper.from_array(np.array(30, np.float32), "middle"))
    onnx.save(found, model / "model.onnx")
    return model


def fp16_of(model: Path, folder: Path) -> Path:
    """The model file in 16 bits."""
    file = folder / "fp16.onnx"
    file.write_bytes((model / "model.onnx").read_bytes())
    convert_to_fp16(file)
    return file


def images(count: int) -> np.ndarray:
    """Any pictures."""
    random = np.random.default_rng(3)
    return random.integers(0, 256, (count, HEIGHT, WIDTH, 3)).astype(np.uint8)


def answer(model: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    """Scores from ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return np.asarray(session.run(["scores"], {"image": image})[0])
