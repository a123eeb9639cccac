"""The severity bands of defects, fixed before any training.

Widths and diameters are in pixels of the 1280 x 720 picture; contrast is the defect's mean step in
grey levels over the standard deviation of the picture's noise. Detection of `visible` bands is
required; fainter defects are planted too, but only reported.
"""

from dataclasses import dataclass
from typing import Literal

DefectKind = Literal["scratch", "dent", "cap_missing"]
NOISE_GREY_LEVELS = 2.5


@dataclass(frozen=True)
class SeverityBand:
    """One band: a range of sizes and of contrast-to-noise ratios."""

    kind: DefectKind
    name: str
    size_px: tuple[float, float]
    contrast_to_noise: tuple[float, float]
    visible: bool


SEVERITY_BANDS: tuple[SeverityBand, ...] = (
    SeverityBand("scratch", "faint", (2.0, 3.0), (1.5, 3.0), visible=False),
    SeverityBand("scratch", "fine", (3.0, 4.0), (8.0, 12.0), visible=True),
    SeverityBand("scratch", "medium", (4.0, 6.0), (10.0, 18.0), visible=True),
    SeverityBand("scratch", "coarse", (6.0, 9.0), (14.0, 24.0), visible=True),
    SeverityBand("dent", "faint", (16.0, 24.0), (1.5, 3.0), visible=False),
    SeverityBand("dent", "small", (26.0, 36.0), (9.0, 14.0), visible=True),
    SeverityBand("dent", "medium", (36.0, 52.0), (10.0, 18.0), visible=True),
    SeverityBand("dent", "large", (52.0, 76.0), (12.0, 22.0), visible=True),
    SeverityBand("cap_missing", "missing", (70.0, 70.0), (40.0, 40.0), visible=True),
)


def bands_for_kind(kind: DefectKind) -> tuple[SeverityBand, ...]:
    """The bands of one kind of defect."""
    return tuple(band for band in SEVERITY_BANDS if band.kind == kind)
