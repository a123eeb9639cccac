"""Predict all pictures of a storage; results are stored one by one, so an interruption loses at most one.

Each picture gets two files: a copy with its boxes, then `NAME.json`, which marks it as done for this
content of the picture. At the end `results.json` holds all predictions.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sightline.errors import PictureError
from sightline.imaging.picture_decoder import PICTURE_SUFFIXES
from training.datasets import LabelledPicture
from training.datasets.data_folder import (
    MARKED_SUFFIX,
    PREDICTIONS_FOLDER,
    find_reason_to_ignore,
)
from training.datasets.data_set import ReadingNote
from training.datasets.reading_summary import summarize_notes
from training.datasets.storage import FETCH_THREADS, Storage, filter_by_suffix
from training.evaluation.drawing import draw_prediction, encode_jpeg, load_picture
from training.evaluation.predictions import PicturePrediction, PicturePredictor

RESULTS_FILE = "results.json"
ENTRY_SUFFIX = ".json"
ProgressCallback = Callable[[int, int], None]  # how many are done, of how many


def list_pictures(storage: Storage) -> tuple[list[str], list[ReadingNote]]:
    """The names of the pictures in a storage, without earlier predictions, and what was left out."""
    names = [
        name
        for name in storage.list_names()
        if not name.startswith(f"{PREDICTIONS_FOLDER}/") and not name.endswith(MARKED_SUFFIX)
    ]
    reasons = {name: find_reason_to_ignore(name) for name in names}
    kept = [name for name in names if not reasons[name]]
    notes = [ReadingNote(reason, name) for name, reason in reasons.items() if reason]
    return filter_by_suffix(kept, PICTURE_SUFFIXES), notes


def predict_storage(
    predictor: PicturePredictor,
    data: Storage,
    out: Storage,
    again: bool,
    show_progress: ProgressCallback,
) -> dict[str, Any]:
    """Predict the pictures of `data` without a prediction in `out`; returns the content of results.json."""
    names, notes = list_pictures(data)
    done = {} if again else _load_done_entries(predictor, data, out, names)
    show_progress(len(done), len(names))
    left = [name for name in names if name not in done]
    with ThreadPoolExecutor(
        FETCH_THREADS
    ) as fetchers:  # the next pictures are fetched during a prediction
        for name, file in zip(left, fetchers.map(data.fetch, left), strict=True):
            done[name] = _predict_one(predictor, data.content_tag(name), file, out, name)
            show_progress(len(done), len(names))
    results = {
        "model": predictor.name,
        "model_digest": predictor.digest,
        "box_threshold": predictor.box_threshold,
        "image_threshold": predictor.image_threshold,
        "anomalies": sum(bool(one.get("anomaly")) for one in done.values()),
        "failed": sum("error" in one for one in done.values()),
        "left_out": summarize_notes(notes),
        "pictures": [done[name] for name in names],
    }
    out.store(RESULTS_FILE, _encode_json(results))
    return results


def _load_done_entries(
    predictor: PicturePredictor, data: Storage, out: Storage, names: Sequence[str]
) -> dict[str, Any]:
    """Predictions of earlier runs of this model, for pictures that have not changed."""
    written = set(out.list_names())
    candidates = [name for name in names if name + ENTRY_SUFFIX in written]
    with ThreadPoolExecutor(FETCH_THREADS) as fetchers:
        entries = fetchers.map(lambda name: _load_entry(out, name), candidates)
        return {
            name: entry
            for name, entry in zip(candidates, entries, strict=True)
            if entry.get("tag") == data.content_tag(name)
            and entry.get("model_digest") == predictor.digest
            and "error" not in entry
        }


def _load_entry(out: Storage, name: str) -> dict[str, Any]:
    try:
        return dict(json.loads(out.fetch(name + ENTRY_SUFFIX).read_text(encoding="utf-8")))
    except ValueError:
        return {}  # not a prediction, or truncated: predicted again


def _predict_one(
    predictor: PicturePredictor, tag: str, file: Path, out: Storage, name: str
) -> dict[str, Any]:
    entry: dict[str, Any] = {"picture": name, "tag": tag, "model_digest": predictor.digest}
    try:
        prediction = predictor.predict(file)
        image = load_picture(LabelledPicture(file, 0, 0, ()))
    except PictureError as error:
        entry["error"] = str(error)
    else:
        counted = prediction.with_min_score(predictor.box_threshold)
        entry |= {"width": image.shape[1], "height": image.shape[0]}
        entry |= {"anomaly": prediction.anomaly_score >= predictor.image_threshold}
        entry |= {
            "anomaly_score": round(prediction.anomaly_score, 4),
            "boxes": list(_encode_boxes(counted)),
        }
        out.store(name + MARKED_SUFFIX, encode_jpeg(draw_prediction(image, (), counted)))
    out.store(name + ENTRY_SUFFIX, _encode_json(entry))
    return entry


def _encode_boxes(prediction: PicturePrediction) -> Iterator[dict[str, Any]]:
    for box in prediction.boxes:
        x, y, width, height = (round(value, 1) for value in box.box)
        yield {
            "label": box.label,
            "score": round(box.score, 4),
            "x": x,
            "y": y,
            "width": width,
            "height": height,
        }


def _encode_json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
