"""Deployment files are typed, and every station in them asks for what its components take."""

from collections.abc import Mapping
from typing import Any

from sightline.errors import RecipeError
from sightline.messaging.topics import CAPTURE
from tools.fleet.deployment_file import parse_deployment_file
from tools.fleet.desired_state import build_desired_stations
from tools.fleet.merge_tree import merge_trees
from tools.fleet.station_checks import StationChecker
from tools.suite_rules import deployment_rules, recipe_rules

MergesByComponent = dict[str, Mapping[str, Any]]


def find_refused_stations(name: str, text: str, checker: StationChecker) -> list[str]:
    """One line for each thing that a component would refuse, or that pins another version."""
    try:
        file = parse_deployment_file(name, text)
        if not file.sites:
            return []
        found = [checker.check(station) for station in build_desired_stations(file)]
    except RecipeError as error:
        return [str(error)]
    lines = (line for verdict in found for line in (*verdict.refused, *verdict.unchecked))
    return [f"{name} {line}" for line in dict.fromkeys(lines)]


def find_unfit_configurations(
    name: str,
    text: str,
    defaults: Mapping[str, Mapping[str, Any]],
    in_scripts: Mapping[str, tuple[str, ...]],
) -> list[str]:
    """One line for each thing that Nucleus Lite has no room for, a shell would misread, or drivers lack.

    `defaults` has each recipe's DefaultConfiguration, `in_scripts` its texts that reach a script.
    """
    try:
        file = parse_deployment_file(name, text)
        stations: list[MergesByComponent] = [
            {component: wanted.merge for component, wanted in station.components.items()}
            for station in (build_desired_stations(file) if file.sites else [])
        ]
    except RecipeError as error:
        return [str(error)]
    own: MergesByComponent = {
        n: pinned.configuration_update.merge for n, pinned in file.components.items()
    }
    found: list[str] = []
    for merges in stations or [own]:
        whole = {n: merge_trees(defaults.get(n, {}), merge) for n, merge in merges.items()}
        found += deployment_rules.find_lite_overloads(name, whole, merges)
        if not stations:  # of those the checker of the fleet has said it
            found += _check_one_machine(name, whole, in_scripts)
    return list(dict.fromkeys(found))


def _check_one_machine(
    name: str, whole: Mapping[str, Any], in_scripts: Mapping[str, tuple[str, ...]]
) -> list[str]:
    place = f"{name} at /components"
    texts = [
        line
        for component, configuration in whole.items()
        for line in recipe_rules.find_unsafe_texts(
            f"{place}/{component}", in_scripts.get(component, ()), configuration
        )
    ]
    drivers = deployment_rules.find_missing_drivers(whole, whole.get(CAPTURE), f"{place}/{CAPTURE}")
    return [*texts, *drivers]
