"""LabelMe: a JSON file for each picture, with shapes; a file without shapes says that it is normal."""

import math
from collections.abc import Sequence
from typing import Any

from sightline.errors import PictureError
from training.datasets.box_shapes import Box, bound_points, parse_numbers
from training.datasets.data_folder import DataFolder
from training.datasets.data_set import (
    DataSet,
    LabelledPicture,
    LabelLocation,
    LabelProblem,
    TrueBox,
    derive_label,
)
from training.datasets.json_label_files import JsonLabelFile
from training.datasets.json_positions import JsonEntry, locate_lists
from training.datasets.splits import find_split_in_path

AREA_SHAPES = ("rectangle", "polygon", "circle", "rotation", "mask")


def read_labelme(folder: DataFolder, files: Sequence[JsonLabelFile]) -> DataSet:
    """The pictures of all LabelMe files."""
    pictures, problems = [], []
    for file in files:
        try:
            picture, wrong = _read_file(folder, file)
        except PictureError as error:
            problems.append(LabelProblem(LabelLocation(str(file.file)), str(error)))
        else:
            pictures.append(picture)
            problems += wrong
    labels = sorted({box.label for picture in pictures for box in picture.boxes})
    return DataSet(folder.folder.name, "labelme", tuple(pictures), tuple(labels), tuple(problems))


def _read_file(
    folder: DataFolder, file: JsonLabelFile
) -> tuple[LabelledPicture, list[LabelProblem]]:
    value = file.value
    boxes, problems = [], []
    for row in locate_lists(file.text)["shapes"]:
        source = LabelLocation(str(file.file), row.line, row.column)
        try:
            boxes.append(_parse_shape(row, source))
        except PictureError as error:
            problems.append(LabelProblem(source, str(error)))
    found = folder.find_labelled_picture(file.file, str(value.get("imagePath") or ""), "imagePath")
    sides = parse_numbers([value.get("imageWidth"), value.get("imageHeight")]) or [0.0, 0.0]
    picture = LabelledPicture(
        found,
        int(sides[0]),
        int(sides[1]),
        tuple(boxes),
        split=find_split_in_path(folder.name_of(file.file)),
        label=derive_label(boxes, bool(problems)),
        source=LabelLocation(str(file.file)),
        name=folder.name_of(found),
        lost_labels=bool(problems),
    )
    return picture, problems


def _parse_shape(row: JsonEntry, source: LabelLocation) -> TrueBox:
    shape = row.value if isinstance(row.value, dict) else {}
    label, kind = shape.get("label"), shape.get("shape_type", "polygon")
    if not isinstance(label, str) or not label.strip():
        raise PictureError(f"a shape needs a label; found {label!r}")
    if kind not in AREA_SHAPES:
        raise PictureError(
            f"the shape {kind!r} of {label} has no area; allowed are {', '.join(AREA_SHAPES)}: draw it as one"
        )
    return TrueBox(label, _bound_shape(kind, shape.get("points")), source=source)


def _bound_shape(kind: str, points: Any) -> Box:
    pairs = [parse_numbers(point) for point in points] if isinstance(points, list) else []
    if len(pairs) < (3 if kind == "polygon" else 2) or not all(len(pair) == 2 for pair in pairs):
        raise PictureError(f"a {kind} needs points as x, y; found {points}")
    corners = [(pair[0], pair[1]) for pair in pairs]
    if kind == "circle":  # its centre, and a point on it
        (x, y), edge = corners[0], corners[1]
        radius = math.dist((x, y), edge)
        return x - radius, y - radius, 2 * radius, 2 * radius
    return bound_points(corners)
