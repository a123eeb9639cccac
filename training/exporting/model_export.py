"""A checkpoint as a model component: model.onnx, golden frames and card, replaced only when all are valid."""

import json
import sys
import warnings
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import onnx
import torch

from sightline import __version__
from sightline.errors import ModelError, PictureError
from sightline.storage.model_folder import compute_digest
from sightline.vision.detector import CONTRACT_KEY, CONTRACT_VERSION, ModelContract, Precision
from sightline.vision.golden_frames import check_golden_frames, write_golden_frames
from sightline.vision.onnx_detector import OnnxDetector
from training.datasets import NORMAL, DataSet, Images, LabelledPicture, load_input
from training.datasets.holdout import select_training_part
from training.evaluation.model_card import write_card
from training.evaluation.predictors import CARD_FILE, MODEL_FILE, AnomalyMapContract
from training.exporting.anomaly_map_golden import check_map_golden, run_map_model, write_map_golden
from training.exporting.quantization import convert_to_fp16, convert_to_int8
from training.methods.checkpoint_file import find_checkpoint_file, load_checkpoint
from training.methods.registry import find_method
from training.methods.training_method import ANOMALY_MAP_OUTPUT, Checkpoint

ONNX_OPSET = 17
GOLDEN_FRAMES = 3
CALIBRATION_PICTURES = 64
MAX_MODEL_BYTES = 4 * 1024 * 1024


