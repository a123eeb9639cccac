"""`python -m training.export CHECKPOINT --data DIR --out DIR`: a checkpoint as a model component."""

import argparse
import json
import shutil
import sys
import warnings
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import numpy as np
import onnx
import torch
from torch import Tensor, nn

from inference.detectors.detector import CONTRACT_KEY, CONTRACT_VERSION, ModelContract
from inference.detectors.onnx import OnnxDetector
from inference.golden import check_golden, write_golden
from sightline import __version__
from sightline.errors import ModelError, SightlineError
from training.checkpoint import Checkpoint, load_checkpoint
from training.datasets import load_input, read_coco
from training.model_card import write_card

OPSET = 17
GOLDEN_FRAMES = 3
GREATEST_BYTES = 4 * 1024 * 1024


class Serving(nn.Module):  # type: ignore[misc]
    """The network as it is served: scores in 0..1 instead of logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(1, H, W, 3) uint8 to raw offsets (1, N, 4) and scores (1, N, labels)."""
        boxes, logits = self.network(image)
        return boxes, torch.sigmoid(logits)


def export(checkpoint: Checkpoint, data: Path, out: Path) -> None:
    """Write model.onnx, golden.npz and the card; ModelError if the file is too large or answers amiss."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "model.onnx"
    _write_onnx(checkpoint, file)
    if file.stat().st_size > GREATEST_BYTES:
        raise ModelError(f"{file} has {file.stat().st_size} bytes; at most {GREATEST_BYTES} may be")
    detector = OnnxDetector(out, threads=1)
    images = _golden_images(checkpoint, data)
    _check_against_network(checkpoint, detector, images)
    write_golden(detector, images, out / "golden.npz")
    check_golden(detector, out / "golden.npz")
    facts = {
        **checkpoint.facts,
        "plan": msgspec.to_builtins(checkpoint.plan),
        "sightline_version": __version__,
        "torch_version": torch.__version__,
        "exported_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "digest": detector.digest,
        "bytes": file.stat().st_size,
    }
    (out / "card.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    write_card(out)


def _write_onnx(checkpoint: Checkpoint, file: Path) -> None:
    plan = checkpoint.plan
    image = torch.zeros((1, plan.anchors.height, plan.anchors.width, 3), dtype=torch.uint8)
    draft = file.with_suffix(".new")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is deprecated, and needs only onnx
        torch.onnx.export(
            Serving(checkpoint.network).eval(),
            (image,),
            str(draft),
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["boxes", "scores"],
        )
    model = onnx.load(draft)
    contract = ModelContract(
        contract_version=CONTRACT_VERSION,
        name=plan.name,
        labels=plan.labels,
        anchors=plan.anchors,
        preprocessing=plan.preprocessing,
        model_version=__version__,
    )
    entry = model.metadata_props.add()
    entry.key, entry.value = CONTRACT_KEY, msgspec.json.encode(contract).decode()
    onnx.save(model, draft)
    shutil.move(draft, file)


def _golden_images(checkpoint: Checkpoint, data: Path) -> np.ndarray:
    """Pictures on which there is something to be found, at model size."""
    plan = checkpoint.plan
    telling = [
        picture
        for picture in read_coco(data)
        if any(box.label in plan.labels and box.visible for box in picture.boxes)
    ]
    size = (plan.anchors.width, plan.anchors.height)
    return np.stack([load_input(p.file, plan.preprocessing, size) for p in telling[:GOLDEN_FRAMES]])


def _check_against_network(
    checkpoint: Checkpoint, detector: OnnxDetector, images: np.ndarray
) -> None:
    with torch.inference_mode():
        _, logits = checkpoint.network(torch.from_numpy(images[:1]))
    difference = float(
        np.abs(torch.sigmoid(logits)[0].numpy() - detector.infer(images[0]).scores).max()
    )
    if difference > 1e-3:
        raise ModelError(f"the exported model's scores differ from the network's by {difference}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="what training.train wrote")
    parser.add_argument("--data", type=Path, required=True, help="pictures for the golden frames")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model component")
    given = parser.parse_args(arguments)
    try:
        export(load_checkpoint(given.checkpoint), given.data, given.out)
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{given.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
