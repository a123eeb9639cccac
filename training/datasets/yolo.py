"""YOLO: a text file for each picture, in `labels/` or beside it; an empty one says that it is normal.

A line is a class number and shares of the picture: centre x, centre y, width and height of a box, or the
points of a polygon. Class names are in `data.yaml`, `obj.names` or `classes.txt`. The split is a folder
(`images/train`, `valid/images`) or a list (`train.txt`).
"""

import math
import re
from pathlib import Path

from sightline.errors import PictureError, TextError
from sightline.strict_text import read_text
from sightline.strict_yaml import read_yaml
from training.datasets.box_shapes import Box, bound_points
from training.datasets.data_folder import DataFolder
from training.datasets.data_set import (
    SHARES,
    DataSet,
    LabelledPicture,
    LabelLocation,
    LabelProblem,
    TrueBox,
    derive_label,
)
from training.datasets.image_sets import ImageSets
from training.datasets.splits import find_split_in_name, find_split_in_path

LABELS_FOLDER = "labels"
LISTS_OF_NAMES = ("classes.txt", "obj.names")
YOLO_LINE = re.compile(r"\s*\d+(\s+-?[\d.]+(e-?\d+)?){4,}\s*", re.IGNORECASE)


def has_yolo_labels(folder: DataFolder) -> bool:
    """Whether a text file with the name of a picture has lines of YOLO, or lies in `labels`."""
    return any(True for _ in _list_label_files(folder))


def read_yolo(folder: DataFolder) -> DataSet:
    """The pictures with a label file."""
    labels = _read_class_names(folder)
    files = _list_label_files(folder)
    lists = [
        file
        for file in folder.files_of(".txt")
        if file not in files and find_split_in_name(file.stem)
    ]
    sets = ImageSets(folder, {file: file.stem for file in files}, lists)
    pictures, problems = [], []
    for file in files:
        boxes, wrong = _read_boxes(file, labels)
        problems += wrong
        try:
            found = folder.find_picture(file.stem, file)
        except PictureError as error:
            problems.append(LabelProblem(LabelLocation(str(file)), str(error)))
            continue
        pictures.append(
            LabelledPicture(
                found,
                SHARES,
                SHARES,
                tuple(boxes),
                split=sets.splits.get(file) or find_split_in_path(folder.name_of(found)),
                label=derive_label(boxes, bool(wrong)),
                source=LabelLocation(str(file)),
                name=folder.name_of(found),
                lost_labels=bool(wrong),
            )
        )
    return DataSet(
        folder.folder.name,
        "yolo",
        tuple(pictures),
        tuple(labels),
        (*problems, *sets.problems),
        tuple(sets.notes),
    )


def _list_label_files(folder: DataFolder) -> list[Path]:
    """The text files in a folder `labels`, and those with the name of a picture and lines of YOLO."""
    stems = {file.stem for file in folder.pictures}
    found = []
    for file in folder.files_of(".txt"):
        in_labels = LABELS_FOLDER in file.relative_to(folder.folder).parent.parts
        if file.name not in LISTS_OF_NAMES and (
            in_labels or (file.stem in stems and _has_lines(file))
        ):
            found.append(file)
    return found


def _has_lines(file: Path) -> bool:
    try:
        lines = read_text(file).split("\n")
    except TextError:
        return False
    return all(YOLO_LINE.fullmatch(line) for line in lines if line.strip())


def _read_class_names(folder: DataFolder) -> list[str]:
    """The class names by number; PictureError if the folder has none, or points of a body."""
    for file in folder.files_of(".yaml", ".yml"):
        names = _read_yaml_names(file)
        if names:
            return names
    for file in folder.files_of(".txt", ".names"):
        if file.name in LISTS_OF_NAMES:
            return [line.strip() for line in _read_lines(file) if line.strip()]
    raise PictureError(
        f"{folder.folder} has YOLO labels without class names; add data.yaml with `names: [scratch, dent]`, "
        "or classes.txt with one name a line"
    )


def _read_yaml_names(file: Path) -> list[str]:
    try:
        content = read_yaml(file)
    except TextError as error:
        raise PictureError(f"{file}: {error}") from error
    names = content.get("names") if isinstance(content, dict) else None
    if names is None:
        return []
    if isinstance(content, dict) and "kpt_shape" in content:
        raise PictureError(f"{file}: labels of key points (kpt_shape) are not read; export boxes")
    if isinstance(names, dict):
        numbers = range(len(names))
        if sorted(map(str, names)) != sorted(map(str, numbers)):
            raise PictureError(f"{file}: names must be numbered from 0 without gaps; found {names}")
        names = [names.get(number, names.get(str(number))) for number in numbers]
    if not isinstance(names, list) or not all(
        isinstance(name, str | int | float) for name in names
    ):
        raise PictureError(f"{file}: names must be a list of class names; found {names!r}")
    return [str(name) for name in names]


def _read_lines(file: Path) -> list[str]:
    try:
        return read_text(file).split("\n")
    except TextError as error:
        raise PictureError(f"{file}: {error}") from error


def _read_boxes(file: Path, labels: list[str]) -> tuple[list[TrueBox], list[LabelProblem]]:
    boxes, problems = [], []
    try:
        lines = read_text(file).split("\n")
    except TextError as error:
        return [], [LabelProblem(LabelLocation(str(file), error.line), error.problem)]
    for number, line in enumerate(lines, start=1):
        source = LabelLocation(str(file), number)
        if not line.strip():
            continue
        try:
            label, box = _parse_line(line, labels)
            boxes.append(TrueBox(label, box, source=source))
        except PictureError as error:
            problems.append(LabelProblem(source, str(error)))
    return boxes, problems


def _parse_line(line: str, labels: list[str]) -> tuple[str, Box]:
    words = line.split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) not in (5, *range(7, len(numbers) + 1, 2)) or not all(
        map(math.isfinite, numbers)
    ):
        raise PictureError(
            "expected a class number and x, y, width, height (or the points of a polygon); found "
            f"{line.strip()[:80]!r}"
        )
    if not numbers[0].is_integer() or not 0 <= numbers[0] < len(labels):
        allowed = ", ".join(f"{number} ({name})" for number, name in enumerate(labels))
        raise PictureError(f"unknown class {words[0]}; known are {allowed}")
    label, shares = labels[int(numbers[0])], numbers[1:]
    if max(shares) > 2:
        raise PictureError(
            f"coordinates must be shares of the picture, from 0 to 1; found {max(shares):g}"
        )
    if len(shares) == 4:
        x, y, width, height = shares
        return label, (x - width / 2, y - height / 2, width, height)
    return label, bound_points(list(zip(shares[::2], shares[1::2], strict=True)))
