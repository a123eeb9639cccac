"""Training plans of detectors, among them those of the two demo models."""

from typing import Literal

import msgspec

from sightline.vision.anchor_boxes import AnchorLevel, AnchorSpec
from sightline.vision.preprocess import AREA_HALVES, PREPROCESSINGS

NetworkKind = Literal["two-levels", "pyramid", "dense"]
PYRAMID_STRIDES = (8, 16, 32, 64)
LEVEL_STRIDES: dict[NetworkKind, tuple[int, ...]] = {
    "two-levels": (8, 16),
    "pyramid": PYRAMID_STRIDES,
    "dense": (8, 16),
}
CHANNEL_COUNTS: dict[NetworkKind, int] = {"two-levels": 5, "pyramid": 6, "dense": 5}


class DetectorPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Labels, input size, anchors, channels and training settings of a detector.

    The network sees crops of `crop` (width, height) pixels at the model's scale; `None`: whole pictures.
    """

    name: str
    labels: tuple[str, ...]  # none: those of the data set
    anchors: AnchorSpec
    channels: tuple[int, ...]
    network: NetworkKind = "two-levels"
    crop: tuple[int, int] | None = None
    zoom: tuple[float, float] | None = None  # of the crops, minimum and maximum; None: no zoom
    preprocessing: str = AREA_HALVES
    epochs: int = 20
    batch: int = 32
    max_learning_rate: float = 4e-3
    patience: int = 100
    held_out: float = 0.1  # of the training pictures

    def __post_init__(self) -> None:
        check_preprocessing(self.preprocessing)
        found = tuple(level.stride for level in self.anchors.levels)
        if found != LEVEL_STRIDES[self.network]:
            raise ValueError(
                f"anchors: found the strides {found}; {self.network} has {LEVEL_STRIDES[self.network]}"
            )
        if len(self.channels) != CHANNEL_COUNTS[self.network]:
            raise ValueError(
                f"channels: found {len(self.channels)}; {self.network} has {CHANNEL_COUNTS[self.network]}"
            )
        (width, height), whole = self.training_size, self.anchors
        if self.zoom is None and (width > whole.width or height > whole.height):
            raise ValueError(
                f"crop: found {width} x {height}; the picture has {whole.width} x {whole.height}"
            )
        if self.network == "dense":
            check_sides(4, width, height, whole.width, whole.height)

    @property
    def training_size(self) -> tuple[int, int]:
        """Width and height of the training crops."""
        return self.crop or (self.anchors.width, self.anchors.height)

    @property
    def training_anchors(self) -> AnchorSpec:
        """The anchors of a crop."""
        width, height = self.training_size
        return msgspec.structs.replace(self.anchors, width=width, height=height)


def check_preprocessing(name: str) -> None:
    """ValueError for an unknown preprocessing."""
    if name not in PREPROCESSINGS:
        raise ValueError(f"preprocessing: found {name!r}; known are {', '.join(PREPROCESSINGS)}")


def check_sides(step: int, *sides_px: int) -> None:
    """ValueError if a side of pictures or crops is not a multiple of `step`."""
    wrong = [side for side in sides_px if side < step or side % step]
    if wrong:
        raise ValueError(
            f"width, height and crop: found {wrong[0]}; a multiple of {step} is needed"
        )


# The finest scratch that counts is 3 px wide in a 1280 x 720 picture, and 1.5 px at half that size.
SURFACE_PLAN = DetectorPlan(
    name="surface",
    labels=("scratch", "dent"),
    anchors=AnchorSpec(
        640,
        360,
        (AnchorLevel(8, (20.0,), (0.4, 1.0, 2.5)), AnchorLevel(16, (38.0, 66.0), (0.4, 1.0, 2.5))),
    ),
    channels=(32, 32, 64, 96, 48),
    network="dense",
    crop=(128, 160),
)
CAP_PLAN = DetectorPlan(
    name="cap",
    labels=("cap_present", "cap_missing"),
    anchors=AnchorSpec(
        320, 180, (AnchorLevel(8, (24.0,), (1.6,)), AnchorLevel(16, (32.0,), (1.6,)))
    ),
    channels=(16, 16, 32, 48, 32),
    network="dense",
    crop=(128, 128),
    epochs=5,
)


def build_castings_plan(name: str, width: int, height: int) -> DetectorPlan:
    """A plan for X-ray pictures with defects from 1/60 to 1/2 of the picture's width."""
    scale = width / 768
    sizes = ((15.0, 24.0), (38.0, 60.0), (96.0, 150.0), (240.0, 400.0))
    levels = tuple(
        AnchorLevel(stride, tuple(round(scale * s, 1) for s in pair), (0.5, 1.0, 2.0))
        for stride, pair in zip((8, 16, 32, 64), sizes, strict=True)
    )
    return DetectorPlan(
        name=name,
        labels=(),
        anchors=AnchorSpec(width, height, levels),
        channels=(32, 64, 128, 192, 256, 64),
        network="pyramid",
        crop=(width // 2, height // 2),
        zoom=(0.5, 1.3),
        epochs=120,
        batch=8,
        max_learning_rate=3e-3,
        patience=30,
    )


DETECTOR_PLANS = {
    plan.name: plan
    for plan in (
        SURFACE_PLAN,
        CAP_PLAN,
        build_castings_plan("castings-768", 768, 576),
        build_castings_plan("castings-512", 512, 384),
    )
}
