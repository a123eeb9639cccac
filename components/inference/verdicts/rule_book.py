"""What a part is judged by: the product that its message names, with the thresholds set for it since."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from inference.configuration import InferenceConfiguration, ModelConfiguration
from inference.ledger.state_store import ProductThresholds, ThresholdChange
from inference.verdicts.threshold_changes import SetThreshold, change_threshold
from sightline.errors import CommandError
from sightline.kernel.command_execution import Reply
from sightline.kernel.health import MAX_FACT_CHARACTERS, ComponentHealth
from sightline.messaging.messages import PartCaptured
from sightline.storage.product_store import ProductStoreReader
from sightline.storage.products import (
    LabelTiers,
    Product,
    VerdictPolicy,
    describe_tiers,
    replace_tiers,
)

BAD_PRODUCT_FAULT = "product-refused"
THRESHOLDS_FACT = "thresholds"
ALLOWED_TIERS = frozenset({"reject", "review", "keep"})


@dataclass(frozen=True)
class PartRules:
    """A policy and its models (none named: the station's); `doubts`: why nothing by it can be ok."""

    policy: VerdictPolicy
    models: tuple[str, ...]
    doubts: tuple[str, ...] = ()


class RuleBook:
    """The station's products and what was set for them; a part without a product has the station's own."""

    def __init__(
        self,
        configuration: InferenceConfiguration,
        products: ProductStoreReader,
        thresholds: dict[str, ProductThresholds],
        health: ComponentHealth,
    ) -> None:
        self.products = products
        self._configuration = configuration
        self._thresholds = thresholds
        self._health = health

    def refresh_products(self) -> None:
        """Load products that were deployed, and report what is wrong with others."""
        self.products.refresh()
        self._report_thresholds()
        problems = "; ".join(self.products.problems.values())
        if problems:
            self._health.raise_fault(BAD_PRODUCT_FAULT, problems)
        else:
            self._health.clear_fault(BAD_PRODUCT_FAULT)

    def find_rules(self, captured: PartCaptured) -> PartRules:
        """The rules for a part; of a product that is not known here, nothing is ok."""
        if not captured.product:
            own = self._configuration.policy
            doubt = own.describe_never_ok()
            return PartRules(own, (), (f"the station's own policy: {doubt}",) if doubt else ())
        product = self.products.find(captured.product, captured.product_version)
        if product is None:
            version = f" version {captured.product_version}" if captured.product_version else ""
            unknown = msgspec.structs.replace(self._configuration.policy, version="")
            doubt = f"the product {captured.product}{version} is not known to this station"
            return PartRules(unknown, (), (doubt,))
        try:
            policy = apply_thresholds(product, self._thresholds.get(product.name))
        except (TypeError, ValueError) as error:
            return PartRules(
                product, product.models, (f"the thresholds set for it are invalid: {error}",)
            )
        return PartRules(policy, product.models)

    def build_threshold_reply(self, request: SetThreshold) -> Reply:
        """The reply to a person who sets a threshold; CommandError says what is allowed."""
        self.products.refresh()
        product = self.products.current.get(request.product)
        if product is None:
            known = ", ".join(sorted(self.products.current)) or "none"
            raise CommandError(f"product {request.product} is not on this station; it has {known}")
        after = change_threshold(product, self._thresholds.get(request.product), request)
        return Reply(
            f"{request.product} is version {after.version}+{after.changes}",
            change=ThresholdChange(request.product, after),
            apply=partial(self._thresholds.__setitem__, request.product, after),
        )

    def _report_thresholds(self) -> None:
        """State the thresholds in force; those that are invalid are left out."""
        in_force = []
        for product in self.products.current.values():
            with contextlib.suppress(TypeError, ValueError):
                in_force.append(apply_thresholds(product, self._thresholds.get(product.name)))
        self._health.set_fact(THRESHOLDS_FACT, describe_tiers(in_force, MAX_FACT_CHARACTERS))

    def required_models(self) -> tuple[ModelConfiguration, ...]:
        """The models of the configuration, and those that the products want beside them."""
        configured = {model.name: model for model in self._configuration.models}
        first = next(iter(configured.values()), ModelConfiguration(name="any"))
        products: Sequence[Product] = list(self.products.current.values())
        for name in (name for product in products for name in product.models):
            configured.setdefault(name, ModelConfiguration(name=name, runtime=first.runtime))
        return tuple(configured.values())


def apply_thresholds(product: Product, thresholds: ProductThresholds | None) -> Product:
    """A product with what was set for it, if it was for this version; ValueError if that cannot be."""
    if thresholds is None or thresholds.version != product.version or not thresholds.changes:
        return product
    tiers: dict[str, LabelTiers] = {
        label: msgspec.structs.replace(product.defects[label], **changes)
        for label, changes in thresholds.labels.items()
        if label in product.defects
    }
    for label, changes in thresholds.labels.items():
        if not ALLOWED_TIERS.issuperset(changes) or not all(
            0 < score <= 1 for score in changes.values()
        ):
            raise ValueError(f"{label}: found {changes}; scores above 0, up to 1 are allowed")
    return replace_tiers(product, tiers, f"+{thresholds.changes}")
