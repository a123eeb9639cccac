"""The running components: recipes, configurations, tokens and lifecycles."""

import asyncio
import copy
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from hil.nucleus.component_runtime.artifact_links import digest_artifacts, link_artifacts
from hil.nucleus.component_runtime.component_lifecycle import ComponentLifecycle, LifecycleRules
from hil.nucleus.component_runtime.script_environment import (
    NucleusFolders,
    build_process_environment,
    build_script_environment,
    generate_token,
)
from hil.nucleus.configuration.configuration_store import ConfigurationStore
from hil.nucleus.configuration.configuration_tree import merge_into
from hil.nucleus.nucleus_plan import NucleusPlan
from hil.nucleus.recipe_files.deployment import ComponentConfigurationUpdate
from hil.nucleus.recipe_files.recipe import ComponentRecipe, remove_steps

Json = dict[str, Any]


class ComponentSet:
    """Adds, starts, stops and removes components; `lifecycles` is always the same mapping."""

    def __init__(
        self,
        plan: NucleusPlan,
        tokens: dict[str, str],
        store: ConfigurationStore,
        changed: Callable[[], None],
    ) -> None:
        self.recipes: dict[str, ComponentRecipe] = {}
        self.lifecycles: dict[str, ComponentLifecycle] = {}
        self.sources: dict[str, Path] = dict(plan.sources)
        self.socket_path = Path()
        self.extra_environment: Callable[[str], Mapping[str, str]] = lambda token: {}
        self._plan = plan
        self._folders = NucleusFolders(plan.root.resolve())
        self._tokens = tokens
        self._store = store
        self._changed = changed
        self._digests: dict[str, str] = {}  # of the files that each was added with
        self._stops: set[asyncio.Future[None]] = set()  # under way: what goes down with another

    def configure(self, recipe: ComponentRecipe, update: ComponentConfigurationUpdate) -> None:
        """Update the stored configuration from recipe and deployment."""
        default, merge, reset = self._configuration_inputs(recipe, update)
        self._store.apply_deployment(recipe.component_name, default, merge, time.time(), reset)

    def preview_configuration(
        self, recipe: ComponentRecipe, update: ComponentConfigurationUpdate
    ) -> Json:
        """The configuration that `configure` would produce."""
        return self._store.preview_deployment(
            recipe.component_name, *self._configuration_inputs(recipe, update)
        )

    def add(self, recipe: ComponentRecipe) -> None:
        """Unpack a component's artifacts, and create its token and lifecycle."""
        name, plan, token = recipe.component_name, self._plan, generate_token()
        self._tokens[token] = name
        source = self.sources.get(name, plan.source)
        link_artifacts(recipe, source, self._folders.unarchived(recipe))
        self._digests[name] = digest_artifacts(recipe, source)
        given = build_process_environment(
            self.socket_path, token, plan.thing_name, plan.dialect, sys.executable
        )
        given.update(self.extra_environment(token))
        self.recipes[name] = recipe
        self.lifecycles[name] = ComponentLifecycle(
            remove_steps(recipe, plan.dialect.ignored_steps),
            build_script_environment(
                *(recipe, self._folders, self._store, plan.thing_name, given), self._digests[name]
            ),
            self._changed,
            LifecycleRules(plan.dialect.counts_starts, self._stop_dependents),
        )

    def find_changed_contents(self, sources: Mapping[str, Path]) -> set[str]:
        """The components whose files are no longer those that they were added with."""
        return {
            name
            for name, recipe in self.recipes.items()
            if digest_artifacts(
                recipe, sources.get(name, self.sources.get(name, self._plan.source))
            )
            != self._digests[name]
        }

    def start(self, names: Iterable[str]) -> None:
        """Start components; returns before they are running."""
        for name in names:
            self.lifecycles[name].start(self.lifecycles)

    def start_all(self) -> None:
        """Start all components; what only installs comes first.

        So the station begins with the models and products that it is given. Later they come while it runs.
        """
        first = [lifecycle for lifecycle in self.lifecycles.values() if lifecycle.only_installs]
        for lifecycle in self.lifecycles.values():
            lifecycle.start(self.lifecycles, () if lifecycle in first else first)

    def restart(self, name: str) -> bool:
        """Restart a component and its HARD dependents; False if it is unknown."""
        if name not in self.lifecycles:
            return False
        self.lifecycles[name].restart()
        if self._plan.dialect.stops_hard_dependents:
            for dependent in self._hard_dependents(name):
                if dependent.child is not None:
                    dependent.restart()
        return True

    def restart_broken(self) -> set[str]:
        """Restart BROKEN components, as both nuclei do with each deployment; returns their names."""
        broken = {name for name, one in self.lifecycles.items() if one.state == "BROKEN"}
        for name in broken:
            self.restart(name)
        return broken

    async def stop(self, names: Iterable[str]) -> None:
        """Stop components, dependents first."""
        left = set(names)
        stops: dict[str, asyncio.Task[None]] = {}
        for recipe in reversed(list(self.recipes.values())):
            name = recipe.component_name
            if name in left:
                above = [
                    stop
                    for other, stop in stops.items()
                    if name in self.recipes[other].component_dependencies
                ]
                stops[name] = asyncio.ensure_future(_stop_after(above, self.lifecycles[name]))
        await asyncio.gather(*stops.values())

    def remove(self, names: Iterable[str]) -> None:
        """Remove stopped components and their tokens."""
        for name in names:
            del self.recipes[name], self.lifecycles[name], self._digests[name]
            for token in [token for token, owner in self._tokens.items() if owner == name]:
                del self._tokens[token]

    def reorder(self, names: Iterable[str]) -> None:
        """Sort the components so that each follows its dependencies."""
        for name in names:
            self.recipes[name] = self.recipes.pop(name)

    def scripts(self, name: str) -> list[str]:
        """A component's scripts with its current configuration filled in."""
        return self.lifecycles[name].scripts()

    def _hard_dependents(self, name: str) -> list[ComponentLifecycle]:
        """The components with a HARD dependency on a component."""
        return [
            self.lifecycles[other]
            for other, recipe in self.recipes.items()
            if name in recipe.component_dependencies
            and recipe.component_dependencies[name].dependency_type == "HARD"
        ]

    def _stop_dependents(self, name: str) -> None:
        """Stop the HARD dependents of a component that went down, recursively."""
        if not self._plan.dialect.stops_hard_dependents:
            return
        for dependent in self._hard_dependents(name):
            if dependent.child is not None or dependent.state == "ERRORED":
                stop = asyncio.ensure_future(self._stop_dependent(dependent, name))
                self._stops.add(stop)
                stop.add_done_callback(self._stops.discard)

    async def _stop_dependent(self, dependent: ComponentLifecycle, name: str) -> None:
        await dependent.stop_with_dependency(name)
        self._stop_dependents(dependent.name)

    def _configuration_inputs(
        self, recipe: ComponentRecipe, update: ComponentConfigurationUpdate
    ) -> tuple[Json, Json, list[str]]:
        merge = copy.deepcopy(update.merge)
        merge_into(merge, self._plan.merges.get(recipe.component_name, {}))
        default = recipe.component_configuration.default_configuration
        return default, merge, update.reset


async def _stop_after(above: list["asyncio.Task[None]"], component: ComponentLifecycle) -> None:
    for other in above:
        await other
    await component.stop()
