"""Checks of labels against their pictures: files, sizes, boxes, and what is there twice."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from sightline.errors import PictureError
from sightline.imaging.picture_decoder import check_decoding
from sightline.imaging.picture_header import PictureHeader
from training.datasets.data_set import (
    UNKNOWN,
    DataSet,
    LabelledPicture,
    LabelProblem,
    ReadingNote,
    TrueBox,
)
from training.datasets.label_sizes import BOX_TOLERANCE_PX, ExifBoxes, fit_labels

MAX_LISTED_PROBLEMS = 20
READING_THREADS = 4


@dataclass(frozen=True)
class FileFacts:
    """A picture file: its header and a digest of its content, or what is wrong with it."""

    header: PictureHeader | None = None
    digest: str = ""
    problem: str = ""


def check_labels(data_set: DataSet, drop_bad_labels: bool, exif_boxes: ExifBoxes = "") -> DataSet:
    """The data set with valid labels only; PictureError lists bad labels unless they may be dropped.

    Missing and unreadable pictures are dropped. A picture that loses its last box has no known label.
    """
    named = _unite_spellings(data_set)
    facts = _read_facts(picture.file for picture in named.pictures)
    checked = _PictureCheck(exif_boxes)
    for picture in named.pictures:
        checked.add(picture, facts[picture.file])
    pictures, twice, twice_notes = _drop_repeated(checked.pictures, facts)
    problems = (*named.problems, *checked.problems, *twice)
    found = replace(
        named,
        pictures=tuple(pictures),
        problems=problems,
        notes=(*named.notes, *checked.notes, *twice_notes),
    )
    if problems and not drop_bad_labels:
        raise PictureError(_format_problems(found))
    return found


class _PictureCheck:
    """Checks one picture after the other; keeps good ones, problems and notes."""

    def __init__(self, exif_boxes: ExifBoxes) -> None:
        self.pictures: list[LabelledPicture] = []
        self.problems: list[LabelProblem] = []
        self.notes: list[ReadingNote] = []
        self._exif_boxes = exif_boxes

    def add(self, picture: LabelledPicture, facts: FileFacts) -> None:
        """Check the picture's file, the size of its labels, and each box."""
        if facts.header is None:
            self.problems.append(LabelProblem(picture.source, f"{picture.name} {facts.problem}"))
            return
        try:
            fitted, converted = fit_labels(picture, facts.header, self._exif_boxes)
        except PictureError as error:
            self.problems.append(LabelProblem(picture.source, str(error)))
            return
        if converted:
            self.notes.append(ReadingNote(converted, picture.name))
        bad = {box: text for box in fitted.boxes if (text := find_box_problem(fitted, box))}
        self.problems += [LabelProblem(box.source, text) for box, text in bad.items()]
        whole = _drop_boxes(fitted, bad) if bad else fitted
        self.pictures.append(self._without_repeated_boxes(whole))

    def _without_repeated_boxes(self, picture: LabelledPicture) -> LabelledPicture:
        boxes = {(box.label, box.box, box.visible): box for box in reversed(picture.boxes)}
        if len(boxes) == len(picture.boxes):
            return picture
        self.notes.append(ReadingNote("the same box twice in a picture: read once", picture.name))
        return replace(picture, boxes=tuple(reversed(boxes.values())))


def find_box_problem(picture: LabelledPicture, box: TrueBox) -> str:
    """What is wrong with a box; an empty text if nothing is."""
    x, y, width, height = box.box
    shown = f"box x {x:g}, y {y:g}, width {width:g}, height {height:g} of {picture.name}"
    if width <= 0 or height <= 0:
        return f"{shown} has no area; correct it or delete it"
    beyond = max(-x, -y, x + width - picture.width, y + height - picture.height)
    if not beyond <= BOX_TOLERANCE_PX:  # written so that NaN is refused, too
        hint = (
            " (x, y, width and height are expected, no second corner)"
            if width > x and height > y
            else ""
        )
        return f"{shown} lies outside of {picture.width} x {picture.height} by {beyond:g} px{hint}"
    return ""


def _read_facts(files: Iterable[Path]) -> dict[Path, FileFacts]:
    each = list(dict.fromkeys(files))
    with ThreadPoolExecutor(READING_THREADS) as readers:
        return dict(zip(each, readers.map(_read_file_facts, each), strict=True))


def _read_file_facts(file: Path) -> FileFacts:
    try:
        content = file.read_bytes()
        return FileFacts(check_decoding(content), hashlib.sha256(content).hexdigest())
    except FileNotFoundError:
        return FileFacts(problem="is missing")
    except OSError as error:
        return FileFacts(problem=f"cannot be read: {error.strerror or error}")
    except PictureError as error:
        return FileFacts(problem=f"cannot be decoded as a picture: {error}")


