"""COCO JSON: one or more files (`*train*.json`, `*test*.json`); picture paths are relative to the file."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sightline.errors import PictureError
from training.datasets.data_set import (
    DataSet,
    LabelledPicture,
    LabelLocation,
    LabelProblem,
    TrueBox,
    derive_label,
)
from training.datasets.json_positions import JsonEntry, read_lists
from training.datasets.splits import find_split_in_name, parse_split

COCO_FILE = "ground_truth.json"
GROUP_KEYS = ("group", "series")
REQUIRED_KEYS = {"images": ("id", "file_name", "width", "height"), "categories": ("id", "name")}


def read_coco(folder: Path) -> list[LabelledPicture]:
    """The pictures of a folder with `ground_truth.json`; PictureError gives the line of a bad label."""
    data_set = read_coco_files(folder, [folder / COCO_FILE])
    if data_set.problems:
        raise PictureError(f"{folder / COCO_FILE} is not a COCO file: {data_set.problems[0]}")
    return list(data_set.pictures)


def find_coco_files(folder: Path) -> tuple[list[Path], list[LabelProblem]]:
    """The folder's COCO files, and a problem for each JSON file that cannot be read."""
    found, problems = [], []
    for file in sorted(folder.glob("*.json")):
        try:
            lists = read_lists(file.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            location = LabelLocation(str(file), error.lineno, error.colno)
            problems.append(LabelProblem(location, f"not JSON: {error.msg}"))
        except (OSError, UnicodeDecodeError) as error:
            problems.append(LabelProblem(LabelLocation(str(file)), f"cannot be read: {error}"))
        except ValueError:  # not an object, so not a COCO file
            continue
        else:
            if {"images", "annotations", "categories"} <= lists.keys():
                found.append(file)
    return found, problems


def read_coco_files(folder: Path, files: Sequence[Path]) -> DataSet:
    """One data set from these files; PictureError if one is not a COCO file."""
    parts = [_read_file(folder, file) for file in files]
    return DataSet(
        name=folder.name,
        format="coco",
        pictures=tuple(picture for part in parts for picture in part.pictures),
        labels=tuple(dict.fromkeys(label for part in parts for label in part.labels)),
        problems=tuple(problem for part in parts for problem in part.problems),
    )


def _read_file(folder: Path, file: Path) -> DataSet:
    try:
        lists = read_lists(file.read_text(encoding="utf-8"))
        _check_rows(file, lists)
        return _build_data_set(folder, file, lists)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PictureError(f"{file} is not a COCO file: {type(error).__name__}: {error}") from error


def _check_rows(file: Path, lists: dict[str, list[JsonEntry]]) -> None:
    for name in ("images", "annotations", "categories"):
        if name not in lists:
            raise PictureError(f"{file} is not a COCO file: the list {name!r} is missing")
    for name, keys in REQUIRED_KEYS.items():
        for row in lists[name]:
            missing = [key for key in keys if key not in row.value]
            if missing:
                location = LabelLocation(str(file), row.line, row.column)
                raise PictureError(
                    f"{location}: {name} need {', '.join(missing)}; found {row.value}"
                )


def _build_data_set(folder: Path, file: Path, lists: dict[str, list[JsonEntry]]) -> DataSet:
    names = {row.value["id"]: str(row.value["name"]) for row in lists["categories"]}
    known = {row.value["id"] for row in lists["images"]}
    boxes: dict[Any, list[TrueBox]] = defaultdict(list)
    problems, lost = [], set()
    for row in lists["annotations"]:
        location = LabelLocation(str(file), row.line, row.column)
        text = _find_annotation_problem(row.value, known, names)
        if text:
            problems.append(LabelProblem(location, text))
            lost.add(row.value.get("image_id"))
        else:
            boxes[row.value["image_id"]].append(_parse_box(row.value, names, location))
    pictures = []
    for row in lists["images"]:
        try:
            number = row.value["id"]
            pictures.append(_build_picture(folder, file, row, boxes[number], number in lost))
        except PictureError as error:
            text = f"image {row.value['id']}: {error}"
            problems.append(LabelProblem(LabelLocation(str(file), row.line, row.column), text))
    return DataSet(folder.name, "coco", tuple(pictures), tuple(names.values()), tuple(problems))


def _find_annotation_problem(value: dict[str, Any], images: set[Any], names: dict[Any, str]) -> str:
    shown = f"annotation {value.get('id')}"
    if value.get("image_id") not in images:
        return f"{shown} refers to image {value.get('image_id')}, which is not listed"
    if value.get("category_id") not in names:
        allowed = ", ".join(f"{number} ({name})" for number, name in names.items())
        return f"{shown} has the unknown class {value.get('category_id')}; known are {allowed}"
    box = value.get("bbox")
    if (
        not isinstance(box, list)
        or len(box) != 4
        or not all(isinstance(v, int | float) for v in box)
    ):
        return f"{shown}: bbox must be four numbers; found {box}"
    return ""


def _parse_box(value: dict[str, Any], names: dict[Any, str], location: LabelLocation) -> TrueBox:
    x, y, width, height = (float(number) for number in value["bbox"])
    return TrueBox(
        names[value["category_id"]],
        (x, y, width, height),
        str(value.get("severity", "")),
        bool(value.get("visible", not value.get("iscrowd", 0))),
        location,
    )


def _build_picture(
    folder: Path, file: Path, row: JsonEntry, boxes: Sequence[TrueBox], lost_labels: bool
) -> LabelledPicture:
    value = row.value
    group = next((str(value[key]) for key in GROUP_KEYS if value.get(key) not in (None, "")), "")
    part_number = int(value.get("part_number", 0))
    return LabelledPicture(
        file.parent / str(value["file_name"]),
        int(value["width"]),
        int(value["height"]),
        tuple(boxes),
        str(value.get("camera", "")),
        part_number,
        group or (f"part {part_number}" if part_number else ""),
        parse_split(value.get("split")) or find_split_in_name(file.stem),
        derive_label(boxes, lost_labels),
        LabelLocation(str(file), row.line, row.column),
        (file.parent / str(value["file_name"])).relative_to(folder).as_posix(),
        lost_labels,
    )
