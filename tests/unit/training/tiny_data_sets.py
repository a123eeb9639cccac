"""Small generated pictures to train on: grey squares, of which the bad ones have a bright spot."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SIDE = 64


def picture(random: np.random.Generator, spot: tuple[int, int, int] | None) -> np.ndarray:
    """A grey picture with noise, and perhaps a bright square at x, y of this width."""
    image = random.normal(110, 6, (SIDE, SIDE, 3))
    if spot:
        x, y, width = spot
        image[y : y + width, x : x + width] = 235
    return np.clip(image, 0, 255).astype(np.uint8)


def class_folders(folder: Path, train: int = 24, test: int = 8) -> Path:
    """`train|test / normal|anomaly`, half of each."""
    random = np.random.default_rng(3)
    for split, count in (("train", train), ("test", test)):
        for number in range(count):
            bad = number % 2 == 1
            place = folder / split / ("anomaly" if bad else "normal")
            place.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(
                str(place / f"{number}.png"), picture(random, spot(random) if bad else None)
            )
    return folder


def coco_folder(folder: Path, count: int = 20, normal: int = 8) -> Path:
    """COCO with a spot in each picture of `train` and `test`, and pictures without in a file of their own."""
    random = np.random.default_rng(4)
    folder.mkdir(parents=True, exist_ok=True)
    for name, spots in (("train", count), ("test", 4), ("nobox", 0)):
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number in range(spots or normal):
            place = spot(random) if spots else None
            cv2.imwrite(str(folder / f"{name}_{number}.png"), picture(random, place))
            images.append(
                {"id": number, "file_name": f"{name}_{number}.png", "width": SIDE, "height": SIDE}
            )
            if place:
                x, y, width = place
                box = [x, y, width, width]
                annotations.append(
                    {"id": number, "image_id": number, "category_id": 1, "bbox": box}
                )
        content = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "spot"}],
        }
        (folder / f"coco_{name}.json").write_text(json.dumps(content))
    return folder


def spot(random: np.random.Generator) -> tuple[int, int, int]:
    """x, y and width of a spot within the picture."""
    width = int(random.integers(12, 20))
    x, y = random.integers(0, SIDE - width, 2)
    return int(x), int(y), width
