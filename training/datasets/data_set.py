"""A data set: pictures with boxes, label, group and split, and the location of each label."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

ImageLabel = Literal["normal", "anomaly", ""]
NORMAL: ImageLabel = "normal"
ANOMALY: ImageLabel = "anomaly"
UNKNOWN: ImageLabel = ""
SHARES = -1  # in place of width and height: boxes from 0 to 1
SplitName = Literal["train", "validation", "test", ""]


@dataclass(frozen=True, order=True)
class LabelLocation:
    """Where a label was read: file, line from 1, and column from 1 where a line has many labels."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """As compilers write locations, so that editors can open them."""
        return ":".join(
            [self.file, *(str(number) for number in (self.line, self.column) if number)]
        )


@dataclass(frozen=True)
class TrueBox:
    """One labelled box: x, y, width, height in pixels of the picture; `severity` where it is known.

    A box that is not `visible` is ignored in training and evaluation.
    """

    label: str
    box: tuple[float, float, float, float]
    severity: str = ""
    visible: bool = True
    source: LabelLocation = LabelLocation("")


@dataclass(frozen=True)
class LabelledPicture:
    """One picture and its labels; pictures of a `group` show the same part, or nearly the same.

    As read from a label file, width and height are those that boxes refer to: 0 if the file does not say,
    `SHARES` if boxes are shares of the picture. Checked labels are in pixels of the picture as it is shown.
    """

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
    name: str = ""  # relative to the data set, or an s3:// address
    lost_labels: bool = False  # bad labels were dropped, so boxes may be missing

    @property
    def sampling_group(self) -> str:
        """The unit of bootstrap sampling: the group, or the picture if it has none."""
        return self.group or self.name or str(self.file)


def derive_label(boxes: Iterable[TrueBox], lost_labels: bool = False) -> ImageLabel:
    """Anomaly with a visible box, normal without boxes, else unknown (only invisible or lost boxes)."""
    seen = list(boxes)
    if any(box.visible for box in seen):
        return ANOMALY
    return UNKNOWN if seen or lost_labels else NORMAL


@dataclass(frozen=True, order=True)
class LabelProblem:
    """A bad label: its location, and what is wrong with it."""

    source: LabelLocation
    text: str

    def __str__(self) -> str:
        """Location and problem in one line."""
        return f"{self.source}: {self.text}"


@dataclass(frozen=True, order=True)
class ReadingNote:
    """What was left out or converted without being a bad label: what happened, and to what."""

    text: str
    example: str


@dataclass(frozen=True)
class DataSet:
    """Pictures in a fixed order, the labels of boxes, problems with labels, and notes."""

    name: str
    format: str
    pictures: tuple[LabelledPicture, ...]
    labels: tuple[str, ...]
    problems: tuple[LabelProblem, ...] = ()
    notes: tuple[ReadingNote, ...] = ()

    def select_splits(self, *splits: SplitName) -> "DataSet":
        """The data set with the pictures of these splits only."""
        kept = tuple(picture for picture in self.pictures if picture.split in splits)
        return replace(self, pictures=kept)

    def without_groups(self, *groups: str) -> "DataSet":
        """The data set without the pictures of these groups."""
        kept = tuple(picture for picture in self.pictures if picture.group not in groups)
        return replace(self, pictures=kept)

    @property
    def has_boxes(self) -> bool:
        """Whether defects are marked by boxes; otherwise pictures have one label each."""
        return bool(self.labels)

    def compute_digest(self) -> str:
        """SHA-256 of all pictures and labels, independent of the data set's path."""
        total = hashlib.sha256()
        for picture in sorted(self.pictures, key=lambda one: one.name):
            boxes = [(box.label, box.box, box.severity, box.visible) for box in picture.boxes]
            facts = (picture.name, picture.split, picture.label, picture.group, boxes)
            total.update(repr(facts).encode())
            total.update(hashlib.sha256(picture.file.read_bytes()).digest())
        return total.hexdigest()
