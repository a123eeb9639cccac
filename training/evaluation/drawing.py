"""Drawing of boxes and anomaly maps: true boxes dashed, found ones solid with their score, a colour a label.

Lines and letters grow with the picture, from 200 pixels to many megapixels.
"""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.errors import PictureError
from sightline.imaging.picture_decoder import read_picture_file
from training.datasets import LabelledPicture, TrueBox
from training.evaluation.label_styles import LabelStyle
from training.evaluation.predictions import PicturePrediction, PredictedBox

Image = NDArray[np.uint8]
TRUE_COLOUR, FOUND_COLOUR = (60, 170, 40), (40, 40, 220)  # blue, green, red; of unknown labels
IGNORED_COLOUR = (160, 160, 160)
PREDICTION_JPEG_QUALITY = 85
MAP_OPACITY = 0.5


def load_picture(picture: LabelledPicture) -> Image:
    """The picture's pixels, (height, width, 3); PictureError if it cannot be decoded."""
    return read_picture_file(picture.file)


def draw_prediction(
    image: Image,
    truth: tuple[TrueBox, ...],
    prediction: PicturePrediction,
    longer_side_px: int = 0,
    styles: Mapping[str, LabelStyle] | None = None,
) -> Image:
    """A copy with anomaly map and boxes, scaled to this longer side (0: the picture's own size)."""
    scale = longer_side_px / max(image.shape[:2]) if longer_side_px else 1.0
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    copy = cv2.resize(image, size, interpolation=interpolation) if scale != 1 else image.copy()
    if prediction.anomaly_map is not None:
        copy = draw_anomaly_map(np.asarray(copy), prediction.anomaly_map)
    thickness = max(1, round(max(size) ** 0.5 / 12))
    for true in truth:
        style = (styles or {}).get(true.label)
        known = style.blue_green_red if style else TRUE_COLOUR
        colour = known if true.visible else IGNORED_COLOUR
        _draw_dashed_box(copy, _scale_corners(true.box, scale), colour, thickness)
    for box in prediction.boxes:
        style = (styles or {}).get(box.label)
        colour = style.blue_green_red if style else FOUND_COLOUR
        start, end = _scale_corners(box.box, scale)
        cv2.rectangle(copy, start, end, colour, thickness)
        _draw_text(copy, _format_caption(box, prediction.boxes), (start[0], start[1] - 3), colour)
    return np.asarray(copy)


def draw_anomaly_map(image: Image, anomaly_map: NDArray[np.uint8]) -> Image:
    """A copy with the anomaly map overlaid in red, at most half opaque."""
    whole = cv2.resize(
        anomaly_map, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR
    )
    share = whole.astype(np.float32)[:, :, None] / 255 * MAP_OPACITY
    overlaid: Image = np.rint(
        image * (1 - share) + np.array(FOUND_COLOUR, np.float32) * share
    ).astype(np.uint8)
    return overlaid


def encode_jpeg(image: Image) -> bytes:
    """The picture as JPEG."""
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, PREDICTION_JPEG_QUALITY])
    if not done:
        raise PictureError(f"a picture of shape {image.shape} cannot be encoded")
    return bytes(encoded.tobytes())


def _format_caption(box: PredictedBox, among: tuple[PredictedBox, ...]) -> str:
    """The score, and the label if there are several labels."""
    several = len({one.label for one in among}) > 1
    return f"{box.label} {box.score:.2f}" if several else f"{box.score:.2f}"


def _scale_corners(
    box: tuple[float, float, float, float], scale: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    x, y, width, height = (value * scale for value in box)
    return (round(x), round(y)), (round(x + width), round(y + height))


def _draw_dashed_box(
    image: Image,
    corners: tuple[tuple[int, int], tuple[int, int]],
    colour: tuple[int, int, int],
    thickness: int,
) -> None:
    (left, top), (right, bottom) = corners
    dash = 4 * thickness
    for x in range(left, right, 2 * dash):
        for y in (top, bottom):
            cv2.line(image, (x, y), (min(x + dash, right), y), colour, thickness)
    for y in range(top, bottom, 2 * dash):
        for x in (left, right):
            cv2.line(image, (x, y), (x, min(y + dash, bottom)), colour, thickness)


def _draw_text(
    image: Image, text: str, position: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    """White letters on the colour, within the picture."""
    longer = max(image.shape[:2])
    scale = max(0.3, min(0.42, longer / 900), longer / 1600)
    weight = max(1, round(longer / 1400))
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, weight)
    left = max(0, min(position[0], image.shape[1] - width))
    base = min(max(height + 1, position[1]), image.shape[0] - 1)
    corner = (left + width, base + below // 2)
    cv2.rectangle(image, (left, base - height - 1), corner, colour, -1)
    place = (left, base)
    white = (255, 255, 255)
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, white, weight, cv2.LINE_AA)