def _unite_spellings(data_set: DataSet) -> DataSet:
    """The data set with one spelling, the most frequent one, of labels that differ by case or spaces."""
    counts = Counter(box.label for picture in data_set.pictures for box in picture.boxes)
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in dict.fromkeys([*data_set.labels, *counts]):
        spellings[label.strip().casefold()].append(label)
    renamed: dict[str, str] = {}
    for same in spellings.values():
        best = max(same, key=lambda label: counts[label]).strip()
        renamed |= {label: best for label in same if label != best}
    if not renamed:
        return data_set
    notes = [
        ReadingNote(
            "labels that differ only by case or spaces: read as one", f"{label!r} as {best!r}"
        )
        for label, best in renamed.items()
    ]
    return replace(_rename_labels(data_set, renamed), notes=(*data_set.notes, *notes))


def adopt_spelling(data_set: DataSet, labels: Sequence[str]) -> DataSet:
    """The data set with a model's spelling of its labels, where they differ by case or spaces only."""
    known = {label.strip().casefold(): label for label in labels}
    own = {label: known.get(label.strip().casefold(), label) for label in data_set.labels}
    renamed = {label: other for label, other in own.items() if label != other}
    return _rename_labels(data_set, renamed) if renamed else data_set


def _rename_labels(data_set: DataSet, renamed: Mapping[str, str]) -> DataSet:
    pictures = [
        replace(
            picture,
            boxes=tuple(
                replace(box, label=renamed.get(box.label, box.label)) for box in picture.boxes
            ),
        )
        for picture in data_set.pictures
    ]
    labels = tuple(dict.fromkeys(renamed.get(label, label) for label in data_set.labels))
    return replace(data_set, pictures=tuple(pictures), labels=labels)


def _drop_repeated(
    pictures: Sequence[LabelledPicture], facts: dict[Path, FileFacts]
) -> tuple[list[LabelledPicture], list[LabelProblem], list[ReadingNote]]:
    """Pictures that are there once: the same file twice is read once, and with other labels refused."""
    left, problems, notes = [], [], []
    groups: dict[str, list[LabelledPicture]] = defaultdict(list)
    for picture in pictures:
        groups[facts[picture.file].digest].append(picture)
    dropped: set[int] = set()
    for same in groups.values():
        first, files = same[0], {picture.file.resolve() for picture in same}
        for other in same[1:]:
            if _contradict(first, other):
                problems.append(LabelProblem(other.source, _describe_contradiction(first, other)))
                dropped |= {id(first), id(other)}
            elif other.file.resolve() == first.file.resolve():
                if other.split != first.split:
                    text = f"{other.name} is listed for {first.split or 'no split'} ({first.source}) and "
                    text += f"{other.split or 'no split'}: list it once"
                    problems.append(LabelProblem(other.source, text))
                    dropped.add(id(first))
                else:
                    notes.append(ReadingNote("a picture listed twice: read once", other.name))
                dropped.add(id(other))
        if len(files) > 1 and not any(id(picture) in dropped for picture in same):
            splits = ", ".join(sorted({picture.split or "no split" for picture in same}))
            text = f"the same picture in several files ({splits}): all are read"
            notes.append(ReadingNote(text, " and ".join(picture.name for picture in same[:2])))
    left = [picture for picture in pictures if id(picture) not in dropped]
    return left, problems, notes


def _contradict(one: LabelledPicture, other: LabelledPicture) -> bool:
    """Whether the labels of the same picture differ; those that were not read are no contradiction."""
    known = all(picture.label != UNKNOWN and not picture.lost_labels for picture in (one, other))
    return known and _labels_of(one) != _labels_of(other)


def _labels_of(picture: LabelledPicture) -> object:
    return picture.label, sorted((box.label, box.box, box.visible) for box in picture.boxes)


def _describe_contradiction(first: LabelledPicture, other: LabelledPicture) -> str:
    what = "twice" if other.file == first.file else f"the same picture as {first.name}"
    return (
        f"{other.name} is there {what} with other labels: {_show_labels(other)} here, "
        f"{_show_labels(first)} in {first.source}; keep the right one"
    )


def _show_labels(picture: LabelledPicture) -> str:
    boxes = Counter(box.label for box in picture.boxes)
    shown = ", ".join(f"{label} ({count})" for label, count in boxes.items())
    return shown or picture.label or "no label"


def _drop_boxes(picture: LabelledPicture, bad: dict[TrueBox, str]) -> LabelledPicture:
    left = tuple(box for box in picture.boxes if box not in bad)
    label = picture.label if left else UNKNOWN
    return replace(picture, boxes=left, label=label, lost_labels=True)


def _format_problems(data_set: DataSet) -> str:
    problems = sorted(data_set.problems)
    lines = [f"  {problem}" for problem in problems[:MAX_LISTED_PROBLEMS]]
    if len(problems) > MAX_LISTED_PROBLEMS:
        lines.append(f"  and {len(problems) - MAX_LISTED_PROBLEMS} more")
    return "\n".join(
        [
            f"{data_set.name}: {len(problems)} bad labels; correct them, or leave them out with "
            "--drop-bad-labels:",
            *lines,
        ]
    )