def export_model(
    checkpoint: Checkpoint, data_set: DataSet, out: Path, precision: Precision = "fp32"
) -> None:
    """Write model.onnx, golden.npz and the card; ModelError if the model is too large or its outputs differ.

    Files in `out` are replaced only when all new ones are valid.
    """
    out.mkdir(parents=True, exist_ok=True)
    pictures = select_training_part(data_set).pictures
    if not pictures:
        raise PictureError(f"{data_set.name} has no training pictures")
    with TemporaryDirectory(prefix=".draft-", dir=out) as folder:
        draft = Path(folder)
        _write_model(checkpoint, pictures, draft / MODEL_FILE, precision)
        images = _load_inputs(checkpoint, _select_golden_pictures(checkpoint, pictures))
        digest = _write_golden(checkpoint, images, draft, exact=precision == "fp32")
        facts = {
            **checkpoint.facts,
            "method": checkpoint.method,
            "precision": precision,
            "plan": msgspec.to_builtins(checkpoint.plan),
            "sightline_version": __version__,
            "torch_version": str(torch.__version__),
            "exported_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "digest": digest,
            "bytes": (draft / MODEL_FILE).stat().st_size,
        }
        (draft / CARD_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        write_card(draft)
        for file in sorted(draft.iterdir()):
            file.replace(out / file.name)


def _write_model(
    checkpoint: Checkpoint, pictures: Sequence[LabelledPicture], file: Path, precision: Precision
) -> None:
    _write_onnx(checkpoint, file)
    if precision == "int8":
        step = max(1, len(pictures) // CALIBRATION_PICTURES)
        images = _load_inputs(checkpoint, pictures[::step][:CALIBRATION_PICTURES])
        convert_to_int8(file, images, find_method(checkpoint.method).fp32_parts)
    elif precision == "fp16":
        convert_to_fp16(file)
    _write_contract(file, build_contract(checkpoint, precision, find_picture_shapes(pictures)))
    size = file.stat().st_size
    if size > MAX_MODEL_BYTES:
        raise ModelError(f"{file.name} has {size} bytes; the limit is {MAX_MODEL_BYTES}")


def _write_onnx(checkpoint: Checkpoint, file: Path) -> None:
    method = find_method(checkpoint.method)
    width, height = find_input_size(checkpoint)
    image = torch.zeros((1, height, width, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is deprecated, and needs only onnx
        torch.onnx.export(
            method.build_served_network(checkpoint),
            (image,),
            str(file),
            dynamo=False,
            opset_version=ONNX_OPSET,
            input_names=["image"],
            output_names=list(method.outputs),
        )


def find_input_size(checkpoint: Checkpoint) -> tuple[int, int]:
    """Width and height of the model's input."""
    size = getattr(checkpoint.plan, "anchors", checkpoint.plan)
    return size.width, size.height


def find_picture_shapes(pictures: Sequence[LabelledPicture]) -> tuple[float, float] | None:
    """The smallest and the largest width over height: inference takes no picture of another shape."""
    shapes = [one.width / one.height for one in pictures if one.width > 0 and one.height > 0]
    return (round(min(shapes), 4), round(max(shapes), 4)) if shapes else None


def _write_contract(file: Path, contract: ModelContract | AnomalyMapContract) -> None:
    model = onnx.load(file)
    entry = model.metadata_props.add()
    entry.key = CONTRACT_KEY
    entry.value = msgspec.json.encode(contract).decode()
    onnx.save(model, file)


def build_contract(
    checkpoint: Checkpoint,
    precision: Precision,
    picture_shapes: tuple[float, float] | None = None,
) -> ModelContract | AnomalyMapContract:
    """The contract that goes into the file's metadata."""
    plan = checkpoint.plan
    if ANOMALY_MAP_OUTPUT not in find_method(checkpoint.method).outputs:
        return ModelContract(
            contract_version=CONTRACT_VERSION,
            name=plan.name,
            labels=plan.labels,
            anchors=plan.anchors,
            preprocessing=plan.preprocessing,
            model_version=__version__,
            precision=precision,
            picture_shapes=picture_shapes,
        )
    thresholds = checkpoint.facts["thresholds"]
    return AnomalyMapContract(
        name=plan.name,
        width=plan.width,
        height=plan.height,
        preprocessing=plan.preprocessing,
        image_threshold=thresholds["image"],
        map_threshold=thresholds["box"],
        min_area=checkpoint.facts.get("least_area", 0.0),
    )


def _select_golden_pictures(
    checkpoint: Checkpoint, pictures: Sequence[LabelledPicture]
) -> Sequence[LabelledPicture]:
    """Training pictures with something to detect; any pictures if there are none."""
    labels = getattr(checkpoint.plan, "labels", None)
    found = [
        picture
        for picture in pictures
        if (labels is None and picture.label != NORMAL)
        or any(box.label in (labels or ()) and box.visible for box in picture.boxes)
    ]
    return (found or pictures)[:GOLDEN_FRAMES]


def _load_inputs(checkpoint: Checkpoint, pictures: Sequence[LabelledPicture]) -> Images:
    size, preprocessing = find_input_size(checkpoint), checkpoint.plan.preprocessing
    return np.stack([load_input(picture.file, preprocessing, size) for picture in pictures])


def _write_golden(checkpoint: Checkpoint, images: Images, out: Path, *, exact: bool) -> str:
    """Write golden frames and check them, if `exact` against the network too; returns the model's digest."""
    served = find_method(checkpoint.method).build_served_network(checkpoint)
    with torch.inference_mode():
        expected = [part[0].numpy() for part in served(torch.from_numpy(images[:1]))]
    golden = out / "golden.npz"
    if ANOMALY_MAP_OUTPUT in find_method(checkpoint.method).outputs:
        write_map_golden(out / MODEL_FILE, images, golden)
        check_map_golden(out / MODEL_FILE, golden)
        outputs = [part[0] for part in run_map_model(out / MODEL_FILE, images[:1])]
    else:
        detector = OnnxDetector(out, threads=1)
        write_golden_frames(detector, images, golden)
        check_golden_frames(detector, golden)
        raw = detector.infer(images[0])
        outputs = [raw.boxes, raw.scores]
    if exact:
        _check_same_output(outputs, expected)
    return compute_digest(out / MODEL_FILE)


def _check_same_output(outputs: Sequence[Any], expected: Sequence[Any]) -> None:
    difference = float(np.abs(outputs[-1] - expected[-1]).max())
    if difference > 1e-3:
        raise ModelError(
            f"the exported model's outputs differ from the network's by "
            f"{difference:.4g}; the limit is 0.001"
        )


def load_exportable(path: Path) -> Checkpoint:
    """A checkpoint file, or the best epoch so far of a training's folder."""
    file = find_checkpoint_file(path)
    checkpoint = load_checkpoint(file)
    if path.is_dir():
        sys.stderr.write(f"  {_describe_epoch(file, checkpoint)}\n")
    return checkpoint


def export_checkpoint(
    checkpoint: Checkpoint, data_set: DataSet, out: Path, precision: Precision
) -> None:
    """Export, also what a training that still runs has stored; warns if the pictures are others."""
    _warn_of_other_pictures(checkpoint, data_set)
    with TemporaryDirectory(prefix="sightline-inputs-") as folder:
        completed = find_method(checkpoint.method).complete(checkpoint, data_set, Path(folder))
    export_model(completed, data_set, out, precision)


def _describe_epoch(file: Path, checkpoint: Checkpoint) -> str:
    run = checkpoint.facts.get("training", {})
    figure = f", {run['figure']} {run['validation']:.4f}" if run.get("figure") else ""
    return f"exporting {file}: epoch {run.get('best_epoch', '?')}{figure}"


def _warn_of_other_pictures(checkpoint: Checkpoint, data_set: DataSet) -> None:
    trained_on = checkpoint.facts.get("data_digest")
    if trained_on and trained_on != select_training_part(data_set).compute_digest():
        sys.stderr.write(
            f"  The training pictures of {data_set.name} are not those that the model was trained on. Give "
            "the data options of its training, too (--fold, --without-group, --format, --drop-bad-labels).\n"
        )
