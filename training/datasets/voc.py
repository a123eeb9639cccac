"""Pascal VOC: an XML file for each picture in `Annotations/`, pictures in `JPEGImages/`, and `ImageSets/`.

As in VOC's development kit, a box includes its pixels `xmin` to `xmax`, counted from 1. Objects marked
`difficult` are not visible: ignored in training and evaluation. An optional `labels.txt` lists the allowed
classes, one a line; without it all classes are allowed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from sightline.errors import PictureError
from training.datasets.data_set import (
    DataSet,
    LabelledPicture,
    LabelLocation,
    LabelProblem,
    SplitName,
    TrueBox,
    derive_label,
)
from training.datasets.splits import find_split_in_name

ANNOTATIONS_FOLDER, PICTURES_FOLDER, SPLITS_FOLDER = "Annotations", "JPEGImages", "ImageSets"
VOC_LABELS_FILE = "labels.txt"
BOX_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass
class XmlElement:
    """An XML element with its line."""

    tag: str
    line: int
    text: str = ""
    children: list["XmlElement"] = field(default_factory=list)

    def find_element(self, path: str) -> "XmlElement | None":
        """The first element at a path of tags with slashes."""
        here: XmlElement | None = self
        for tag in path.split("/"):
            here = (
                next((child for child in here.children if child.tag == tag), None) if here else None
            )
        return here

    def find_text(self, path: str, otherwise: str = "") -> str:
        """The text of the element at a path."""
        found = self.find_element(path)
        return found.text.strip() if found else otherwise


def read_voc(folder: Path) -> DataSet:
    """All annotated pictures; PictureError if a file is not XML."""
    splits = _read_splits(folder)
    allowed = _read_allowed_labels(folder)
    pictures, problems = [], []
    for file in sorted((folder / ANNOTATIONS_FOLDER).glob("*.xml")):
        picture, wrong = _read_file(folder, file, splits.get(file.stem, ""), allowed)
        pictures.append(picture)
        problems += wrong
    seen = dict.fromkeys(box.label for picture in pictures for box in picture.boxes)
    return DataSet(
        folder.name, "voc", tuple(pictures), tuple(allowed or sorted(seen)), tuple(problems)
    )


def _read_file(
    folder: Path, file: Path, split: SplitName, allowed: list[str]
) -> tuple[LabelledPicture, list[LabelProblem]]:
    root = parse_xml(file)
    boxes, problems = [], []
    for thing in (child for child in root.children if child.tag == "object"):
        source = LabelLocation(str(file), thing.line)
        found = _parse_box(thing, source, allowed)
        if isinstance(found, TrueBox):
            boxes.append(found)
        else:
            problems.append(LabelProblem(source, found))
    name = f"{PICTURES_FOLDER}/{root.find_text('filename', file.stem + '.jpg')}"
    picture = LabelledPicture(
        folder / name,
        _parse_integer(root.find_text("size/width")),
        _parse_integer(root.find_text("size/height")),
        tuple(boxes),
        group=root.find_text("group"),
        split=split,
        label=derive_label(boxes, bool(problems)),
        source=LabelLocation(str(file), root.line),
        name=name,
        lost_labels=bool(problems),
    )
    return picture, problems


def _parse_box(thing: XmlElement, source: LabelLocation, allowed: list[str]) -> TrueBox | str:
    label = thing.find_text("name")
    if not label or (allowed and label not in allowed):
        return f"unknown class {label!r}; known are {', '.join(allowed) or 'all but an empty one'}"
    texts = [thing.find_text(f"bndbox/{side}") for side in BOX_SIDES]
    try:
        left, top, right, bottom = (float(text) for text in texts)
    except ValueError:
        return (
            f"bndbox needs the numbers {', '.join(BOX_SIDES)}; found {', '.join(map(repr, texts))}"
        )
    box = (left - 1, top - 1, right - left + 1, bottom - top + 1)
    return TrueBox(label, box, visible=thing.find_text("difficult", "0") != "1", source=source)


def parse_xml(file: Path) -> XmlElement:
    """The root element of an XML file; PictureError with the line if it is not XML."""
    top = XmlElement("", 0)
    open_elements = [top]
    parser = expat.ParserCreate()

    def start(tag: str, _attributes: dict[str, str]) -> None:
        element = XmlElement(tag, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(_tag: str) -> None:
        open_elements.pop()

    def text(content: str) -> None:
        open_elements[-1].text += content

    handlers: tuple[Callable[..., None], ...] = (start, end, text)
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = handlers
    try:
        parser.Parse(file.read_bytes(), True)
    except expat.ExpatError as error:
        raise PictureError(f"{file}:{error.lineno}: not XML: {error}") from error
    return top.children[0]


def _read_splits(folder: Path) -> dict[str, SplitName]:
    found: dict[str, SplitName] = {}
    for file in sorted((folder / SPLITS_FOLDER).rglob("*.txt")):
        split = find_split_in_name(file.stem)  # `trainval` is no split
        if split:
            found |= dict.fromkeys(_read_first_words(file), split)
    return found


def _read_first_words(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line.split()]


def _read_allowed_labels(folder: Path) -> list[str]:
    file = folder / VOC_LABELS_FILE
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [line.strip() for line in lines if line.strip()]


def _parse_integer(text: str) -> int:
    try:
        return int(float(text))
    except ValueError:
        return 0
