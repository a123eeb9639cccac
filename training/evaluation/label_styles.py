"""A colour and a line style for each label: the same in curves and pictures. Pure."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

PALETTE = (
    "#0b62a4",
    "#c0392b",
    "#2e8b57",
    "#8e44ad",
    "#d97a00",
    "#00868b",
    "#c2185b",
    "#6b5b00",
    "#4b4bd6",
    "#5d4037",
)
DASHES = ("", "7 4", "2 3", "10 3 2 3")
GOLDEN_SHARE = 0.618034  # of the colour circle: neighbours in a list lie far apart on it


@dataclass(frozen=True)
class LabelStyle:
    """A colour as #rrggbb, and the dashes of a line in SVG (empty: solid)."""

    colour: str
    dashes: str

    @property
    def blue_green_red(self) -> tuple[int, int, int]:
        """The colour as OpenCV takes it."""
        red, green, blue = (int(self.colour[at : at + 2], 16) for at in (1, 3, 5))
        return blue, green, red


def find_style(number: int) -> LabelStyle:
    """The style of the label with this number; no two are alike."""
    dashes = DASHES[number % len(DASHES)]
    if number < len(PALETTE):
        return LabelStyle(PALETTE[number], dashes)
    channels = colorsys.hsv_to_rgb(number * GOLDEN_SHARE % 1.0, 0.75, 0.45 + number * 0.137 % 0.35)
    return LabelStyle("#" + "".join(f"{round(255 * one):02x}" for one in channels), dashes)


def build_label_styles(labels: Sequence[str]) -> dict[str, LabelStyle]:
    """The style of each label."""
    return {label: find_style(number) for number, label in enumerate(labels)}
