"""Class folders: `train|test / normal|anomaly`, and optionally `labels.csv` with each picture's group."""

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2

from training.datasets.data_set import (
    ANOMALY,
    NORMAL,
    DataSet,
    ImageLabel,
    LabelledPicture,
    LabelLocation,
    LabelProblem,
    SplitName,
)
from training.datasets.splits import SPLIT_WORDS

CLASS_LABELS_FILE = "labels.csv"
CLASS_LABELS: dict[str, ImageLabel] = {"normal": NORMAL, "anomaly": ANOMALY}
GROUP_COLUMNS = ("group", "near_dup_group", "series")
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})


def read_class_folders(folder: Path) -> DataSet:
    """The pictures in class folders; unknown classes and rows without a file are problems."""
    pictures, problems = [], []
    groups, row_problems = _read_groups(folder)
    for split in (name for name in SPLIT_WORDS if (folder / name).is_dir()):
        for class_folder in sorted(entry for entry in (folder / split).iterdir() if entry.is_dir()):
            if class_folder.name not in CLASS_LABELS:
                text = f"unknown class {class_folder.name!r}; known are {', '.join(CLASS_LABELS)}"
                problems.append(LabelProblem(LabelLocation(str(class_folder)), text))
                continue
            for file in find_picture_files(class_folder):
                pictures.append(_build_picture(folder, file, SPLIT_WORDS[split], groups))
    return DataSet(
        folder.name, "class-folders", tuple(pictures), (), tuple(problems + row_problems)
    )


def find_picture_files(folder: Path) -> Iterator[Path]:
    """All picture files below a folder, by name."""
    return (file for file in sorted(folder.rglob("*")) if file.suffix.lower() in PICTURE_SUFFIXES)


def read_picture_size(file: Path) -> tuple[int, int]:
    """Width and height of a picture; (0, 0) if it cannot be decoded."""
    picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    return (0, 0) if picture is None else (picture.shape[1], picture.shape[0])


def _build_picture(
    folder: Path, file: Path, split: SplitName, groups: dict[str, tuple[str, LabelLocation]]
) -> LabelledPicture:
    name = file.relative_to(folder).as_posix()
    group, source = groups.get(name, ("", LabelLocation(str(file))))
    label = CLASS_LABELS[Path(name).parts[1]]
    width, height = read_picture_size(file)
    return LabelledPicture(
        file, width, height, (), group=group, split=split, label=label, source=source, name=name
    )


def _read_groups(folder: Path) -> tuple[dict[str, tuple[str, LabelLocation]], list[LabelProblem]]:
    file = folder / CLASS_LABELS_FILE
    if not file.is_file():
        return {}, []
    groups: dict[str, tuple[str, LabelLocation]] = {}
    problems = []
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        for row in reader:
            source = LabelLocation(str(file), reader.line_num)
            name = row.get("path") or ""
            groups[name] = (next((row[c] for c in GROUP_COLUMNS if row.get(c)), ""), source)
            text = _find_row_problem(folder, name, row)
            if text:
                problems.append(LabelProblem(source, text))
    return groups, problems


def _find_row_problem(folder: Path, name: str, row: dict[str, str]) -> str:
    parts = Path(name).parts
    if len(parts) < 3:
        return f"path {name!r}: expected SPLIT/CLASS/FILE"
    if not (folder / name).is_file():
        return f"the file {name} is missing"
    if row.get("label", parts[1]) not in CLASS_LABELS:
        return f"unknown class {row['label']!r}; known are {', '.join(CLASS_LABELS)}"
    if row.get("label", parts[1]) != parts[1]:
        return f"{name} is in the folder {parts[1]} but labelled {row['label']}"
    return ""
