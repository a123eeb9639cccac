"""A deployment file asks for nothing that a component would refuse."""

from collections.abc import Mapping
from typing import Any

from sightline.configuration import Configuration, load_configuration
from sightline.errors import ConfigurationError
from tools.fleet.trees import merged


def defaults_of_lambda(description: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a deployment may change of a Lambda component and of the router that it needs."""
    function = description["createComponentVersion"]["lambdaFunction"]
    return {
        function["componentName"]: {"parameters": function["componentLambdaParameters"]},
        "aws.greengrass.LegacySubscriptionRouter": {"subscriptions": {}},
    }


def refused_merges(
    name: str,
    deployment: Mapping[str, Any],
    defaults: Mapping[str, Mapping[str, Any]],
    structs: Mapping[str, type[Configuration]],
) -> list[str]:
    """One line for each component that is unknown or whose merged configuration is refused.

    `defaults` has the DefaultConfiguration of each known recipe, `structs` the type of those of code.
    """
    found = []
    for component, entry in (deployment.get("components") or {}).items():
        if component not in defaults:
            found.append(f"{name} at /components/{component}: no such recipe")
            continue
        merge = ((entry or {}).get("configurationUpdate") or {}).get("merge") or {}
        if component in structs:
            try:
                load_configuration(structs[component], merged(defaults[component], merge))
            except ConfigurationError as error:
                found.append(f"{name} at /components/{component}: {error}")
        else:
            found += [
                f"{name} at /components/{component}: the recipe knows no {key!r}"
                for key in merge
                if key not in defaults[component]
            ]
    return found
