"""What is to be trained: one plan a model; the demo models are two of them."""

import msgspec

from inference.preprocess import AREA_HALVES
from inference.ssd import AnchorLevel, AnchorSpec
from sightline.errors import ConfigurationError


class DetectorPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Labels, input size and anchors of a detector, its channels, and how it is trained.

    The network sees crops of `crop` (width, height) pixels at the model's scale; `None`: whole pictures.
    """

    name: str
    labels: tuple[str, ...]
    anchors: AnchorSpec
    channels: tuple[int, int, int, int, int]
    crop: tuple[int, int] | None = None
    preprocessing: str = AREA_HALVES
    epochs: int = 20
    batch: int = 32
    greatest_rate: float = 4e-3

    @property
    def training_size(self) -> tuple[int, int]:
        """Width and height of what the network sees in training."""
        return self.crop or (self.anchors.width, self.anchors.height)

    @property
    def training_anchors(self) -> AnchorSpec:
        """The anchors of a crop."""
        width, height = self.training_size
        return msgspec.structs.replace(self.anchors, width=width, height=height)


# The finest scratch that counts is 3 px wide in a 1280 x 720 picture: at half its size it still has 1.5.
SURFACE = DetectorPlan(
    name="surface",
    labels=("scratch", "dent"),
    anchors=AnchorSpec(
        640,
        360,
        (AnchorLevel(8, (20.0,), (0.4, 1.0, 2.5)), AnchorLevel(16, (38.0, 66.0), (0.4, 1.0, 2.5))),
    ),
    channels=(12, 24, 40, 64, 48),
    crop=(128, 160),
)
CAP = DetectorPlan(
    name="cap",
    labels=("cap_present", "cap_missing"),
    anchors=AnchorSpec(
        320, 180, (AnchorLevel(8, (24.0,), (1.6,)), AnchorLevel(16, (32.0,), (1.6,)))
    ),
    channels=(8, 16, 24, 32, 24),
    crop=(128, 128),
    epochs=5,
)
PLANS = {plan.name: plan for plan in (SURFACE, CAP)}


def find_plan(name: str) -> DetectorPlan:
    """A plan by its name; ConfigurationError lists those there are."""
    if name not in PLANS:
        raise ConfigurationError(f"plan: found {name!r}; allowed are {', '.join(PLANS)}")
    return PLANS[name]
