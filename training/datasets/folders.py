"""Class folders: `train|test / normal|anomaly`, and perhaps `labels.csv` with the group of each picture."""

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2

from training.datasets.dataset import (
    ANOMALY,
    NORMAL,
    DataSet,
    ImageLabel,
    Picture,
    Problem,
    Source,
    Split,
)
from training.datasets.splits import SPLIT_WORDS

LABELS_FILE = "labels.csv"
CLASSES: dict[str, ImageLabel] = {"normal": NORMAL, "anomaly": ANOMALY}
GROUP_COLUMNS = ("group", "near_dup_group", "series")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})


def read_class_folders(folder: Path) -> DataSet:
    """The pictures under their class; folders that are no class, and rows without a file, are problems."""
    pictures, problems = [], []
    groups, row_problems = _groups_of(folder)
    for split in (name for name in SPLIT_WORDS if (folder / name).is_dir()):
        for place in sorted(entry for entry in (folder / split).iterdir() if entry.is_dir()):
            if place.name not in CLASSES:
                text = f"the unknown class {place.name!r}; known are {', '.join(CLASSES)}"
                problems.append(Problem(Source(str(place)), text))
                continue
            for file in pictures_under(place):
                pictures.append(_picture(folder, file, SPLIT_WORDS[split], groups))
    return DataSet(
        folder.name, "class-folders", tuple(pictures), (), tuple(problems + row_problems)
    )


def pictures_under(folder: Path) -> Iterator[Path]:
    """All picture files below a folder, by name."""
    return (file for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES)


def size_of(file: Path) -> tuple[int, int]:
    """Width and height of a picture; (0, 0) if it cannot be decoded."""
    picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    return (0, 0) if picture is None else (picture.shape[1], picture.shape[0])


def _picture(
    folder: Path, file: Path, split: Split, groups: dict[str, tuple[str, Source]]
) -> Picture:
    name = file.relative_to(folder).as_posix()
    group, source = groups.get(name, ("", Source(str(file))))
    label = CLASSES[Path(name).parts[1]]
    width, height = size_of(file)
    return Picture(
        file, width, height, (), group=group, split=split, label=label, source=source, name=name
    )


def _groups_of(folder: Path) -> tuple[dict[str, tuple[str, Source]], list[Problem]]:
    file = folder / LABELS_FILE
    if not file.is_file():
        return {}, []
    groups: dict[str, tuple[str, Source]] = {}
    problems = []
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        for row in reader:
            source = Source(str(file), reader.line_num)
            name = row.get("path") or ""
            groups[name] = (next((row[c] for c in GROUP_COLUMNS if row.get(c)), ""), source)
            text = _wrong_row(folder, name, row)
            if text:
                problems.append(Problem(source, text))
    return groups, problems


def _wrong_row(folder: Path, name: str, row: dict[str, str]) -> str:
    parts = Path(name).parts
    if len(parts) < 3:
        return f"path {name!r} is not SPLIT/CLASS/FILE"
    if not (folder / name).is_file():
        return f"the file {name} is missing"
    if row.get("label", parts[1]) not in CLASSES:
        return f"the unknown class {row['label']!r}; known are {', '.join(CLASSES)}"
    if row.get("label", parts[1]) != parts[1]:
        return f"{name} lies in {parts[1]} but is labelled {row['label']}"
    return ""
