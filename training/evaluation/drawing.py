"""Drawing of boxes and anomaly maps: true boxes dashed green, found boxes red with their score."""

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.errors import PictureError
from sightline.imaging.picture_decoder import read_picture_file
from training.datasets import LabelledPicture, TrueBox
from training.evaluation.predictions import PicturePrediction, PredictedBox

Image = NDArray[np.uint8]
TRUE_COLOUR, FOUND_COLOUR = (60, 170, 40), (40, 40, 220)  # blue, green, red
IGNORED_COLOUR = (160, 160, 160)
PREDICTION_JPEG_QUALITY = 85
MAP_OPACITY = 0.5


def load_picture(picture: LabelledPicture) -> Image:
    """The picture's pixels, (height, width, 3); PictureError if it cannot be decoded."""
    return read_picture_file(picture.file)


def draw_prediction(
    image: Image, truth: tuple[TrueBox, ...], prediction: PicturePrediction, max_px: int = 0
) -> Image:
    """A copy with anomaly map and boxes, scaled down if its longer side exceeds `max_px`."""
    scale = min(1.0, max_px / max(image.shape[:2])) if max_px else 1.0
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    copy = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image.copy()
    if prediction.anomaly_map is not None:
        copy = draw_anomaly_map(np.asarray(copy), prediction.anomaly_map)
    found = prediction.boxes
    thickness = max(1, round(max(size) / 500))
    for true in truth:
        colour = TRUE_COLOUR if true.visible else IGNORED_COLOUR
        _draw_dashed_box(copy, _scale_corners(true.box, scale), colour, thickness)
    for box in found:
        start, end = _scale_corners(box.box, scale)
        cv2.rectangle(copy, start, end, FOUND_COLOUR, thickness)
        _draw_text(copy, _format_caption(box, found), (start[0], start[1] - 3), size)
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


def _draw_text(image: Image, text: str, position: tuple[int, int], size: tuple[int, int]) -> None:
    scale = max(0.35, max(size) / 1600)
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    left = max(0, min(position[0], image.shape[1] - width))
    base = max(height + 1, position[1])
    cv2.rectangle(
        image, (left, base - height - 1), (left + width, base + below // 2), (0, 0, 0), -1
    )
    cv2.putText(
        image, text, (left, base), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA
    )
