"""The pool: rendered pictures of parts with ground truth, made once and kept.

cam1/000001.jpg         part k's pictures show the number k
ground_truth.json       COCO: boxes by picture, with severity
parts.json              each part's properties and expected verdict
pool.json               the parameters of the pool; a request with the same ones reuses it
"""

import argparse
import fcntl
import json
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from hil.plant.bottles.part import CAMERAS, BottleView, PartMix, PartPlan, plan_part, render_part
from hil.plant.bottles.scene import PICTURE_HEIGHT_PX, PICTURE_WIDTH_PX

RENDERER_VERSION = 1
JPEG_QUALITY = 92
CATEGORIES = ("scratch", "dent", "cap_present", "cap_missing")
Json = dict[str, Any]


def ensure_pool(
    directory: Path, parts: int, seed: int, mix: PartMix = "line", cameras: int = CAMERAS
) -> Path:
    """Render the pool, with progress, unless the folder has it already; returns the folder."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name(directory.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second waits, and finds the pool made
        return _ensure_locked(directory, parts, seed, mix, cameras)


def _ensure_locked(directory: Path, parts: int, seed: int, mix: PartMix, cameras: int) -> Path:
    request: Json = {"renderer_version": RENDERER_VERSION, "parts": parts, "seed": seed, "mix": mix}
    if cameras != CAMERAS:
        request["cameras"] = cameras
    description = directory / "pool.json"
    if description.is_file() and json.loads(description.read_text()) == request:
        return directory
    draft = directory.with_name(directory.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    for camera in range(cameras):
        (draft / f"cam{camera + 1}").mkdir(parents=True)
    listed = list(_render_parts(draft, parts, seed, mix, cameras))
    _write_ground_truth(draft, listed)
    (draft / "pool.json").write_text(json.dumps(request))
    shutil.rmtree(directory, ignore_errors=True)
    draft.rename(directory)
    return directory


def _render_parts(
    folder: Path, parts: int, seed: int, mix: PartMix, cameras: int
) -> Iterator[Json]:
    started = time.monotonic()
    with ProcessPoolExecutor(max_workers=2) as workers:
        write = partial(_write_part, folder, seed, mix, cameras)
        rendered = workers.map(write, range(1, parts + 1), chunksize=4)
        for done, entry in enumerate(rendered, start=1):
            _show_progress(done, parts, time.monotonic() - started)
            yield entry


def _write_part(folder: Path, seed: int, mix: PartMix, cameras: int, number: int) -> Json:
    plan = plan_part(number, seed, mix)
    views = render_part(plan, seed, cameras)
    for view in views:
        place = folder / f"cam{view.camera + 1}" / f"{number:06}.jpg"
        cv2.imwrite(str(place), view.picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return {
        "part": _build_part_entry(plan),
        "images": [_build_image_entry(plan, view) for view in views],
    }


def _build_part_entry(plan: PartPlan) -> Json:
    return {
        "part_number": plan.number,
        "kind": plan.kind,
        "look_alikes": list(plan.look_alikes),
        "defects": [
            {"kind": band.kind, "severity": band.name, "visible": band.visible}
            for band in plan.bands
        ],
        "expected_verdict": plan.expected_verdict,
    }


def _build_image_entry(plan: PartPlan, view: BottleView) -> Json:
    return {
        "file_name": f"cam{view.camera + 1}/{plan.number:06}.jpg",
        "camera": f"cam{view.camera + 1}",
        "labels": [
            {
                "category": label.category,
                "box": list(label.box),
                "severity": label.severity,
                "visible": label.visible,
            }
            for label in view.labels
        ],
    }


def _write_ground_truth(folder: Path, listed: list[Json]) -> None:
    images: list[Json] = []
    annotations: list[Json] = []
    for entry in listed:
        for image in entry["images"]:
            images.append(
                {
                    "id": len(images) + 1,
                    "file_name": image["file_name"],
                    "width": PICTURE_WIDTH_PX,
                    "height": PICTURE_HEIGHT_PX,
                    "camera": image["camera"],
                    "part_number": entry["part"]["part_number"],
                }
            )
            for label in image["labels"]:
                annotations.append(_build_annotation(len(annotations) + 1, len(images), label))
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(CATEGORIES)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "ground_truth.json").write_text(json.dumps(coco))
    parts = {"parts": [entry["part"] for entry in listed]}
    (folder / "parts.json").write_text(json.dumps(parts, indent=1))


def _build_annotation(number: int, image: int, label: Json) -> Json:
    _, _, width, height = label["box"]
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORIES.index(label["category"]) + 1,
        "bbox": label["box"],
        "area": width * height,
        "iscrowd": 0,
        "severity": label["severity"],
        "visible": label["visible"],
    }


def _show_progress(done: int, parts: int, elapsed_s: float) -> None:
    live = sys.stderr.isatty()
    if live or done == parts or done % 60 == 0:
        left_s = elapsed_s / done * (parts - done)
        end = "\r" if live and done < parts else "\n"
        sys.stderr.write(f"  rendering bottles: {done} of {parts}, {left_s:.0f} s left   {end}")
        sys.stderr.flush()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Render a pool of bottles with ground truth")
    parser.add_argument("--parts", type=int, default=240, help="number of parts (default: 240)")
    parser.add_argument("--out", type=Path, required=True, help="folder to create")
    parser.add_argument("--seed", type=int, default=20, help="seed of the parts (default: 20)")
    parser.add_argument(
        "--mix",
        choices=["line", "training", "examination"],
        default="line",
        help="line: as on a production line; training: more defects, in each view; examination: "
        "every second part defective (default: line)",
    )
    arguments = parser.parse_args()
    ensure_pool(arguments.out, arguments.parts, arguments.seed, arguments.mix)
    return 0


if __name__ == "__main__":
    sys.exit(main())
