"""The policy that parts are judged by: the default, a product's, or a station's configuration's."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sightline.configuration import ConfigurationStruct, find_old_keys, load_configuration
from sightline.errors import ConfigurationError, TextError
from sightline.old_component_keys import OLD_POLICY_KEYS
from sightline.old_keys import place_below
from sightline.storage.products import VerdictPolicy, load_product
from sightline.strict_yaml import read_yaml

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NamedPolicy:
    """A verdict policy, and a name that says where it comes from."""

    name: str
    policy: VerdictPolicy


class PolicySection(ConfigurationStruct, frozen=True, kw_only=True):
    """The `policy` of an inference configuration; its other keys are not read here."""

    OLD_KEYS: ClassVar[Mapping[str, str]] = place_below("/policy", OLD_POLICY_KEYS)

    policy: VerdictPolicy = VerdictPolicy()


DEFAULT_POLICY = NamedPolicy("the default policy", VerdictPolicy())


def read_policy(file: Path) -> NamedPolicy:
    """The policy of a product file (JSON) or of an inference configuration (JSON or YAML)."""
    try:
        content = read_yaml(file)
    except (OSError, TextError) as error:
        raise ConfigurationError(f"Cannot read a policy from {file}: {error}") from error
    if not isinstance(content, dict) or "policy" not in content:
        product = load_product(file)
        return NamedPolicy(f"the product {product.name}, version {product.version}", product)
    try:
        policy = load_configuration(PolicySection, {"policy": content["policy"]}).policy
    except ConfigurationError as error:
        raise ConfigurationError(f"{file.name}: {error}") from error
    for key in find_old_keys(PolicySection, {"policy": content["policy"]}):
        log.warning("%s: %s", file, key)
    return NamedPolicy(f"the policy {policy.version} of {file.name}", policy)


def find_unjudged_labels(
    judge: NamedPolicy, of_data: Sequence[str], of_models: Sequence[str]
) -> list[str]:
    """The data set's labels that the policy does not know.

    ConfigurationError if it knows none of them, or none of the models' labels: then no defect could
    count as an escape.
    """
    known = {*judge.policy.defects, *judge.policy.product_labels}
    for whose, labels in (("the data set has", of_data), ("the models find", of_models)):
        if labels and not known & set(labels):
            raise ConfigurationError(
                f"{judge.name} judges {', '.join(sorted(known))}; {whose} {', '.join(labels)}. Give the "
                "product's file, or the station's inference configuration, with --policy."
            )
    return [label for label in of_data if label not in known]
