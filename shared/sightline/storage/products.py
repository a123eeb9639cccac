"""A product's recipe: what a good part is, which models look at it, how the cameras see it.

One JSON file for each product, refused at the door with the JSON pointer of what is wrong.
"""

import functools
import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta, field

from sightline.configuration import ConfigurationStruct, find_old_keys, load_configuration
from sightline.errors import ConfigurationError, TextError
from sightline.messaging.messages import Presence
from sightline.old_component_keys import OLD_POLICY_KEYS, OLD_PRODUCT_KEYS
from sightline.old_keys import describe_old_keys
from sightline.strict_text import decode_json, read_text

log = logging.getLogger(__name__)
MAX_DESCRIBED_CHARACTERS = 500

ProductName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
ProductVersion = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
CameraName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
LabelName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
ControlName = Annotated[str, Meta(pattern=r"^(0x[0-9a-fA-F]{1,8}|[a-z0-9_]{1,64})$")]
ScoreThreshold = Annotated[float, Meta(gt=0, le=1)]
UnitShare = Annotated[float, Meta(ge=0, le=1)]
Millimetres = Annotated[float, Meta(ge=0, le=100_000)]
Milliseconds = Annotated[float, Meta(ge=1, le=60_000)]
Luma = Annotated[float, Meta(ge=0, le=255)]
SizeMeasure = Literal["diagonal", "longerSide"]


class InspectionZone(ConfigurationStruct, frozen=True, kw_only=True):
    """A rectangle of a camera's picture, in shares of its width and height."""

    left: UnitShare = 0.0
    top: UnitShare = 0.0
    right: UnitShare = 1.0
    bottom: UnitShare = 1.0

    def __post_init__(self) -> None:
        if self.left >= self.right or self.top >= self.bottom:
            raise ValueError("a zone needs left below right and top below bottom")


InspectionZones = Annotated[tuple[InspectionZone, ...], Meta(min_length=1, max_length=16)]


class LabelTiers(ConfigurationStruct, frozen=True, kw_only=True):
    """What a score means: `reject` closes the gate, `review` asks a person, `keep` keeps the picture.

    What is accepted all the same: boxes of a known size up to `maxOkMm` (by their diagonal, which
    is never less than the mark in them, or their longer side), boxes outside of a camera's `zones`,
    and as many as `maxOkCount` on all cameras together.
    """

    reject: ScoreThreshold = 0.5
    review: ScoreThreshold = 0.35
    keep: ScoreThreshold = 0.2
    max_ok_mm: Millimetres = 0.0
    measured_by: SizeMeasure = "diagonal"
    zones: dict[CameraName, InspectionZones] = field(default_factory=dict)
    max_ok_count: Annotated[int, Meta(ge=0, le=1000)] = 0

    @property
    def min_score(self) -> float:
        """The score from which on the label means anything."""
        return min(self.reject, self.review, self.keep)


def _default_tiers() -> dict[LabelName, LabelTiers]:
    return {"scratch": LabelTiers(), "dent": LabelTiers(), "cap_missing": LabelTiers()}


class VerdictPolicy(ConfigurationStruct, frozen=True, kw_only=True):
    """How detections become a verdict: tiers per defect, and what shows that a product is there.

    `presence`: `label`: each camera must see one of `productLabels`; `always`: what triggered is a part.
    """

    OLD_KEYS: ClassVar[Mapping[str, str]] = OLD_POLICY_KEYS

    version: Annotated[str, Meta(max_length=64)] = "1"
    defects: dict[LabelName, LabelTiers] = field(default_factory=_default_tiers)
    product_labels: tuple[LabelName, ...] = ("cap_present", "cap_missing")
    product_score: ScoreThreshold = 0.5
    presence: Presence = "label"
    mm_per_pixel: dict[CameraName, Annotated[float, Meta(gt=0, le=1000)]] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        for label, tiers in self.defects.items():
            if not tiers.reject >= tiers.review >= tiers.keep:
                raise ValueError(
                    f"defects of {label}: reject {tiers.reject}, review {tiers.review} and keep "
                    f"{tiers.keep} must not rise"
                )

    def describe_never_ok(self) -> str:
        """Why no part can be ok by this policy, and what to do; empty if one can."""
        if self.presence == "label" and not self.product_labels:
            return (
                "no part could be ok: presence is 'label' and productLabels is empty. Name the labels that "
                'show the product in productLabels, or write "presence": "always" if each trigger is a part'
            )
        if self.presence == "always" and not self.defects:
            return (
                "every part would be ok: presence is 'always' and defects is empty. Name at least one "
                "label in defects"
            )
        return ""

    def min_score(self) -> float:
        """Detections below are of no use to anyone."""
        return min([self.product_score, *(tiers.min_score for tiers in self.defects.values())])

    def min_label_score(self, label: str) -> float:
        """The score from which on a label means anything; infinite if it never does."""
        scores = [self.defects[label].min_score] if label in self.defects else []
        if label in self.product_labels:
            scores.append(self.product_score)
        return min(scores, default=math.inf)


