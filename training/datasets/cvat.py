"""CVAT's own XML, "CVAT for images": one file `annotations.xml` for many pictures."""

from collections.abc import Sequence
from pathlib import Path

from sightline.errors import PictureError
from training.datasets.box_shapes import Box, bound_points, turn_rectangle
from training.datasets.data_folder import DataFolder
from training.datasets.data_set import (
    DataSet,
    LabelledPicture,
    LabelLocation,
    LabelProblem,
    TrueBox,
    derive_label,
)
from training.datasets.splits import find_split_in_name
from training.datasets.xml_elements import XmlElement, XmlProblemError, parse_xml

ROOT_TAG = "annotations"
SHAPES = ("box", "polygon", "ellipse")
OTHER_SHAPES = ("polyline", "points", "mask", "cuboid", "skeleton")


def find_cvat_files(folder: DataFolder) -> list[Path]:
    """The XML files of CVAT."""
    return [file for file in folder.files_of(".xml") if _is_cvat_file(file)]


def read_cvat(folder: DataFolder) -> DataSet:
    """The pictures of all CVAT files."""
    pictures, problems = [], []
    for file in find_cvat_files(folder):
        root = parse_xml(file)
        if root.find_elements("track"):
            text = "tracks of a video are not read; export the frames as CVAT for images or COCO"
            problems.append(LabelProblem(LabelLocation(str(file), root.line), text))
        for image in root.find_elements("image"):
            source = LabelLocation(str(file), image.line)
            boxes, wrong = _read_boxes(file, image)
            problems += wrong
            try:
                pictures.append(_build_picture(folder, file, image, boxes, bool(wrong)))
            except PictureError as error:
                problems.append(LabelProblem(source, str(error)))
    labels = sorted({box.label for picture in pictures for box in picture.boxes})
    return DataSet(folder.folder.name, "cvat", tuple(pictures), tuple(labels), tuple(problems))


def _is_cvat_file(file: Path) -> bool:
    try:
        return parse_xml(file).tag == ROOT_TAG
    except XmlProblemError:
        return False


def _build_picture(
    folder: DataFolder, file: Path, image: XmlElement, boxes: Sequence[TrueBox], lost_labels: bool
) -> LabelledPicture:
    split = find_split_in_name(image.attributes.get("subset", ""))
    found = folder.find_picture(image.attributes.get("name", ""), file, split)
    width, height = _parse_numbers(image, "width", "height")
    return LabelledPicture(
        found,
        int(width),
        int(height),
        tuple(boxes),
        split=split,
        label=derive_label(boxes, lost_labels),
        source=LabelLocation(str(file), image.line),
        name=folder.name_of(found),
        lost_labels=lost_labels,
    )


def _read_boxes(file: Path, image: XmlElement) -> tuple[list[TrueBox], list[LabelProblem]]:
    boxes, problems = [], []
    for shape in (one for one in image.children if one.tag in (*SHAPES, *OTHER_SHAPES)):
        source = LabelLocation(str(file), shape.line)
        try:
            label = shape.attributes.get("label", "")
            if shape.tag not in SHAPES or not label:
                raise PictureError(
                    f"<{shape.tag}> {label!r} is not read; allowed are {', '.join(SHAPES)}"
                )
            boxes.append(TrueBox(label, _bound_shape(shape), source=source))
        except PictureError as error:
            problems.append(LabelProblem(source, str(error)))
    return boxes, problems


def _bound_shape(shape: XmlElement) -> Box:
    if shape.tag == "box":
        left, top, right, bottom = _parse_numbers(shape, "xtl", "ytl", "xbr", "ybr")
        rotation = float(shape.attributes.get("rotation", "0"))
        return turn_rectangle((left, top, right - left, bottom - top), rotation, (0.5, 0.5))
    if shape.tag == "ellipse":
        x, y, across, down = _parse_numbers(shape, "cx", "cy", "rx", "ry")
        return x - across, y - down, 2 * across, 2 * down
    try:
        pairs = [point.split(",") for point in shape.attributes.get("points", "").split(";")]
        return bound_points([(float(x), float(y)) for x, y in pairs])
    except ValueError as error:
        raise PictureError(
            f"a polygon needs points as x,y;x,y; found {shape.attributes}"
        ) from error


def _parse_numbers(element: XmlElement, *names: str) -> list[float]:
    try:
        return [float(element.attributes[name]) for name in names]
    except (KeyError, ValueError) as error:
        raise PictureError(
            f"<{element.tag}> needs the numbers {', '.join(names)}; found {element.attributes}"
        ) from error
