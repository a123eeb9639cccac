"""Pascal VOC: an XML file for each picture, in `Annotations/` or beside the picture, and `ImageSets/`.

As in VOC's development kit, a box includes its pixels `xmin` to `xmax`, counted from 1. Objects marked
`difficult` are not visible: ignored in training and evaluation. An optional `labels.txt` lists the allowed
classes, one a line; without it all classes are allowed.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

from sightline.errors import PictureError, TextError
from sightline.strict_text import read_text
from training.datasets.box_shapes import bound_points
from training.datasets.data_folder import DataFolder
from training.datasets.data_set import (
    SHARES,
    DataSet,
    LabelledPicture,
    LabelLocation,
    LabelProblem,
    ReadingNote,
    SplitName,
    TrueBox,
    derive_label,
)
from training.datasets.image_sets import ImageSets, find_image_sets
from training.datasets.splits import find_split_in_path
from training.datasets.xml_elements import XmlElement, XmlProblemError, parse_xml

ROOT_TAG, ANNOTATIONS_FOLDER = "annotation", "annotations"
VOC_LABELS_FILE = "labels.txt"
BOX_SIDES = ("xmin", "ymin", "xmax", "ymax")
DIFFICULT_WORDS = {
    "": False,
    "0": False,
    "false": False,
    "no": False,
    "1": True,
    "true": True,
    "yes": True,
}
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Object:
    """One labelled object, its corners as written."""

    label: str
    corners: Corners
    difficult: bool
    source: LabelLocation


@dataclass
class _VocFile:
    """One label file: its root, its good objects and bad ones."""

    file: Path
    root: XmlElement
    picture_name: str
    objects: list[_Object] = field(default_factory=list)
    problems: list[LabelProblem] = field(default_factory=list)


def read_voc(folder: DataFolder) -> DataSet:
    """All annotated pictures."""
    allowed = _read_allowed_labels(folder.folder)
    files, problems, notes = _read_files(folder, allowed)
    sets = ImageSets(folder, {one.file: one.picture_name for one in files}, find_image_sets(folder))
    in_shares = _are_shares([thing for one in files for thing in one.objects])
    pictures = []
    for one in files:
        problems += one.problems
        try:
            split = sets.splits.get(one.file) or find_split_in_path(folder.name_of(one.file))
            pictures.append(_build_picture(folder, one, split, in_shares))
        except PictureError as error:
            problems.append(LabelProblem(LabelLocation(str(one.file), one.root.line), str(error)))
    seen = dict.fromkeys(box.label for picture in pictures for box in picture.boxes)
    return DataSet(
        folder.folder.name,
        "voc",
        tuple(pictures),
        tuple(allowed or sorted(seen)),
        (*problems, *sets.problems),
        (*notes, *sets.notes),
    )


def has_voc_files(folder: DataFolder) -> bool:
    """Whether a folder has VOC's XML files; those in `Annotations` count though they are no XML."""
    return any(_is_voc_file(file) for file in folder.files_of(".xml"))


def _is_voc_file(file: Path) -> bool:
    try:
        return parse_xml(file).tag == ROOT_TAG
    except XmlProblemError:
        return file.parent.name.lower() == ANNOTATIONS_FOLDER


def _read_files(
    folder: DataFolder, allowed: list[str]
) -> tuple[list[_VocFile], list[LabelProblem], list[ReadingNote]]:
    files, problems, notes = [], [], []
    for file in folder.files_of(".xml"):
        try:
            root = parse_xml(file)
        except XmlProblemError as error:
            problems.append(LabelProblem(LabelLocation(str(file), error.line), str(error)))
            continue
        if root.tag != ROOT_TAG:
            notes.append(ReadingNote(f"XML files of <{root.tag}>: not read", folder.name_of(file)))
            continue
        one = _VocFile(file, root, root.find_text("filename"))
        for thing in root.find_elements("object"):
            source = LabelLocation(str(file), thing.line)
            try:
                one.objects.append(_parse_object(thing, source, allowed))
            except PictureError as error:
                one.problems.append(LabelProblem(source, str(error)))
        files.append(one)
    return files, problems, notes


