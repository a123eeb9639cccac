"""One part: what it is, and the four pictures that the cameras take of it."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hil.plant.bottles import marks
from hil.plant.bottles.metal import bare_body, put_cap, put_thread
from hil.plant.bottles.number_plate import Picture
from hil.plant.bottles.scene import photograph
from hil.plant.bottles.severity import DefectKind, SeverityBand, bands_of
from hil.plant.bottles.shape import (
    CAP_HEIGHT_PX,
    PATCH_WIDTH_PX,
    FloatImage,
    opacity,
)

CAMERAS = 4
PartKind = Literal["good", "look_alike", "defect", "empty"]
ExpectedVerdict = Literal["ok", "defect", "empty"]
CAP_WIDTH_PX = 112
Mix = Literal["line", "training", "examination"]
# of good, look-alike, defect and empty
LINE_SHARES = (0.47, 0.23, 0.25, 0.05)
TRAINING_SHARES = (0.13, 0.2, 0.62, 0.05)
GOOD_SHARES = (0.67, 0.33, 0.0, 0.0)
BAD_SHARES = (0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Label:
    """One true box in a picture: x, y, width, height in pixels."""

    category: str
    box: tuple[int, int, int, int]
    severity: str = ""
    visible: bool = True


@dataclass(frozen=True)
class View:
    """What one camera sees of a part."""

    camera: int
    picture: Picture
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class PartPlan:
    """What a part is before it is drawn."""

    number: int
    kind: PartKind
    bands: tuple[SeverityBand, ...] = ()
    look_alikes: tuple[str, ...] = ()
    marked_in_all_views: bool = False

    @property
    def expected_verdict(self) -> ExpectedVerdict:
        """What a perfect station says."""
        if self.kind == "empty":
            return "empty"
        return "defect" if self.kind == "defect" else "ok"


@dataclass
class _Bottle:
    body: FloatImage
    opacity: FloatImage
    labels: list[Label] = field(default_factory=list)


def plan_part(number: int, seed: int, mix: Mix = "line") -> PartPlan:
    """Decide what a part is.

    `line` is what a line brings; `training` has more defects, several on a part and in each view;
    `examination` has a good part at each odd number and a bad one at each even number.
    """
    random = np.random.default_rng([seed, number, 1])
    kind: PartKind = ("good", "look_alike", "defect", "empty")[
        int(random.choice(4, p=_shares(mix, number)))
    ]
    bands: tuple[SeverityBand, ...] = ()
    if kind == "defect":
        bands = (_choose_band(random),)
        while mix == "training" and len(bands) < 4 and random.random() < 0.6:
            bands = (*bands, _choose_band(random))
    return PartPlan(number, kind, bands, _choose_look_alikes(kind, random), mix == "training")


def _shares(mix: Mix, number: int) -> tuple[float, float, float, float]:
    if mix == "examination":
        return GOOD_SHARES if number % 2 else BAD_SHARES
    return TRAINING_SHARES if mix == "training" else LINE_SHARES


def _choose_band(random: np.random.Generator) -> SeverityBand:
    kinds: tuple[DefectKind, ...] = ("scratch", "dent", "cap_missing")
    rows = bands_of(kinds[int(random.choice(3, p=(0.45, 0.35, 0.2)))])
    return rows[int(random.integers(len(rows)))]


def _choose_look_alikes(kind: PartKind, random: np.random.Generator) -> tuple[str, ...]:
    alike = kind == "look_alike" or (kind == "defect" and random.random() < 0.3)
    names = ("glare", "drops", "seam")
    chosen = tuple(name for name in names if random.random() < 0.5) if alike else ()
    if kind == "look_alike" and not chosen:
        chosen = (names[int(random.integers(3))],)
    return chosen


def render_part(plan: PartPlan, seed: int) -> tuple[View, ...]:
    """The four pictures of a part, the same for the same plan and seed."""
    random = np.random.default_rng([seed, plan.number, 2])
    marked = int(random.integers(CAMERAS))
    return tuple(
        _render_view(plan, camera, plan.marked_in_all_views or camera == marked, random)
        for camera in range(CAMERAS)
    )


def _render_view(plan: PartPlan, camera: int, marked: bool, random: np.random.Generator) -> View:
    if plan.kind == "empty":
        picture, _ = photograph(None, None, camera, plan.number, random)
        return View(camera, picture, ())
    bottle = _bottle(plan, marked, random)
    picture, (x, y) = photograph(bottle.body, bottle.opacity, camera, plan.number, random)
    labels = tuple(
        Label(
            label.category,
            (label.box[0] + x, label.box[1] + y, label.box[2], label.box[3]),
            label.severity,
            label.visible,
        )
        for label in bottle.labels
    )
    return View(camera, picture, labels)


def _bottle(plan: PartPlan, marked: bool, random: np.random.Generator) -> _Bottle:
    bottle = _Bottle(bare_body(random), opacity().copy())
    capless = any(band.kind == "cap_missing" for band in plan.bands)
    cap_box = ((PATCH_WIDTH_PX - CAP_WIDTH_PX) // 2, 0, CAP_WIDTH_PX, CAP_HEIGHT_PX)
    if capless:
        put_thread(bottle.body, bottle.opacity, random)
        bottle.labels.append(Label("cap_missing", cap_box, "missing"))
    else:
        put_cap(bottle.body, random)
        bottle.labels.append(Label("cap_present", cap_box))
    _put_look_alikes(bottle, plan, random)
    if marked:
        for band in plan.bands:
            _plant(bottle, band, random)
    return bottle


def _put_look_alikes(bottle: _Bottle, plan: PartPlan, random: np.random.Generator) -> None:
    put = {"glare": marks.put_glare, "drops": marks.put_drops, "seam": marks.put_seam}
    for name in plan.look_alikes:
        put[name](bottle.body, random)


def _plant(bottle: _Bottle, band: SeverityBand, random: np.random.Generator) -> None:
    if band.kind == "scratch":
        box = marks.plant_scratch(bottle.body, band, random)
    elif band.kind == "dent":
        box = marks.plant_dent(bottle.body, band, random)
    else:
        return
    bottle.labels.append(Label(band.kind, box, band.name, band.visible))
