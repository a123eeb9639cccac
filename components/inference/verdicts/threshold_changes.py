"""The command set_threshold: other tiers for a label of a product, until its next version. Pure."""

import msgspec

from inference.ledger.state_store import ProductThresholds
from sightline.configuration import ConfigurationStruct
from sightline.errors import CommandError
from sightline.storage.products import LabelName, Product, ProductName, ScoreThreshold
from sightline.vision.threshold_basis import change_tiers

TIER_NAMES = ("reject", "review", "keep")


class SetThreshold(ConfigurationStruct, frozen=True, kw_only=True):
    """The command's arguments; `reset` takes back what was set for the label before."""

    product: ProductName
    label: LabelName
    reject: ScoreThreshold | None = None
    review: ScoreThreshold | None = None
    keep: ScoreThreshold | None = None
    reset: bool = False


def change_threshold(
    product: Product, before: ProductThresholds | None, request: SetThreshold
) -> ProductThresholds:
    """What is set for the product from now on; CommandError says what is allowed."""
    if request.label not in product.defects:
        known = ", ".join(sorted(product.defects))
        raise CommandError(
            f"product {product.name} has no defect {request.label}; its defects are {known}"
        )
    given = {
        tier: getattr(request, tier) for tier in TIER_NAMES if getattr(request, tier) is not None
    }
    if bool(given) == request.reset:
        raise CommandError("expected either some of reject, review and keep, or reset: true")
    current = before if before is not None and before.version == product.version else None
    labels = dict(current.labels) if current is not None else {}
    if request.reset:
        labels.pop(request.label, None)
    else:
        before_it = labels.get(request.label, {})
        kept = {tier: score for tier, score in before_it.items() if tier in TIER_NAMES}
        try:
            change_tiers(msgspec.structs.replace(product.defects[request.label], **kept), given)
        except ValueError as error:
            raise CommandError(str(error)) from error
        labels[request.label] = {**kept, **given}
    changes = (current.changes if current is not None else 0) + 1
    return ProductThresholds(version=product.version, changes=changes, labels=labels)