def _build_picture(
    folder: DataFolder, one: _VocFile, split: SplitName, in_shares: bool
) -> LabelledPicture:
    file = folder.find_labelled_picture(one.file, one.picture_name, "filename")
    boxes = [_build_box(thing, in_shares) for thing in one.objects]
    width, height = (
        _parse_length(one.root.find_text(f"size/{side}")) for side in ("width", "height")
    )
    return LabelledPicture(
        file,
        SHARES if in_shares else width,
        SHARES if in_shares else height,
        tuple(boxes),
        group=one.root.find_text("group"),
        split=split,
        label=derive_label(boxes, bool(one.problems)),
        source=LabelLocation(str(one.file), one.root.line),
        name=folder.name_of(file),
        lost_labels=bool(one.problems),
    )


def _parse_object(thing: XmlElement, source: LabelLocation, allowed: list[str]) -> _Object:
    label = thing.find_text("name")
    if not label or (allowed and label not in allowed):
        raise PictureError(
            f"unknown class {label!r}; known are {', '.join(allowed) or 'all but an empty one'}"
        )
    difficult = thing.find_text("difficult").lower()
    if difficult not in DIFFICULT_WORDS:
        raise PictureError(f"difficult must be 0 or 1; found {difficult!r}")
    return _Object(label, _parse_corners(thing), DIFFICULT_WORDS[difficult], source)


def _parse_corners(thing: XmlElement) -> Corners:
    texts = [thing.find_text(f"bndbox/{side}") for side in BOX_SIDES]
    polygon = thing.find_element("polygon")
    try:
        if not any(texts) and polygon is not None:
            return _bound_polygon(polygon)
        left, top, right, bottom = (float(text) for text in texts)
    except ValueError as error:
        raise PictureError(
            f"bndbox needs the numbers {', '.join(BOX_SIDES)}; found {', '.join(map(repr, texts))}"
        ) from error
    if not all(map(math.isfinite, (left, top, right, bottom))) or right < left or bottom < top:
        raise PictureError(
            f"bndbox must have xmin up to xmax and ymin up to ymax; found {', '.join(texts)}: correct it"
        )
    return left, top, right, bottom


def _bound_polygon(polygon: XmlElement) -> Corners:
    """The corners of a polygon's box: its points are `x1`, `y1`, ... or `pt` with `x` and `y`."""
    flat = [one for child in polygon.children for one in (child.children or [child])]
    across = [float(one.text) for one in flat if one.tag.startswith("x")]
    down = [float(one.text) for one in flat if one.tag.startswith("y")]
    x, y, width, height = bound_points(list(zip(across, down, strict=True)))
    return x, y, x + width, y + height


def _build_box(thing: _Object, in_shares: bool) -> TrueBox:
    left, top, right, bottom = thing.corners
    if in_shares:
        box = (left, top, right - left, bottom - top)
    else:
        box = (left - 1, top - 1, right - left + 1, bottom - top + 1)
    return TrueBox(thing.label, box, visible=not thing.difficult, source=thing.source)


def _are_shares(things: list[_Object]) -> bool:
    numbers = [number for thing in things for number in thing.corners]
    return all(0 <= number <= 1 for number in numbers) and any(number % 1 for number in numbers)


def _read_allowed_labels(folder: Path) -> list[str]:
    file = folder / VOC_LABELS_FILE
    if not file.is_file():
        return []
    try:
        return [line.strip() for line in read_text(file).splitlines() if line.strip()]
    except TextError as error:
        raise PictureError(f"{file}: {error}") from error


def _parse_length(text: str) -> int:
    """A side of the picture; 0 if it is missing, as labelImg writes where it could not tell."""
    try:
        return max(0, round(float(text)))
    except (ValueError, OverflowError):
        return 0
