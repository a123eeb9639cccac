"""Labels that are wrong: boxes outside their picture, files that are missing. Found, listed, dropped."""

from dataclasses import replace

from sightline.errors import PictureError
from training.datasets.data_set import UNKNOWN, DataSet, LabelledPicture, LabelProblem, TrueBox

BOX_TOLERANCE_PX = 1.0  # labelling tools count pixels from 0 or 1, and round
MAX_LISTED_PROBLEMS = 20


def check_labels(found: DataSet, drop_bad_labels: bool) -> DataSet:
    """The data set with sound labels only; PictureError lists what is wrong unless it may be dropped.

    Of a picture that is missing or of no size all is dropped; of others the bad boxes, and a picture
    that lost one is no longer known to be normal or anomalous unless a sound one is left.
    """
    kept, problems = [], list(found.problems)
    for picture in found.pictures:
        wrong = _find_picture_problem(picture)
        if wrong:
            problems.append(LabelProblem(picture.source, wrong))
            continue
        bad = {box: text for box in picture.boxes if (text := find_box_problem(picture, box))}
        problems += [LabelProblem(box.source, text) for box, text in bad.items()]
        kept.append(_drop_boxes(picture, bad) if bad else picture)
    if problems and not drop_bad_labels:
        raise PictureError(_format_problems(found, problems))
    return replace(found, pictures=tuple(kept), problems=tuple(problems))


def find_box_problem(picture: LabelledPicture, box: TrueBox) -> str:
    """What is wrong with a box, or nothing."""
    x, y, width, height = box.box
    shown = f"box x {x:g}, y {y:g}, width {width:g}, height {height:g} of {picture.name}"
    if width <= 0 or height <= 0:
        return f"{shown} has no area"
    beyond = max(-x, -y, x + width - picture.width, y + height - picture.height)
    if not beyond <= BOX_TOLERANCE_PX:  # this way round NaN is refused, too
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


def _format_problems(found: DataSet, problems: list[LabelProblem]) -> str:
    lines = [f"  {problem}" for problem in sorted(problems)[:MAX_LISTED_PROBLEMS]]
    if len(problems) > MAX_LISTED_PROBLEMS:
        lines.append(f"  and {len(problems) - MAX_LISTED_PROBLEMS} more")
    return "\n".join(
        [
            f"{found.name}: {len(problems)} bad labels; correct them, or leave them out with "
            "--drop-bad-labels:",
            *lines,
        ]
    )
