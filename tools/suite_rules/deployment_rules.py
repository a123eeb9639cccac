"""A deployment file asks for nothing that a component would refuse."""

from collections.abc import Container, Mapping
from typing import Any

from sightline.configuration import ConfigurationStruct, load_configuration
from sightline.errors import ConfigurationError
from tools.fleet.merge_tree import merge_trees
from tools.suite_rules import nucleus_lite_rules

NEEDS_DRIVERS = {"source": "v4l2", "trigger": "gpio"}
CAMERA_DRIVERS = "com.sightline.driver.Cameras"
NOT_FOR_LITE = frozenset({"aws.greengrass.LegacySubscriptionRouter"})  # what it cannot run


def lambda_defaults(description: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a deployment may change of a Lambda component and of the router that it needs."""
    function = description["createComponentVersion"]["lambdaFunction"]
    return {
        function["componentName"]: {"parameters": function["componentLambdaParameters"]},
        "aws.greengrass.LegacySubscriptionRouter": {"subscriptions": {}},
    }


def find_refused_merges(
    name: str,
    deployment: Mapping[str, Any],
    defaults: Mapping[str, Mapping[str, Any]],
    structs: Mapping[str, type[ConfigurationStruct]],
    untracked: Container[str] = (),
) -> list[str]:
    """One line for each component that is unknown or whose merged configuration is refused.

    `defaults` has the DefaultConfiguration of each known recipe, `structs` the type of those of code;
    `untracked` are the components whose recipe is there, but not in git.
    """
    found = []
    for component, entry in (deployment.get("components") or {}).items():
        if component not in defaults:
            found.append(
                f"{name} at /components/{component}: {_describe_unknown(component, untracked)}"
            )
            continue
        merge = ((entry or {}).get("configurationUpdate") or {}).get("merge") or {}
        if component in structs:
            try:
                load_configuration(structs[component], merge_trees(defaults[component], merge))
            except ConfigurationError as error:
                found.append(f"{name} at /components/{component}: {error}")
        else:
            found += [
                f"{name} at /components/{component}: the recipe knows no {key!r}"
                for key in merge
                if key not in defaults[component]
            ]
    return found


def _describe_unknown(component: str, untracked: Container[str]) -> str:
    if component in untracked:
        return f"its recipe is not in git yet: git add recipes/{component}.yaml"
    return f"no such recipe: recipes/{component}.yaml"


def find_missing_drivers(
    components: Container[str], capture: Mapping[str, Any] | None, place: str
) -> list[str]:
    """A line if capture is to use devices for which the deployment brings no packages.

    `capture` is its configuration as the station will have it, None where there is no capture.
    """
    if capture is None or CAMERA_DRIVERS in components:
        return []
    kinds = {part: (capture.get(part) or {}).get("kind") for part in ("source", "trigger")}
    needs = [
        f"{part} {kinds[part]}" for part in NEEDS_DRIVERS if kinds[part] == NEEDS_DRIVERS[part]
    ]
    if not needs:
        return []
    return [
        f"{place}: {' and '.join(needs)} without {CAMERA_DRIVERS}, which brings linuxpy and gpiod; name "
        "it in /components in the version of the suite"
    ]


def find_lite_overloads(
    name: str,
    configurations: Mapping[str, Mapping[str, Any]],
    merges: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """One line for each thing in a station's configuration that Nucleus Lite has no room for.

    `configurations` has what the components will have, with their accessControl; `merges` what is sent.
    """
    if NOT_FOR_LITE & set(merges):
        return []
    found = list(
        nucleus_lite_rules.find_too_many_sub_objects(
            f"{name} at /components", _build_sent_updates(merges)
        )
    )
    for component, configuration in configurations.items():
        place = f"{name} at /components/{component}"
        found += [
            *nucleus_lite_rules.find_too_many_sub_objects(place, configuration),
            *nucleus_lite_rules.find_long_values(place, configuration),
        ]
    return found


def _build_sent_updates(merges: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        component: {"version": "", "configurationUpdate": {"merge": merge}}
        for component, merge in merges.items()
    }