class ConditionOverrides(ConfigurationStruct, frozen=True, kw_only=True):
    """Limits of the capture conditions where this product's differ from the station's."""

    min_brightness: Luma | None = None
    max_brightness: Luma | None = None
    min_sharpness: Annotated[float, Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        low, high = self.min_brightness, self.max_brightness
        if low is not None and high is not None and low > high:
            raise ValueError(f"minBrightness {low} is above maxBrightness {high}")


class CameraSettings(ConfigurationStruct, frozen=True, kw_only=True):
    """How a camera is set for this product: controls over those of the station."""

    controls: dict[ControlName, int] = field(default_factory=dict)


SerialKind = Literal["qr", "datamatrix"]


class SerialCode(ConfigurationStruct, frozen=True, kw_only=True):
    """The code on the part that says its serial number: who sees it, and what it is.

    `required`: a part whose code is not read goes to review. The verdict waits for the reader at most
    `waitMs` beyond the models, and never longer than a quarter of the time that is left to the gate.
    """

    camera: CameraName
    kind: SerialKind = "datamatrix"
    required: bool = True
    zone: InspectionZone = InspectionZone()
    wait_ms: Annotated[float, Meta(ge=0, le=1000)] = 50.0


class Product(VerdictPolicy, frozen=True, kw_only=True):
    """One product: its policy, the models that judge it, and what the cameras need for it.

    `reference` names a folder within that of the reference pictures. `deadlineMs` holds where it is
    shorter than the station's. A version stands for one content only.
    """

    OLD_KEYS: ClassVar[Mapping[str, str]] = OLD_PRODUCT_KEYS

    name: ProductName
    version: ProductVersion
    defects: dict[LabelName, LabelTiers]
    models: Annotated[tuple[ProductName, ...], Meta(min_length=1, max_length=8)]
    product_labels: tuple[LabelName, ...] = ()
    description: Annotated[str, Meta(max_length=200)] = ""
    cameras: dict[CameraName, CameraSettings] = field(default_factory=dict)
    conditions: ConditionOverrides = ConditionOverrides()
    reference: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,32}$")] = ""
    deadline_ms: Milliseconds | None = None
    serial: SerialCode | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        never_ok = self.describe_never_ok()
        if never_ok:
            raise ValueError(never_ok)


def load_product(file: Path, *, is_stored: bool = False) -> Product:
    """The product in a file; ConfigurationError says where it is wrong, and what is allowed.

    A key twice is refused, but for what the store took before it was: the last one counts there as ever.
    Old keys are read and logged; the file stays as it is, for its digest is its name in the store.
    """
    try:
        text = read_text(file)
        content = msgspec.json.decode(text) if is_stored else decode_json(text)
    except (OSError, TextError, msgspec.DecodeError, RecursionError) as error:
        raise ConfigurationError(f"{file}: no product can be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"{file}: no product can be read: found {str(content)[:80]}; an object is expected"
        )
    try:
        product = load_configuration(Product, content)
    except ConfigurationError as error:
        raise ConfigurationError(f"{file.name}: {error}") from error
    old_keys = find_old_keys(Product, content)
    if old_keys:
        _warn_of_old_keys(
            product.name, product.version, describe_old_keys(old_keys, MAX_DESCRIBED_CHARACTERS)
        )
    return product


@functools.cache
def _warn_of_old_keys(name: str, version: str, keys: str) -> None:
    """Once for each version in a process."""
    log.warning(
        "product %s %s has old keys, which only this release reads: %s. Deploy it under another version "
        "with the new keys",
        *(name, version, keys),
    )


def replace_tiers(product: Product, tiers: dict[str, LabelTiers], suffix: str) -> Product:
    """The product with other tiers for some labels, under a version that tells so."""
    return msgspec.structs.replace(
        product, defects={**product.defects, **tiers}, version=product.version + suffix
    )


def describe_tiers(products: Iterable[Product], max_length: int) -> str:
    """`bottle 3+1: dent 0.5/0.35/0.2 scratch 0.6/0.3/0.2; ...` by product; what is too long is left out.

    The three are `reject`, `review` and `keep`; `parse_tiers` reads them.
    """
    told = ""
    for product in products:
        labels = " ".join(
            f"{label} {tiers.reject:g}/{tiers.review:g}/{tiers.keep:g}"
            for label, tiers in sorted(product.defects.items())
        )
        more = f"{told}; " if told else ""
        more += f"{product.name} {product.version}: {labels}"
        told = more if len(more) <= max_length else told
    return told


def parse_tiers(text: str) -> dict[str, tuple[str, dict[str, LabelTiers]]]:
    """By product, the version and tiers that `describe_tiers` told; what cannot be read is left out."""
    found: dict[str, tuple[str, dict[str, LabelTiers]]] = {}
    for product in text.split("; "):
        head, _, labels = product.partition(": ")
        words = labels.split()
        try:
            name, version = head.split()
            tiers = {
                label: LabelTiers(reject=reject, review=review, keep=keep)
                for label, scores in zip(words[::2], words[1::2], strict=True)
                for reject, review, keep in [map(float, scores.split("/"))]
            }
        except ValueError:
            continue
        if all(1 >= of.reject >= of.review >= of.keep > 0 for of in tiers.values()):
            found[name] = (version, tiers)
    return found
