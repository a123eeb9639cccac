"""What a data set is: pictures with their boxes, label, group and split, and where each was read from."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

ImageLabel = Literal["normal", "anomaly", ""]
NORMAL: ImageLabel = "normal"
ANOMALY: ImageLabel = "anomaly"
UNKNOWN: ImageLabel = ""
SplitName = Literal["train", "validation", "test", ""]


@dataclass(frozen=True, order=True)
class LabelLocation:
    """Where a label stands: file, line from 1, and column from 1 where a line holds many labels."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """As compilers write it, so that editors find the place."""
        return ":".join(
            [self.file, *(str(number) for number in (self.line, self.column) if number)]
        )


@dataclass(frozen=True)
class TrueBox:
    """One labelled box: x, y, width, height in pixels of the picture; `severity` where it is known.

    What is not `visible` is neither to be learned nor punished.
    """

    label: str
    box: tuple[float, float, float, float]
    severity: str = ""
    visible: bool = True
    source: LabelLocation = LabelLocation("")


@dataclass(frozen=True)
class LabelledPicture:
    """One picture and what is on it; pictures of a `group` show nearly the same or the same part."""

    file: Path
    width: int
    height: int
    boxes: tuple[TrueBox, ...]
    camera: str = ""
    part_number: int = 0
    group: str = ""
    split: SplitName = ""
    label: ImageLabel = UNKNOWN
    source: LabelLocation = LabelLocation("")
    name: str = ""  # relative to the data set's place, or an s3:// address
    lost_labels: bool = False  # bad ones were dropped: more is on it than its boxes tell

    @property
    def sampling_group(self) -> str:
        """What is drawn as one by the bootstrap: the group, else the picture itself."""
        return self.group or self.name or str(self.file)


def derive_label(boxes: Iterable[TrueBox], lost_labels: bool = False) -> ImageLabel:
    """Anomaly with a visible box, normal without any; with none but invisible or lost ones nobody knows."""
    seen = list(boxes)
    if any(box.visible for box in seen):
        return ANOMALY
    return UNKNOWN if seen or lost_labels else NORMAL


@dataclass(frozen=True, order=True)
class LabelProblem:
    """A label that is wrong, where it stands, and what was found there."""

    source: LabelLocation
    text: str

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.source}: {self.text}"


@dataclass(frozen=True)
class DataSet:
    """Pictures in a fixed order, the labels that boxes may have, and what is wrong with its labels."""

    name: str
    format: str
    pictures: tuple[LabelledPicture, ...]
    labels: tuple[str, ...]
    problems: tuple[LabelProblem, ...] = ()

    def select_splits(self, *splits: SplitName) -> "DataSet":
        """The pictures of these splits."""
        kept = tuple(picture for picture in self.pictures if picture.split in splits)
        return replace(self, pictures=kept)

    def without_groups(self, *groups: str) -> "DataSet":
        """All pictures but those of these groups."""
        kept = tuple(picture for picture in self.pictures if picture.group not in groups)
        return replace(self, pictures=kept)

    @property
    def has_boxes(self) -> bool:
        """Whether defects are marked by boxes, or pictures carry one label only."""
        return bool(self.labels)

    def compute_digest(self) -> str:
        """SHA-256 of all pictures' bytes and labels, the same wherever the data set lies."""
        total = hashlib.sha256()
        for picture in sorted(self.pictures, key=lambda one: one.name):
            boxes = [(box.label, box.box, box.severity, box.visible) for box in picture.boxes]
            facts = (picture.name, picture.split, picture.label, picture.group, boxes)
            total.update(repr(facts).encode())
            total.update(hashlib.sha256(picture.file.read_bytes()).digest())
        return total.hexdigest()
