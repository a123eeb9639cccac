"""The command set_threshold: other tiers for a label of a product, until its next version. Pure."""

import msgspec

from inference.notebook import Thresholds
from sightline.configuration import Configuration
from sightline.errors import CommandError
from sightline.products import Label, LabelTiers, Product, ProductName, Score

TIERS = ("reject", "review", "keep")


class SetThreshold(Configuration, frozen=True, kw_only=True):
    """The command's arguments; `reset` takes back what was set for the label before."""

    product: ProductName
    label: Label
    reject: Score | None = None
    review: Score | None = None
    keep: Score | None = None
    reset: bool = False


def with_threshold(product: Product, before: Thresholds | None, asked: SetThreshold) -> Thresholds:
    """What is set for the product from now on; CommandError says what is allowed."""
    if asked.label not in product.defects:
        known = ", ".join(sorted(product.defects))
        raise CommandError(f"{product.name} knows no defect {asked.label}; it knows {known}")
    given = {tier: getattr(asked, tier) for tier in TIERS if getattr(asked, tier) is not None}
    if bool(given) == asked.reset:
        raise CommandError("expected either some of reject, review and keep, or reset: true")
    current = before if before is not None and before.version == product.version else None
    labels = dict(current.labels) if current is not None else {}
    if asked.reset:
        labels.pop(asked.label, None)
    else:
        before_it = labels.get(asked.label, {})
        kept = {tier: score for tier, score in before_it.items() if tier in TIERS}
        _refuse_disorder(msgspec.structs.replace(product.defects[asked.label], **kept), given)
        labels[asked.label] = {**kept, **given}
    changes = (current.changes if current is not None else 0) + 1
    return Thresholds(version=product.version, changes=changes, labels=labels)


def _refuse_disorder(now: LabelTiers, given: dict[str, float]) -> None:
    """`reject` may not be below `review`, nor that below `keep`."""
    after = msgspec.structs.replace(now, **given)
    limits = {
        "reject": (after.review, 1.0),
        "review": (after.keep, after.reject),
        "keep": (0.0, after.review),
    }
    for tier, value in given.items():
        low, high = limits[tier]
        if not low <= value <= high:
            raise CommandError(
                f"{tier} of {value:g} is refused; {low:g} to {high:g} are allowed beside the others"
            )
