"""By which policy parts are judged: the demo's, a product's, or that of a station's configuration."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from inference.configuration import InferenceConfiguration, VerdictPolicy
from sightline.configuration import find_old_keys, load_configuration
from sightline.errors import ConfigurationError
from sightline.storage.products import load_product

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NamedPolicy:
    """A policy, and whose it is."""

    name: str
    policy: VerdictPolicy


DEFAULT_POLICY = NamedPolicy("the default policy", VerdictPolicy())


def read_policy(file: Path) -> NamedPolicy:
    """From a product's file (JSON), or an inference configuration with `policy` (JSON or YAML)."""
    try:
        content = yaml.safe_load(file.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{file}: no policy can be read: {error}") from error
    if not isinstance(content, dict) or "policy" not in content:
        product = load_product(file)
        return NamedPolicy(f"the product {product.name}, version {product.version}", product)
    try:
        policy = load_configuration(InferenceConfiguration, content).policy
    except ConfigurationError as error:
        raise ConfigurationError(f"{file.name}: {error}") from error
    for key in find_old_keys(InferenceConfiguration, content):
        log.warning("%s: %s", file, key)
    return NamedPolicy(f"the policy {policy.version} of {file.name}", policy)


def find_unjudged_labels(
    judge: NamedPolicy, of_data: Sequence[str], of_models: Sequence[str]
) -> list[str]:
    """The data set's labels that the policy says nothing of.

    ConfigurationError if it says nothing of any of them, or of any that the models find: there would be
    no defect to escape.
    """
    known = {*judge.policy.defects, *judge.policy.product_labels}
    for whose, labels in (("the data set has", of_data), ("the models find", of_models)):
        if labels and not known & set(labels):
            raise ConfigurationError(
                f"{judge.name} judges {', '.join(sorted(known))}; {whose} {', '.join(labels)}: give the "
                "product's file, or the station's inference configuration, with --policy"
            )
    return [label for label in of_data if label not in known]
