"""Loads recipes as typed structs; errors name the file, the JSON pointer and what is allowed."""

import json
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Literal

import msgspec

from hil.nucleus.recipe_files.typed_yaml import load_yaml
from hil.nucleus.supervision.failure_counters import DEFAULT_RESET_S
from sightline.errors import RecipeError
from sightline.strict_yaml import read_yaml

StepName = Literal["install", "startup", "run", "shutdown", "recover"]
DEFAULT_TIMEOUT_S: dict[StepName, float] = {
    "install": 120.0,
    "startup": 120.0,
    "shutdown": 15.0,
    "recover": 60.0,
}
_VARIABLE = re.compile(r"\{([a-zA-Z]+:[^{}\s]+)\}")
Json = dict[str, Any]


class _PascalStruct(msgspec.Struct, frozen=True, rename="pascal", forbid_unknown_fields=True):
    """Base: keys in the exact case of recipes."""


class RecipePlatform(_PascalStruct, frozen=True):
    """The platform of a manifest."""

    os: str = msgspec.field(default="*", name="os")
    architecture: str = msgspec.field(default="*", name="architecture")
    runtime: str = msgspec.field(default="*", name="runtime")

    def applies_here(self) -> bool:
        """Whether it matches a Linux nucleus of any runtime."""
        return self.os in ("*", "all", "linux")


class LifecycleStep(_PascalStruct, frozen=True):
    """One script of the lifecycle; `timeout` in seconds, None for no limit."""

    script: str
    timeout: float | None = None
    setenv: dict[str, str] = {}
    requires_privilege: bool = False


class RecipeLifecycle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The steps, each a script or a full step; `error_reset_time` in seconds.

    Their names are lower case, as Nucleus Lite wants them; the Java nucleus takes any.
    """

    install: LifecycleStep | str | None = None
    startup: LifecycleStep | str | None = None
    run: LifecycleStep | str | None = None
    shutdown: LifecycleStep | str | None = None
    recover: LifecycleStep | str | None = None
    setenv: dict[str, str] = msgspec.field(default_factory=dict, name="Setenv")
    error_reset_time: float = msgspec.field(default=DEFAULT_RESET_S, name="errorResetTime")

    def __post_init__(self) -> None:
        if self.startup is not None and self.run is not None:
            raise ValueError("found both startup and run; only one of them is allowed")

    def step(self, name: StepName) -> LifecycleStep | None:
        """A full step with the lifecycle's environment; None if missing."""
        given: LifecycleStep | str | None = getattr(self, name)
        if given is None:
            return None
        step = LifecycleStep(given) if isinstance(given, str) else given
        timeout = DEFAULT_TIMEOUT_S.get(name) if step.timeout is None else step.timeout
        setenv = {**self.setenv, **step.setenv}
        return msgspec.structs.replace(step, setenv=setenv, timeout=timeout)


class RecipeArtifact(_PascalStruct, frozen=True):
    """A file of the component."""

    uri: str
    unarchive: Literal["NONE", "ZIP"] = "NONE"
    permission: Json = {}


class RecipeManifest(_PascalStruct, frozen=True):
    """The lifecycle and artifacts for a platform."""

    platform: RecipePlatform = RecipePlatform()
    name: str = ""
    lifecycle: RecipeLifecycle = RecipeLifecycle()
    artifacts: list[RecipeArtifact] = []


class ComponentDependency(_PascalStruct, frozen=True):
    """A dependency on another component: HARD, or SOFT for the order only."""

    version_requirement: str = "*"
    dependency_type: Literal["HARD", "SOFT"] = "HARD"


class ComponentConfiguration(_PascalStruct, frozen=True):
    """The default configuration."""

    default_configuration: Json = {}


class ComponentRecipe(_PascalStruct, frozen=True):
    """One version of a component."""

    recipe_format_version: Literal["2020-01-25"]
    component_name: str
    component_version: str
    manifests: list[RecipeManifest]
    component_description: str = ""
    component_publisher: str = ""
    component_type: Literal["aws.greengrass.generic"] = "aws.greengrass.generic"
    component_configuration: ComponentConfiguration = ComponentConfiguration()
    component_dependencies: dict[str, ComponentDependency] = {}

    def matching_manifest(self) -> RecipeManifest:
        """The first manifest for this platform; RecipeError if none matches."""
        for manifest in self.manifests:
            if manifest.platform.applies_here():
                return manifest
        raise RecipeError(f"{self.component_name}: no manifest for linux")


def load_recipe(path: Path, typed_scalars: bool = True) -> ComponentRecipe:
    """Load a recipe; without `typed_scalars` all scalars of the configuration are strings."""
    recipe = load_yaml(path, ComponentRecipe)
    if typed_scalars:
        return recipe
    texts = read_yaml(path, "texts")
    default = texts.get("ComponentConfiguration", {}).get("DefaultConfiguration", {})
    configuration = ComponentConfiguration(default_configuration=default)
    return msgspec.structs.replace(recipe, component_configuration=configuration)


def load_recipes(
    folder: Path,
    typed_scalars: bool = True,
    damaged: Callable[[Path, RecipeError], None] | None = None,
) -> dict[tuple[str, str], ComponentRecipe]:
    """Load a folder's recipes by name and version; RecipeError for duplicates and errors.

    With `damaged`, that is called for a wrong one instead.
    """
    recipes: dict[tuple[str, str], ComponentRecipe] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            recipe = load_recipe(path, typed_scalars)
        except RecipeError as error:
            if damaged is None:
                raise
            damaged(path, error)
            continue
        key = (recipe.component_name, recipe.component_version)
        if key in recipes:
            raise RecipeError(
                f"{path} at /ComponentVersion: {key[0]} {key[1]} is defined more than once"
            )
        recipes[key] = recipe
    return recipes


def remove_steps(recipe: ComponentRecipe, names: Collection[StepName]) -> ComponentRecipe:
    """The recipe without the steps that a nucleus ignores."""
    nothing = dict.fromkeys(names)
    manifests = [
        msgspec.structs.replace(m, lifecycle=msgspec.structs.replace(m.lifecycle, **nothing))
        for m in recipe.manifests
    ]
    return msgspec.structs.replace(recipe, manifests=manifests)


def fill_variables(text: str, variables: Callable[[str], str | None]) -> str:
    """Fill in a script's `{...:...}` variables; unknown ones stay unchanged."""

    def value(match: re.Match[str]) -> str:
        found = variables(match.group(1))
        return match.group(0) if found is None else found

    return _VARIABLE.sub(value, text)


def to_script_text(value: Any) -> str:
    """Format a configuration value for a script: strings unchanged, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
