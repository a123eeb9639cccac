"""The differences between two deployments: components removed, added, restarted or only reconfigured."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hil.nucleus.recipe_files.deployment import Deployment
from hil.nucleus.recipe_files.recipe import ComponentRecipe


@dataclass(frozen=True)
class DeploymentDifferences:
    """Names of components; a restarted one is in both stopped and started."""

    removed: set[str]
    stopped: set[str]
    started: set[str]
    configured: set[str]  # and not stopped for that alone


def compare_deployments(
    before: Deployment,
    after: Deployment,
    recipes_before: Mapping[str, ComponentRecipe],
    recipes_after: Mapping[str, ComponentRecipe],
    changed_contents: Collection[str] = (),
) -> DeploymentDifferences:
    """Compare two deployments; `changed_contents`: components with other files in the same version."""
    removed = set(recipes_before) - set(recipes_after)
    added = set(recipes_after) - set(recipes_before)
    kept = set(recipes_before) & set(recipes_after)
    restarted = _add_hard_dependents(
        {
            name
            for name in kept
            if recipes_before[name] != recipes_after[name] or name in changed_contents
        },
        recipes_after,
    )
    configured = {
        name
        for name in kept - restarted
        if before.components[name].configuration_update
        != after.components[name].configuration_update
    }
    return DeploymentDifferences(
        removed, removed | (restarted & kept), added | restarted, configured
    )


def _add_hard_dependents(names: set[str], recipes: Mapping[str, ComponentRecipe]) -> set[str]:
    """The components and all their HARD dependents."""
    found = set(names)
    for recipe in recipes.values():  # dependencies first
        for name, dependency in recipe.component_dependencies.items():
            if name in found and dependency.dependency_type == "HARD":
                found.add(recipe.component_name)
    return found
