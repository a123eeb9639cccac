"""Checks for bad labels: boxes outside of their picture, missing files."""

from dataclasses import replace

from sightline.errors import PictureError
from training.datasets.data_set import UNKNOWN, DataSet, LabelledPicture, LabelProblem, TrueBox

BOX_TOLERANCE_PX = 1.0  # labelling tools count pixels from 0 or 1, and round
MAX_LISTED_PROBLEMS = 20


def check_labels(data_set: DataSet, drop_bad_labels: bool) -> DataSet:
    """The data set with valid labels only; PictureError lists bad labels unless they may be dropped.

    Missing and unreadable pictures are dropped. A picture that loses its last box has no known label.
    """
    kept, problems = [], list(data_set.problems)
    for picture in data_set.pictures:
        wrong = _find_picture_problem(picture)
        if wrong:
            problems.append(LabelProblem(picture.source, wrong))
            continue
        bad = {box: text for box in picture.boxes if (text := find_box_problem(picture, box))}
        problems += [LabelProblem(box.source, text) for box, text in bad.items()]
        kept.append(_drop_boxes(picture, bad) if bad else picture)
    if problems and not drop_bad_labels:
        raise PictureError(_format_problems(data_set, problems))
    return replace(data_set, pictures=tuple(kept), problems=tuple(problems))


def find_box_problem(picture: LabelledPicture, box: TrueBox) -> str:
    """What is wrong with a box; an empty text if nothing is."""
    x, y, width, height = box.box
    shown = f"box x {x:g}, y {y:g}, width {width:g}, height {height:g} of {picture.name}"
    if width <= 0 or height <= 0:
        return f"{shown} has no area"
    beyond = max(-x, -y, x + width - picture.width, y + height - picture.height)
    if not beyond <= BOX_TOLERANCE_PX:  # written so that NaN is refused, too
        return f"{shown} lies outside of {picture.width} x {picture.height} by {beyond:g} px"
    return ""


def _find_picture_problem(picture: LabelledPicture) -> str:
    if not picture.file.is_file():
        return f"the file {picture.name} is missing"
    if picture.width <= 0 or picture.height <= 0:
        return f"{picture.name} cannot be decoded as a picture"
    return ""


def _drop_boxes(picture: LabelledPicture, bad: dict[TrueBox, str]) -> LabelledPicture:
    left = tuple(box for box in picture.boxes if box not in bad)
    label = picture.label if left else UNKNOWN
    return replace(picture, boxes=left, label=label, lost_labels=True)


def _format_problems(data_set: DataSet, problems: list[LabelProblem]) -> str:
    lines = [f"  {problem}" for problem in sorted(problems)[:MAX_LISTED_PROBLEMS]]
    if len(problems) > MAX_LISTED_PROBLEMS:
        lines.append(f"  and {len(problems) - MAX_LISTED_PROBLEMS} more")
    return "\n".join(
        [
            f"{data_set.name}: {len(problems)} bad labels; correct them, or leave them out with "
            "--drop-bad-labels:",
            *lines,
        ]
    )
