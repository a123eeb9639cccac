"""Labels of another size or orientation than the decoded picture: converted where certain, else refused.

The size in the label file decides. A picture with an EXIF orientation is stored in one way and shown in
another; tools label either. If only one of both has the label's size (or its aspect, when it was scaled
evenly), boxes are of that one. If both have, nothing tells, unless `--exif-boxes` does.
"""

from dataclasses import replace
from typing import Literal

from sightline.errors import PictureError
from sightline.imaging.picture_header import UPRIGHT, PictureHeader
from training.datasets.data_set import SHARES, LabelledPicture, TrueBox

Box = tuple[float, float, float, float]
Size = tuple[int, int]
ExifBoxes = Literal["", "stored", "shown"]
ASPECT_TOLERANCE_PX = 1.0
BOX_TOLERANCE_PX = 1.0  # labelling tools count pixels from 0 or 1, and round


def fit_labels(
    picture: LabelledPicture, header: PictureHeader, exif_boxes: ExifBoxes = ""
) -> tuple[LabelledPicture, str]:
    """The picture with its boxes in pixels as shown, and what was converted; PictureError if uncertain."""
    shown = header.shown_size
    upright = replace(picture, width=shown[0], height=shown[1])
    if not picture.boxes:
        return upright, ""
    reference, scale = _find_reference(picture, header, exif_boxes)
    label_size = _size_of(picture, reference, header)
    if scale != (1.0, 1.0) and picture.width != SHARES:
        _check_inside(picture, label_size)
    turn = header.orientation if reference == "stored" else UPRIGHT
    stored = header.stored_size if reference == "stored" else shown
    boxes = tuple(
        replace(box, box=turn_box(_scale_box(box.box, scale), stored, turn))
        for box in picture.boxes
    )
    return replace(upright, boxes=boxes), _describe(picture, scale, turn)


def turn_box(box: Box, stored: Size, orientation: int) -> Box:
    """A box of the stored picture as it lies in the picture that is turned by its EXIF orientation."""
    x, y, width, height = box
    right, below = stored[0] - x - width, stored[1] - y - height
    turned: dict[int, Box] = {
        2: (right, y, width, height),
        3: (right, below, width, height),
        4: (x, below, width, height),
        5: (y, x, height, width),
        6: (below, x, height, width),
        7: (below, right, height, width),
        8: (y, right, height, width),
    }
    return turned.get(orientation, box)


def _find_reference(
    picture: LabelledPicture, header: PictureHeader, exif_boxes: ExifBoxes
) -> tuple[str, tuple[float, float]]:
    """Which form of the picture the boxes refer to, and the scale from label to it."""
    sizes = {"stored": header.stored_size, "shown": header.shown_size}
    if header.orientation == UPRIGHT:
        sizes = {"shown": header.shown_size}
    label_size = (picture.width, picture.height)
    fitting = {
        name: scale for name, size in sizes.items() if (scale := _find_scale(label_size, size))
    }
    exact = {name: scale for name, scale in fitting.items() if scale == (1.0, 1.0)}
    found = exact or fitting
    if len(found) > 1 and exif_boxes:
        found = {exif_boxes: found[exif_boxes]}
    if len(found) == 1:
        return next(iter(found.items()))
    if not found:
        raise PictureError(_describe_mismatch(picture, header))
    raise PictureError(
        f"{picture.name} has the EXIF orientation {header.orientation}, and nothing tells whether its boxes "
        "are of the picture as stored or as shown; say --exif-boxes stored or --exif-boxes shown, or save "
        "the picture upright"
    )


def _find_scale(label_size: Size, size: Size) -> tuple[float, float] | None:
    """The scale from label to picture, in both directions; None if the aspects differ."""
    if label_size == (SHARES, SHARES):
        return float(size[0]), float(size[1])
    if label_size == size or min(label_size) <= 0:
        return 1.0, 1.0
    across, down = size[0] / label_size[0], size[1] / label_size[1]
    error_px = min(abs(size[1] - label_size[1] * across), abs(size[0] - label_size[0] * down))
    return (across, down) if error_px <= ASPECT_TOLERANCE_PX else None


def _size_of(picture: LabelledPicture, reference: str, header: PictureHeader) -> Size:
    if min(picture.width, picture.height) > 0:
        return picture.width, picture.height
    return header.stored_size if reference == "stored" else header.shown_size


def _check_inside(picture: LabelledPicture, label_size: Size) -> None:
    for box in picture.boxes:
        x, y, width, height = box.box
        beyond = max(-x, -y, x + width - label_size[0], y + height - label_size[1])
        if not beyond <= BOX_TOLERANCE_PX:
            raise PictureError(
                f"{picture.name}: its labels are of {label_size[0]} x {label_size[1]} px, which is not the "
                f"picture's size, and the box {_show(box)} exceeds both: correct the size in the label file"
            )


def _scale_box(box: Box, scale: tuple[float, float]) -> Box:
    across, down = scale
    if scale == (1.0, 1.0):
        return box
    return box[0] * across, box[1] * down, box[2] * across, box[3] * down


def _describe(picture: LabelledPicture, scale: tuple[float, float], turn: int) -> str:
    if picture.width == SHARES:
        return "boxes given as shares of the picture: converted to pixels"
    if scale != (1.0, 1.0):
        return "labels of a picture of another size: boxes scaled"
    return (
        "labels of the stored picture: boxes turned by its EXIF orientation"
        if turn != UPRIGHT
        else ""
    )


def _describe_mismatch(picture: LabelledPicture, header: PictureHeader) -> str:
    stored = "" if header.orientation == UPRIGHT else f" (EXIF orientation {header.orientation})"
    return (
        f"{picture.name} has {header.shown_size[0]} x {header.shown_size[1]} px{stored}, its labels are of "
        f"{picture.width} x {picture.height} px, of another aspect: use the picture that was labelled, or "
        "label this one"
    )


def _show(box: TrueBox) -> str:
    return "x {:g}, y {:g}, width {:g}, height {:g}".format(*box.box)
