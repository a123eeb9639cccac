"""Tiny plans of each method, and a training of them by the command."""

import json
from pathlib import Path
from typing import Any

from tests.unit.training.tiny_data_sets import class_folders, coco_folder
from training import train

LEVELS = [
    {"stride": 8, "sizes": [14.0], "ratios": [1.0]},
    {"stride": 16, "sizes": [30.0], "ratios": [1.0]},
    {"stride": 32, "sizes": [50.0], "ratios": [1.0]},
    {"stride": 64, "sizes": [60.0], "ratios": [1.0]},
]
TINY: dict[str, dict[str, Any]] = {
    "ssd": {
        "name": "tiny",
        "labels": [],
        "anchors": {"width": 64, "height": 64, "levels": LEVELS},
        "channels": [8, 8, 8, 8, 8, 8],
        "network": "pyramid",
        "zoom": [0.9, 1.1],
        "batch": 6,
        "epochs": 2,
    },
    "vae": {
        "name": "tiny",
        "width": 64,
        "height": 64,
        "channels": [8, 8, 8, 8],
        "code": 2,
        "crop": 48,
        "batch": 7,
        "schedule": {"epochs": 2, "patience": 2},
    },
    "student-teacher": {
        "name": "tiny",
        "width": 64,
        "height": 64,
        "channels": [8, 8, 8],
        "judge": 8,
        "crop": 48,
        "batch": 7,
        "schedule": {"epochs": 2, "patience": 2},
        "teacher": {"epochs": 1, "patience": 1},
    },
    "classifier": {
        "name": "tiny",
        "width": 64,
        "height": 64,
        "channels": [8, 8, 8, 16],
        "batch": 6,
        "schedule": {"epochs": 2, "patience": 2},
    },
}


def data_for(method: str, folder: Path) -> Path:
    """Generated pictures that fit the method."""
    return class_folders(folder) if method == "classifier" else coco_folder(folder)


def trained(method: str, folder: Path, *options: str) -> tuple[Path, Path]:
    """Data and checkpoint of a tiny training by the command, with further options of it."""
    data, plan = data_for(method, folder / "data"), folder / "plan.json"
    plan.write_text(json.dumps(TINY[method]))
    out = folder / "work"
    arguments = [method, "--data", str(data), "--out", str(out), "--plan", str(plan)]
    assert train.main([*arguments, "--threads", "1", *options]) == 0
    return data, out / "checkpoint.pt"
