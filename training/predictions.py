"""Answers to the pictures of a place, written back piece by piece, so that a kill loses one at most.

For each picture two files: the copy with its boxes, then `NAME.json`, which also says that it is done and
for which content of the picture. At the end `results.json` holds all of them.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sightline.errors import PictureError
from training.datasets import Picture
from training.datasets.folders import SUFFIXES
from training.evaluation.answers import Answer, Predictor
from training.evaluation.drawing import as_jpeg, drawn, load_picture
from training.places import FETCHERS, Place, named

FOLDER = "predictions"  # below the data; never taken for pictures
RESULTS_FILE = "results.json"
DRAWN_SUFFIX, DONE_SUFFIX = ".marked.jpg", ".json"
Tell = Callable[[int, int], None]  # how many are done, of how many


def pictures_in(place: Place) -> list[str]:
    """The names of the place's pictures, without those of earlier predictions."""
    return [
        name
        for name in named(place.names(), SUFFIXES)
        if not name.startswith(f"{FOLDER}/") and not name.endswith(DRAWN_SUFFIX)
    ]


def predict(
    predictor: Predictor, data: Place, out: Place, again: bool, tell: Tell
) -> dict[str, Any]:
    """Answer all pictures of `data` that have no answer in `out` yet; returns what is in results.json."""
    names = pictures_in(data)
    done = {} if again else _done(predictor, data, out, names)
    tell(len(done), len(names))
    left = [name for name in names if name not in done]
    with ThreadPoolExecutor(FETCHERS) as fetchers:  # the next pictures come while one is answered
        for name, file in zip(left, fetchers.map(data.fetch, left), strict=True):
            done[name] = _answer_one(predictor, data.tag(name), file, out, name)
            tell(len(done), len(names))
    results = {
        "model": predictor.name,
        "model_digest": predictor.digest,
        "box_threshold": predictor.box_threshold,
        "image_threshold": predictor.image_threshold,
        "anomalies": sum(bool(one.get("anomaly")) for one in done.values()),
        "failed": sum("error" in one for one in done.values()),
        "pictures": [done[name] for name in names],
    }
    out.store(RESULTS_FILE, _encoded(results))
    return results


def _done(predictor: Predictor, data: Place, out: Place, names: Sequence[str]) -> dict[str, Any]:
    """What an earlier run of this model has answered, to pictures that are still the same."""
    written = set(out.names())
    candidates = [name for name in names if name + DONE_SUFFIX in written]
    with ThreadPoolExecutor(FETCHERS) as fetchers:
        entries = fetchers.map(lambda name: _read(out, name), candidates)
        return {
            name: entry
            for name, entry in zip(candidates, entries, strict=True)
            if entry.get("tag") == data.tag(name)
            and entry.get("model_digest") == predictor.digest
            and "error" not in entry
        }


def _read(out: Place, name: str) -> dict[str, Any]:
    try:
        return dict(json.loads(out.fetch(name + DONE_SUFFIX).read_text(encoding="utf-8")))
    except ValueError:
        return {}  # not ours, or cut off: answered anew


def _answer_one(
    predictor: Predictor, tag: str, file: Path, out: Place, name: str
) -> dict[str, Any]:
    entry: dict[str, Any] = {"picture": name, "tag": tag, "model_digest": predictor.digest}
    try:
        answer = predictor.answer(file)
        image = load_picture(Picture(file, 0, 0, ()))
    except PictureError as error:
        entry["error"] = str(error)
    else:
        counted = answer.from_score(predictor.box_threshold)
        entry |= {"width": image.shape[1], "height": image.shape[0]}
        entry |= {"anomaly": answer.anomaly_score >= predictor.image_threshold}
        entry |= {"anomaly_score": round(answer.anomaly_score, 4), "boxes": list(_boxes(counted))}
        out.store(name + DRAWN_SUFFIX, as_jpeg(drawn(image, (), counted)))
    out.store(name + DONE_SUFFIX, _encoded(entry))
    return entry


def _boxes(answer: Answer) -> Iterator[dict[str, Any]]:
    for box in answer.boxes:
        x, y, width, height = (round(value, 1) for value in box.box)
        yield {
            "label": box.label,
            "score": round(box.score, 4),
            "x": x,
            "y": y,
            "width": width,
            "height": height,
        }


def _encoded(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
