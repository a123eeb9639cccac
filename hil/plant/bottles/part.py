"""Plans a part and renders its pictures, one for each camera."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hil.plant.bottles import surface_marks
from hil.plant.bottles.metal import draw_cap, draw_thread, render_body
from hil.plant.bottles.number_plate import Picture
from hil.plant.bottles.scene import render_picture
from hil.plant.bottles.severity import DefectKind, SeverityBand, bands_for_kind
from hil.plant.bottles.shape import (
    CAP_HEIGHT_PX,
    PATCH_WIDTH_PX,
    FloatImage,
    bottle_opacity,
)

CAMERAS = 4
PartKind = Literal["good", "look_alike", "defect", "empty"]
ExpectedVerdict = Literal["ok", "defect", "empty"]
CAP_WIDTH_PX = 112
PartMix = Literal["line", "training", "examination"]
# of good, look-alike, defect and empty
LINE_SHARES = (0.47, 0.23, 0.25, 0.05)
TRAINING_SHARES = (0.13, 0.2, 0.62, 0.05)
GOOD_SHARES = (0.67, 0.33, 0.0, 0.0)
BAD_SHARES = (0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True)
class GroundTruthBox:
    """A ground truth box in a picture: x, y, width, height in pixels."""

    category: str
    box: tuple[int, int, int, int]
    severity: str = ""
    visible: bool = True


@dataclass(frozen=True)
class BottleView:
    """One camera's picture of a part, with its ground truth."""

    camera: int
    picture: Picture
    labels: tuple[GroundTruthBox, ...]


@dataclass(frozen=True)
class PartPlan:
    """A part's properties before rendering."""

    number: int
    kind: PartKind
    bands: tuple[SeverityBand, ...] = ()
    look_alikes: tuple[str, ...] = ()
    marked_in_all_views: bool = False

    @property
    def expected_verdict(self) -> ExpectedVerdict:
        """The verdict of a perfect station."""
        if self.kind == "empty":
            return "empty"
        return "defect" if self.kind == "defect" else "ok"


@dataclass
class _BottleDrawing:
    body: FloatImage
    opacity: FloatImage
    labels: list[GroundTruthBox] = field(default_factory=list)


def plan_part(number: int, seed: int, mix: PartMix = "line") -> PartPlan:
    """Decide a part's properties.

    `line` is what a line brings; `training` has more defects, several on a part and in each view;
    `examination` has a good part at each odd number and a bad one at each even number.
    """
    random = np.random.default_rng([seed, number, 1])
    kind: PartKind = ("good", "look_alike", "defect", "empty")[
        int(random.choice(4, p=_select_kind_shares(mix, number)))
    ]
    bands: tuple[SeverityBand, ...] = ()
    if kind == "defect":
        bands = (_choose_band(random),)
        while mix == "training" and len(bands) < 4 and random.random() < 0.6:
            bands = (*bands, _choose_band(random))
    return PartPlan(number, kind, bands, _choose_look_alikes(kind, random), mix == "training")


def _select_kind_shares(mix: PartMix, number: int) -> tuple[float, float, float, float]:
    if mix == "examination":
        return GOOD_SHARES if number % 2 else BAD_SHARES
    return TRAINING_SHARES if mix == "training" else LINE_SHARES


def _choose_band(random: np.random.Generator) -> SeverityBand:
    kinds: tuple[DefectKind, ...] = ("scratch", "dent", "cap_missing")
    rows = bands_for_kind(kinds[int(random.choice(3, p=(0.45, 0.35, 0.2)))])
    return rows[int(random.integers(len(rows)))]


def _choose_look_alikes(kind: PartKind, random: np.random.Generator) -> tuple[str, ...]:
    alike = kind == "look_alike" or (kind == "defect" and random.random() < 0.3)
    names = ("glare", "drops", "seam")
    chosen = tuple(name for name in names if random.random() < 0.5) if alike else ()
    if kind == "look_alike" and not chosen:
        chosen = (names[int(random.integers(3))],)
    return chosen


def render_part(plan: PartPlan, seed: int, cameras: int = CAMERAS) -> tuple[BottleView, ...]:
    """Render a part's pictures, reproducible by plan, seed and number of cameras."""
    random = np.random.default_rng([seed, plan.number, 2])
    marked = int(random.integers(cameras))
    return tuple(
        _render_view(plan, camera, plan.marked_in_all_views or camera == marked, random)
        for camera in range(cameras)
    )


def _render_view(
    plan: PartPlan, camera: int, marked: bool, random: np.random.Generator
) -> BottleView:
    if plan.kind == "empty":
        picture, _ = render_picture(None, None, camera, plan.number, random)
        return BottleView(camera, picture, ())
    bottle = _draw_bottle(plan, marked, random)
    picture, (x, y) = render_picture(bottle.body, bottle.opacity, camera, plan.number, random)
    labels = tuple(
        GroundTruthBox(
            label.category,
            (label.box[0] + x, label.box[1] + y, label.box[2], label.box[3]),
            label.severity,
            label.visible,
        )
        for label in bottle.labels
    )
    return BottleView(camera, picture, labels)


def _draw_bottle(plan: PartPlan, marked: bool, random: np.random.Generator) -> _BottleDrawing:
    bottle = _BottleDrawing(render_body(random), bottle_opacity().copy())
    capless = any(band.kind == "cap_missing" for band in plan.bands)
    cap_box = ((PATCH_WIDTH_PX - CAP_WIDTH_PX) // 2, 0, CAP_WIDTH_PX, CAP_HEIGHT_PX)
    if capless:
        draw_thread(bottle.body, bottle.opacity, random)
        bottle.labels.append(GroundTruthBox("cap_missing", cap_box, "missing"))
    else:
        draw_cap(bottle.body, random)
        bottle.labels.append(GroundTruthBox("cap_present", cap_box))
    _add_look_alikes(bottle, plan, random)
    if marked:
        for band in plan.bands:
            _add_defect(bottle, band, random)
    return bottle


def _add_look_alikes(bottle: _BottleDrawing, plan: PartPlan, random: np.random.Generator) -> None:
    put = {
        "glare": surface_marks.add_glare,
        "drops": surface_marks.add_drops,
        "seam": surface_marks.add_seam,
    }
    for name in plan.look_alikes:
        put[name](bottle.body, random)


def _add_defect(bottle: _BottleDrawing, band: SeverityBand, random: np.random.Generator) -> None:
    if band.kind == "scratch":
        box = surface_marks.add_scratch(bottle.body, band, random)
    elif band.kind == "dent":
        box = surface_marks.add_dent(bottle.body, band, random)
    else:
        return
    bottle.labels.append(GroundTruthBox(band.kind, box, band.name, band.visible))
