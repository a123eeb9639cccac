"""Whether what a model answered can be true: an answer that is not sound is an error, never "nothing found".

A number that is none compares false with every threshold, so it would look like a clean picture.
"""

import numpy as np

from sightline.errors import ModelError
from sightline.vision.anchor_boxes import DetectedBoxes
from sightline.vision.detector import RawDetections

SCORE_SLACK = 1e-3  # of rounding in 16 bits
MAX_OFFSET = 1000.0  # raw, of any anchor: a hundred times its own size away
MAX_SIZE = 8.0  # of a box that is found, in input widths or heights
MAX_DISTANCE = 1.0  # of its centre from the picture, likewise
MIN_SIDE_PX = 0.01


def check_raw_output(name: str, raw: RawDetections, anchors: int, labels: int) -> None:
    """ModelError unless the answer has its agreed shape, scores in 0..1, and finite, sane offsets."""
    expected = {"boxes": (anchors, 4), "scores": (anchors, labels)}
    for output, shape in expected.items():
        values = getattr(raw, output)
        if not isinstance(values, np.ndarray) or values.dtype != np.float32:
            found = getattr(values, "dtype", type(values).__name__)
            raise ModelError(f"model {name}: its {output} are {found}; float32 is expected")
        if values.shape != shape:
            raise ModelError(
                f"model {name}: its {output} have the shape {values.shape}; {shape} is expected"
            )
    if anchors == 0 or labels == 0:
        return
    low, high = float(raw.scores.min()), float(raw.scores.max())
    if not (low >= -SCORE_SLACK and high <= 1 + SCORE_SLACK):  # not true of NaN either
        raise ModelError(
            f"model {name}: its scores go from {low:g} to {high:g}; 0 to 1 is expected"
        )
    flat = raw.boxes.reshape(-1)
    with np.errstate(all="ignore"):
        if (
            float(np.dot(flat, flat)) <= MAX_OFFSET**2
        ):  # then so is each; faster than a look at each
            return
    low, high = float(flat.min()), float(flat.max())
    if not (low >= -MAX_OFFSET and high <= MAX_OFFSET):
        raise ModelError(
            f"model {name}: its offsets of boxes go from {low:g} to {high:g}; "
            f"-{MAX_OFFSET:g} to {MAX_OFFSET:g} is expected"
        )


def check_boxes(name: str, found: DetectedBoxes, size: tuple[int, int]) -> None:
    """ModelError if a box that was found lies far outside of the model's input, or is none."""
    if len(found.scores) == 0:
        return
    limits = np.array(size, np.float32)
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    centres = found.boxes[:, :2] + sides / 2
    outside = np.maximum(-centres, centres - limits)
    sane = (
        (outside <= MAX_DISTANCE * limits) & (sides >= MIN_SIDE_PX) & (sides <= MAX_SIZE * limits)
    )
    if not sane.all():
        place = int(np.flatnonzero(~sane.all(axis=1))[0])
        left, top, right, bottom = found.boxes[place].tolist()
        raise ModelError(
            f"model {name}: a box from {left:g}, {top:g} to {right:g}, {bottom:g} with the score "
            f"{float(found.scores[place]):.2f} cannot be in an input of {size[0]} x {size[1]}"
        )
