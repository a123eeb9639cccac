"""Pascal VOC: one XML file a picture in `Annotations/`, pictures in `JPEGImages/`, splits in `ImageSets/`.

As in VOC's own kit a box goes from pixel `xmin` to pixel `xmax`, both counted from 1 and both in it.
Objects marked `difficult` are not visible here: neither learned nor punished. A file `labels.txt`, one
label a line, says which classes there are; without it all that occur are.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from sightline.errors import PictureError
from training.datasets.dataset import (
    DataSet,
    Picture,
    Problem,
    Source,
    Split,
    TrueBox,
    label_of,
)
from training.datasets.splits import split_named

ANNOTATIONS, PICTURES, SETS = "Annotations", "JPEGImages", "ImageSets"
LABELS_FILE = "labels.txt"
SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass
class Element:
    """An XML element with the line on which it begins."""

    tag: str
    line: int
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def find(self, path: str) -> "Element | None":
        """The first element below, by tags with slashes."""
        here: Element | None = self
        for tag in path.split("/"):
            here = (
                next((child for child in here.children if child.tag == tag), None) if here else None
            )
        return here

    def text_of(self, path: str, otherwise: str = "") -> str:
        """The text of an element below."""
        found = self.find(path)
        return found.text.strip() if found else otherwise


def read_voc(folder: Path) -> DataSet:
    """All annotated pictures; PictureError if a file is no XML at all."""
    splits = _splits_of(folder)
    allowed = _allowed_labels(folder)
    pictures, problems = [], []
    for file in sorted((folder / ANNOTATIONS).glob("*.xml")):
        picture, wrong = _read_file(folder, file, splits.get(file.stem, ""), allowed)
        pictures.append(picture)
        problems += wrong
    seen = dict.fromkeys(box.label for picture in pictures for box in picture.boxes)
    return DataSet(
        folder.name, "voc", tuple(pictures), tuple(allowed or sorted(seen)), tuple(problems)
    )


def _read_file(
    folder: Path, file: Path, split: Split, allowed: list[str]
) -> tuple[Picture, list[Problem]]:
    root = parse(file)
    boxes, problems = [], []
    for thing in (child for child in root.children if child.tag == "object"):
        source = Source(str(file), thing.line)
        found = _box_of(thing, source, allowed)
        if isinstance(found, TrueBox):
            boxes.append(found)
        else:
            problems.append(Problem(source, found))
    name = f"{PICTURES}/{root.text_of('filename', file.stem + '.jpg')}"
    picture = Picture(
        folder / name,
        _whole(root.text_of("size/width")),
        _whole(root.text_of("size/height")),
        tuple(boxes),
        group=root.text_of("group"),
        split=split,
        label=label_of(boxes, bool(problems)),
        source=Source(str(file), root.line),
        name=name,
        lost_labels=bool(problems),
    )
    return picture, problems


def _box_of(thing: Element, source: Source, allowed: list[str]) -> TrueBox | str:
    label = thing.text_of("name")
    if not label or (allowed and label not in allowed):
        return (
            f"the unknown class {label!r}; known are {', '.join(allowed) or 'all but an empty one'}"
        )
    texts = [thing.text_of(f"bndbox/{side}") for side in SIDES]
    try:
        left, top, right, bottom = (float(text) for text in texts)
    except ValueError:
        return f"bndbox needs the numbers {', '.join(SIDES)}; found {', '.join(map(repr, texts))}"
    box = (left - 1, top - 1, right - left + 1, bottom - top + 1)
    return TrueBox(label, box, visible=thing.text_of("difficult", "0") != "1", source=source)


def parse(file: Path) -> Element:
    """The root element of an XML file; PictureError with the line if it is none."""
    top = Element("", 0)
    open_elements = [top]
    parser = expat.ParserCreate()

    def start(tag: str, _attributes: dict[str, str]) -> None:
        element = Element(tag, parser.CurrentLineNumber)
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
        raise PictureError(f"{file}:{error.lineno}: no XML: {error}") from error
    return top.children[0]


def _splits_of(folder: Path) -> dict[str, Split]:
    found: dict[str, Split] = {}
    for file in sorted((folder / SETS).rglob("*.txt")):
        split = split_named(file.stem)  # `trainval` names none
        if split:
            found |= dict.fromkeys(_first_words(file), split)
    return found


def _first_words(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line.split()]


def _allowed_labels(folder: Path) -> list[str]:
    file = folder / LABELS_FILE
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [line.strip() for line in lines if line.strip()]


def _whole(text: str) -> int:
    try:
        return int(float(text))
    except ValueError:
        return 0
