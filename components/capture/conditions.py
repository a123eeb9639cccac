"""How a camera saw: brightness and sharpness of a frame, and what a reference picture adds to it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.configuration import ConditionLimits, ReferenceConfiguration
from capture.sources.source import CameraFrame
from sightline.messaging.messages import CaptureConditions, PixelFormat

SUBSAMPLING_STEP = (
    8  # every eighth pixel of every eighth row is enough, and takes 0.04 ms of a 1280 x 720 frame
)
_LUMA_CHANNEL: dict[PixelFormat, int] = {"UYVY": 1, "YUYV": 0}
SubsampledLuma = NDArray[np.uint8]


@dataclass(frozen=True)
class PictureFeatures:
    """A picture in numbers: thinned-out luma, its mean and variance of the Laplacian, colourfulness."""

    luma: SubsampledLuma
    brightness: float
    sharpness: float
    saturation: float


def measure_conditions(frame: CameraFrame, limits: ConditionLimits) -> CaptureConditions:
    """Mean luma (0..255) and variance of the Laplacian, both of the thinned-out luma."""
    luma = subsample_luma(frame)
    brightness, sharpness = float(luma.mean()), measure_sharpness(luma)
    return CaptureConditions(
        camera=frame.camera,
        brightness=round(brightness, 1),
        sharpness=round(sharpness, 1),
        out_of_range=find_out_of_range(brightness, sharpness, limits),
    )


def measure_against_reference(
    reference: PictureFeatures,
    frame: CameraFrame,
    limits: ConditionLimits,
    allowed: ReferenceConfiguration,
) -> CaptureConditions:
    """The same, and the distance from the reference in brightness, sharpness, saturation, position."""
    look = extract_features(frame)
    shift_px, likeness = measure_shift(reference.luma, look.luma)
    is_like = likeness >= allowed.min_likeness
    names = dict.fromkeys(
        (
            *find_out_of_range(look.brightness, look.sharpness, limits),
            *find_deviations(reference, look, allowed),
            *(("position",) if not is_like or shift_px > allowed.max_shift_px else ()),
        )
    )
    return CaptureConditions(
        camera=frame.camera,
        brightness=round(look.brightness, 1),
        sharpness=round(look.sharpness, 1),
        saturation=round(look.saturation, 1),
        shift_px=round(shift_px, 1) if is_like else None,
        out_of_range=tuple(names),
    )


def extract_features(frame: CameraFrame) -> PictureFeatures:
    """All that is measured of a frame, of every eighth pixel."""
    luma = subsample_luma(frame)
    return PictureFeatures(
        luma, float(luma.mean()), measure_sharpness(luma), measure_saturation(frame)
    )


def subsample_luma(frame: CameraFrame) -> SubsampledLuma:
    """Every eighth luma value of every eighth row; of RGB the green one stands for it."""
    rows = frame.pixels[: frame.height : SUBSAMPLING_STEP, ::SUBSAMPLING_STEP]
    luma = rows if rows.ndim == 2 else rows[..., _LUMA_CHANNEL.get(frame.pixel_format, 1)]
    return np.ascontiguousarray(luma)


def measure_sharpness(luma: SubsampledLuma) -> float:
    """Variance of the Laplacian."""
    _, deviation = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))
    return float(deviation[0, 0]) ** 2


def measure_saturation(frame: CameraFrame) -> float:
    """Mean distance of the colours from grey, in levels of U and V; 0 for a camera without colour."""
    pixels = frame.pixels
    if frame.pixel_format == "GREY":
        return 0.0
    if frame.pixel_format == "RGB24":
        chroma = cv2.cvtColor(
            np.ascontiguousarray(pixels[::SUBSAMPLING_STEP, ::SUBSAMPLING_STEP]), cv2.COLOR_RGB2YUV
        )
        u, v = chroma[..., 1], chroma[..., 2]
    elif frame.pixel_format == "NV12":
        rows = pixels[frame.height :: SUBSAMPLING_STEP // 2]
        u, v = rows[:, ::SUBSAMPLING_STEP], rows[:, 1::SUBSAMPLING_STEP]
    else:
        rows = pixels[::SUBSAMPLING_STEP, :, 1 - _LUMA_CHANNEL[frame.pixel_format]]
        u, v = rows[:, ::SUBSAMPLING_STEP], rows[:, 1::SUBSAMPLING_STEP]
    return float(np.hypot(u.astype(np.float32) - 128, v.astype(np.float32) - 128).mean())


def measure_shift(reference: SubsampledLuma, luma: SubsampledLuma) -> tuple[float, float]:
    """How far a picture is moved against another, in pixels of the full frame, and how sure that is."""
    if reference.shape != luma.shape:
        return 0.0, 0.0
    height, width = (_unpadded_length(side) for side in luma.shape)
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    # phaseCorrelate writes its window into what it is given: these arrays are of this call only
    (right, down), likeness = cv2.phaseCorrelate(
        reference[:height, :width].astype(np.float32),
        luma[:height, :width].astype(np.float32),
        window,
    )
    return SUBSAMPLING_STEP * float(np.hypot(right, down)), float(np.clip(likeness, 0.0, 1.0))


def _unpadded_length(side: int) -> int:
    """The greatest even length up to this that needs no padding; an odd one adds half a pixel."""
    while side > 2 and (side % 2 or cv2.getOptimalDFTSize(side) != side):
        side -= 1
    return side


def find_out_of_range(
    brightness: float, sharpness: float, limits: ConditionLimits
) -> tuple[str, ...]:
    """The names of the conditions outside their limits."""
    names = []
    if not limits.min_brightness <= brightness <= limits.max_brightness:
        names.append("brightness")
    if sharpness < limits.min_sharpness:
        names.append("sharpness")
    return tuple(names)


def find_deviations(
    reference: PictureFeatures, look: PictureFeatures, allowed: ReferenceConfiguration
) -> tuple[str, ...]:
    """The names of the conditions that are too far from the reference's."""
    names = []
    if abs(look.brightness - reference.brightness) > allowed.max_brightness_change:
        names.append("brightness")
    if look.sharpness < allowed.min_sharpness_share * reference.sharpness:
        names.append("sharpness")
    if abs(look.saturation - reference.saturation) > allowed.max_saturation_change:
        names.append("saturation")
    return tuple(names)
