"""New models for a running station, as their components bring them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import onnx

from sightline.storage.model_store import load_named_digest, store_model
from tests.pipeline.running_station import RunningStation
from tests.unit.inference.small_models import CELLS, RED, write_model

NAME = "surface"


@dataclass(frozen=True)
class ModelSwaps:
    """What was said of each new model, and the digests before and after."""

    broken: str
    wrong_shape: str
    before: str
    after: str


def swap_three_models(station: RunningStation, folder: Path) -> ModelSwaps:
    """While parts pass: a broken model, one of wrong shape, a good one, each when the last is decided."""
    before = load_named_digest(model_store_folder(station), NAME)
    served = model_store_folder(station) / before
    install(station, broken_model(served, folder / "broken"))
    station.wait_for("the broken one refused", lambda: counter(station, "models_refused") == 1)
    broken = faults(station)
    install(station, write_model(folder / "wrong", NAME, "scratch", RED, anchors=CELLS - 1))
    station.wait_for("the wrong one refused", lambda: counter(station, "models_refused") == 2)
    wrong_shape = faults(station)
    after = install(station, good_model(served, folder / "good"))
    return ModelSwaps(broken, wrong_shape, before, after)


def install(station: RunningStation, model: Path) -> str:
    """As the install step does on a station, where no runtime tries the model before; the digest."""
    return store_model(model, NAME, model_store_folder(station))


def model_store_folder(station: RunningStation) -> Path:
    """The station's model store."""
    return station.folder / "station" / "models"


def counter(station: RunningStation, name: str) -> int:
    """A counter of inference's health, as the cloud knows it."""
    health = station.machine.fetch_from_cloud("/api/summary")["health"]["com.sightline.Inference"]
    return int(health["counters"].get(name, 0))


def faults(station: RunningStation) -> str:
    """What is wrong with inference, in words."""
    health = station.machine.fetch_from_cloud("/api/summary")["health"]["com.sightline.Inference"]
    return "; ".join(fault["text"] for fault in health["faults"])


def broken_model(served: Path, folder: Path) -> Path:
    """The model that serves, cut off in the middle."""
    shutil.copytree(served, folder)
    content = (served / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(content[: len(content) // 2])
    return folder


def good_model(served: Path, folder: Path) -> Path:
    """The model that serves as another file: other bytes, hence another digest, and the same answers."""
    shutil.copytree(served, folder)
    model = onnx.load(folder / "model.onnx")
    model.doc_string = "the same once more"
    onnx.save(model, folder / "model.onnx")
    return folder
