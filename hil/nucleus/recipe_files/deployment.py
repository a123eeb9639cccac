"""Deployments: which components run, in which versions, and in which order they start."""

import copy
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from hil.nucleus.configuration.configuration_tree import merge_into
from hil.nucleus.recipe_files.recipe import ComponentRecipe
from hil.nucleus.recipe_files.typed_yaml import load_yaml
from hil.nucleus.recipe_files.version_requirements import meets_requirement
from sightline.errors import RecipeError

Json = dict[str, Any]
PROVIDED_COMPONENTS = {
    "aws.greengrass.TokenExchangeService": "2.0.3"
}  # by the nucleus itself, here as in Lite


class ComponentConfigurationUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A deployment's changes to a component's configuration."""

    merge: Json = {}
    reset: list[str] = []


class DeployedComponent(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A component in a deployment."""

    version: str
    configuration_update: ComponentConfigurationUpdate = ComponentConfigurationUpdate()


class Deployment(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The components to run, with their configuration changes."""

    components: dict[str, DeployedComponent]
    thing_name: str = ""
    thing_group: str = ""


@dataclass(frozen=True)
class DeploymentChange:
    """A local deployment's changes; components that it does not name are unchanged."""

    versions: Mapping[str, str]
    removed: Collection[str] = ()
    updates: Mapping[str, ComponentConfigurationUpdate] = field(default_factory=dict)
    recipes_folder: Path | None = None
    source: Path | None = None
    rolls_back: bool = True


def apply_change(deployment: Deployment, change: DeploymentChange) -> Deployment:
    """Apply a change to a deployment; RecipeError if it names unknown components."""
    components = dict(deployment.components)
    for name in change.removed:
        if components.pop(name, None) is None:
            raise RecipeError(f"{name}: cannot be removed: it is not deployed")
    for name, version in change.versions.items():
        before = components.get(name, DeployedComponent(version))
        components[name] = msgspec.structs.replace(before, version=version)
    for name, update in change.updates.items():
        if name not in components:
            raise RecipeError(f"{name}: cannot be configured: it is not deployed")
        components[name] = msgspec.structs.replace(components[name], configuration_update=update)
    return msgspec.structs.replace(deployment, components=components)


def load_deployment(path: Path) -> Deployment:
    """Load a deployment file."""
    return load_yaml(path, Deployment)


def select_recipes(
    deployment: Deployment, recipes: Mapping[tuple[str, str], ComponentRecipe]
) -> list[ComponentRecipe]:
    """Select the deployment's recipes, dependencies first; RecipeError for missing or circular ones."""
    chosen: dict[str, ComponentRecipe] = {}
    for name, component in deployment.components.items():
        recipe = recipes.get((name, component.version))
        if recipe is None:
            versions = sorted(version for known, version in recipes if known == name)
            raise RecipeError(
                f"deployment at /components/{name}/version: found {component.version!r}; "
                f"available versions: {', '.join(versions) or 'none'}"
            )
        chosen[name] = recipe
    for recipe in chosen.values():
        _check_dependencies(recipe, chosen)
    return _sort_by_dependency(chosen)


def build_configurations(
    deployment: Deployment, recipes: Iterable[ComponentRecipe], merges: Mapping[str, Json]
) -> dict[str, Json]:
    """Build each component's configuration from recipes, deployment and merges."""
    made: dict[str, Json] = {}
    for recipe in recipes:
        name = recipe.component_name
        values = copy.deepcopy(recipe.component_configuration.default_configuration)
        merge_into(values, deployment.components[name].configuration_update.merge)
        merge_into(values, merges.get(name, {}))
        made[name] = values
    return made


def _check_dependencies(recipe: ComponentRecipe, chosen: Mapping[str, ComponentRecipe]) -> None:
    for name, dependency in recipe.component_dependencies.items():
        pointer = f"{recipe.component_name} at /ComponentDependencies/{name}"
        deployed = chosen.get(name)
        version = deployed.component_version if deployed else PROVIDED_COMPONENTS.get(name)
        if version is None:
            if dependency.dependency_type == "HARD":
                raise RecipeError(f"{pointer}: the deployment has no component of this name")
        elif not meets_requirement(version, dependency.version_requirement):
            raise RecipeError(
                f"{pointer}/VersionRequirement: found {version} deployed; "
                f"{dependency.version_requirement} is allowed"
            )


def _sort_by_dependency(chosen: Mapping[str, ComponentRecipe]) -> list[ComponentRecipe]:
    ordered: dict[str, ComponentRecipe] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            ring = " -> ".join((*above, name))
            raise RecipeError(f"{name} at /ComponentDependencies: circular dependency: {ring}")
        if name in ordered or name not in chosen:
            return
        for dependency in chosen[name].component_dependencies:
            visit(dependency, (*above, name))
        ordered[name] = chosen[name]

    for name in chosen:
        visit(name, ())
    return list(ordered.values())
