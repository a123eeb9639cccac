"""Labels that are wrong: boxes outside their picture, files that are missing. Found, listed, dropped."""

from dataclasses import replace

from sightline.errors import PictureError
from training.datasets.dataset import UNKNOWN, DataSet, Picture, Problem, TrueBox

TOLERANCE_PX = 1.0  # labelling tools count pixels from 0 or 1, and round
SHOWN = 20


def checked(found: DataSet, drop_bad_labels: bool) -> DataSet:
    """The data set with sound labels only; PictureError lists what is wrong unless it may be dropped.

    Of a picture that is missing or of no size all is dropped; of others the bad boxes, and a picture
    that lost one is no longer known to be normal or anomalous unless a sound one is left.
    """
    kept, problems = [], list(found.problems)
    for picture in found.pictures:
        wrong = _wrong_picture(picture)
        if wrong:
            problems.append(Problem(picture.source, wrong))
            continue
        bad = {box: text for box in picture.boxes if (text := wrong_box(picture, box))}
        problems += [Problem(box.source, text) for box, text in bad.items()]
        kept.append(_without(picture, bad) if bad else picture)
    if problems and not drop_bad_labels:
        raise PictureError(_listed(found, problems))
    return replace(found, pictures=tuple(kept), problems=tuple(problems))


def wrong_box(picture: Picture, box: TrueBox) -> str:
    """What is wrong with a box, or nothing."""
    x, y, width, height = box.box
    shown = f"box x {x:g}, y {y:g}, width {width:g}, height {height:g} of {picture.name}"
    if width <= 0 or height <= 0:
        return f"{shown} has no area"
    beyond = max(-x, -y, x + width - picture.width, y + height - picture.height)
    if not beyond <= TOLERANCE_PX:  # this way round NaN is refused, too
        return f"{shown} lies outside of {picture.width} x {picture.height} by {beyond:g} px"
    return ""


def _wrong_picture(picture: Picture) -> str:
    if not picture.file.is_file():
        return f"the file {picture.name} is missing"
    if picture.width <= 0 or picture.height <= 0:
        return f"{picture.name} cannot be decoded as a picture"
    return ""


def _without(picture: Picture, bad: dict[TrueBox, str]) -> Picture:
    left = tuple(box for box in picture.boxes if box not in bad)
    label = picture.label if left else UNKNOWN
    return replace(picture, boxes=left, label=label, lost_labels=True)


def _listed(found: DataSet, problems: list[Problem]) -> str:
    lines = [f"  {problem}" for problem in sorted(problems)[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"  and {len(problems) - SHOWN} more")
    return "\n".join(
        [
            f"{found.name}: {len(problems)} bad labels; correct them, or leave them out with "
            "--drop-bad-labels:",
            *lines,
        ]
    )
