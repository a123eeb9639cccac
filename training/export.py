"""`python -m training.export CHECKPOINT --data DIR --out DIR`: a checkpoint as a model component.

Writes model.onnx in one precision, golden.npz and the card, with the pictures and options of the training:
golden frames are training pictures. `--precision int8`: weights and activations in 8 bits (QDQ), calibrated
on training pictures; the heads stay in fp32. Needs `onnx`, and for int8 `onnxruntime.quantization`.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import msgspec
import numpy as np
import onnx
import torch

from inference.detectors.detector import CONTRACT_KEY, CONTRACT_VERSION, ModelContract, Precision
from inference.detectors.onnx import OnnxDetector
from inference.golden import check_golden, write_golden
from sightline import __version__
from sightline.errors import ModelError, PictureError, SightlineError
from sightline.model_store import digest_of
from training.checkpoint import load_checkpoint
from training.data_options import add_data_options, chosen_data
from training.datasets import NORMAL, DataSet, Images, Picture, load_input
from training.evaluation.predictors import CARD_FILE, MODEL_FILE, HeatContract
from training.heat_golden import check_heat_golden, heat_of, write_heat_golden
from training.holdout import training_part
from training.methods.method import HEAT, Checkpoint
from training.methods.registry import find_method
from training.model_card import write_card
from training.quantize import halve, quantize

OPSET = 17
GOLDEN_FRAMES = 3
CALIBRATION_PICTURES = 64
GREATEST_BYTES = 4 * 1024 * 1024
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def export(
    checkpoint: Checkpoint, found: DataSet, out: Path, precision: Precision = "fp32"
) -> None:
    """Write model.onnx, golden.npz and the card; ModelError if the file is too large or answers amiss.

    What lies in `out` is replaced when all of them are right, not before.
    """
    out.mkdir(parents=True, exist_ok=True)
    pictures = training_part(found).pictures
    if not pictures:
        raise PictureError(f"{found.name} has no training pictures")
    with TemporaryDirectory(prefix=".draft-", dir=out) as folder:
        draft = Path(folder)
        _write_model(checkpoint, pictures, draft / MODEL_FILE, precision)
        images = _inputs(checkpoint, _telling(checkpoint, pictures))
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
    checkpoint: Checkpoint, pictures: Sequence[Picture], file: Path, precision: Precision
) -> None:
    _write_onnx(checkpoint, file)
    if precision == "int8":
        step = max(1, len(pictures) // CALIBRATION_PICTURES)
        images = _inputs(checkpoint, pictures[::step][:CALIBRATION_PICTURES])
        quantize(file, images, find_method(checkpoint.method).fp32_parts)
    elif precision == "fp16":
        halve(file)
    _write_contract(checkpoint, file, precision)
    size = file.stat().st_size
    if size > GREATEST_BYTES:
        raise ModelError(f"{file.name} has {size} bytes; at most {GREATEST_BYTES} may be")


def _write_onnx(checkpoint: Checkpoint, file: Path) -> None:
    method = find_method(checkpoint.method)
    width, height = size_of(checkpoint)
    image = torch.zeros((1, height, width, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is deprecated, and needs only onnx
        torch.onnx.export(
            method.served(checkpoint),
            (image,),
            str(file),
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=list(method.outputs),
        )


def size_of(checkpoint: Checkpoint) -> tuple[int, int]:
    """Width and height of the model's input."""
    size = getattr(checkpoint.plan, "anchors", checkpoint.plan)
    return size.width, size.height


def _write_contract(checkpoint: Checkpoint, file: Path, precision: Precision) -> None:
    model = onnx.load(file)
    entry = model.metadata_props.add()
    entry.key = CONTRACT_KEY
    entry.value = msgspec.json.encode(contract_of(checkpoint, precision)).decode()
    onnx.save(model, file)


def contract_of(checkpoint: Checkpoint, precision: Precision) -> ModelContract | HeatContract:
    """What the file says of itself."""
    plan = checkpoint.plan
    if HEAT not in find_method(checkpoint.method).outputs:
        return ModelContract(
            contract_version=CONTRACT_VERSION,
            name=plan.name,
            labels=plan.labels,
            anchors=plan.anchors,
            preprocessing=plan.preprocessing,
            model_version=__version__,
            precision=precision,
        )
    thresholds = checkpoint.facts["thresholds"]
    return HeatContract(
        name=plan.name,
        width=plan.width,
        height=plan.height,
        preprocessing=plan.preprocessing,
        image_threshold=thresholds["image"],
        heat_threshold=thresholds["box"],
        least_area=checkpoint.facts.get("least_area", 0.0),
    )


def _telling(checkpoint: Checkpoint, pictures: Sequence[Picture]) -> Sequence[Picture]:
    """Pictures on which there is something to be found."""
    labels = getattr(checkpoint.plan, "labels", None)
    found = [
        picture
        for picture in pictures
        if (labels is None and picture.label != NORMAL)
        or any(box.label in (labels or ()) and box.visible for box in picture.boxes)
    ]
    return (found or pictures)[:GOLDEN_FRAMES]


def _inputs(checkpoint: Checkpoint, pictures: Sequence[Picture]) -> Images:
    size, preprocessing = size_of(checkpoint), checkpoint.plan.preprocessing
    return np.stack([load_input(picture.file, preprocessing, size) for picture in pictures])


def _write_golden(checkpoint: Checkpoint, images: Images, out: Path, *, exact: bool) -> str:
    """Golden frames, after a check against the network if the precision is its own; the digest."""
    served = find_method(checkpoint.method).served(checkpoint)
    with torch.inference_mode():
        wanted = [part[0].numpy() for part in served(torch.from_numpy(images[:1]))]
    golden = out / "golden.npz"
    if HEAT in find_method(checkpoint.method).outputs:
        write_heat_golden(out / MODEL_FILE, images, golden)
        check_heat_golden(out / MODEL_FILE, golden)
        answers = [part[0] for part in heat_of(out / MODEL_FILE, images[:1])]
    else:
        detector = OnnxDetector(out, threads=1)
        write_golden(detector, images, golden)
        check_golden(detector, golden)
        raw = detector.infer(images[0])
        answers = [raw.boxes, raw.scores]
    if exact:
        _check_alike(answers, wanted)
    return digest_of(out / MODEL_FILE)


def _check_alike(answers: Sequence[Any], wanted: Sequence[Any]) -> None:
    difference = float(np.abs(answers[-1] - wanted[-1]).max())
    if difference > 1e-3:
        raise ModelError(f"the exported model's answers differ from the network's by {difference}")


def _tell_of_other_pictures(checkpoint: Checkpoint, found: DataSet) -> None:
    trained_on = checkpoint.facts.get("data_digest")
    if trained_on and trained_on != training_part(found).digest():
        sys.stderr.write(
            f"  the training pictures of {found.name} are not those that the model was trained on: give the "
            "options of its training (--fold, --without-group, --format, --drop-bad-labels), too\n"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="what training.train wrote")
    add_data_options(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the model component")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="(fp32)")
    given = parser.parse_args(arguments)
    if not given.data:
        parser.error("--data is needed: the training pictures, for golden frames and int8")
    try:
        checkpoint, found = load_checkpoint(given.checkpoint), chosen_data(given)
        _tell_of_other_pictures(checkpoint, found)
        export(checkpoint, found, given.out, given.precision)
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{given.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
