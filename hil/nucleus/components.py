"""The components that run now: their recipes, configurations, tokens and lifecycles."""

import asyncio
import copy
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from hil.nucleus.artifacts import unpack
from hil.nucleus.configuration_store import ConfigurationStore
from hil.nucleus.configuration_tree import overlay
from hil.nucleus.deployments import ConfigurationUpdate
from hil.nucleus.lifecycle import ComponentLifecycle, Rules
from hil.nucleus.plan import Plan
from hil.nucleus.recipes import Recipe, without_steps
from hil.nucleus.surroundings import Folders, environment, new_token, surroundings

Json = dict[str, Any]


class Components:
    """Adds, starts, stops and drops components; `lifecycles` is the same mapping all the time."""

    def __init__(
        self,
        plan: Plan,
        tokens: dict[str, str],
        store: ConfigurationStore,
        changed: Callable[[], None],
    ) -> None:
        self.recipes: dict[str, Recipe] = {}
        self.lifecycles: dict[str, ComponentLifecycle] = {}
        self.sources: dict[str, Path] = dict(plan.sources)
        self.socket = Path()
        self.more_environment: Callable[[str], Mapping[str, str]] = lambda token: {}
        self._plan = plan
        self._folders = Folders(plan.root.resolve())
        self._tokens = tokens
        self._store = store
        self._changed = changed
        self._stops: set[asyncio.Future[None]] = set()  # under way: what goes down with another

    def configure(self, recipe: Recipe, update: ConfigurationUpdate) -> None:
        """Bring the stored configuration in line with recipe and deployment."""
        default, merge, reset = self._given(recipe, update)
        self._store.deploy(recipe.component_name, default, merge, time.time(), reset)

    def proposed(self, recipe: Recipe, update: ConfigurationUpdate) -> Json:
        """The configuration that `configure` would make."""
        return self._store.proposed(recipe.component_name, *self._given(recipe, update))

    def add(self, recipe: Recipe) -> None:
        """Unpack a component's artifacts and give it a token and a lifecycle that is not begun."""
        name, plan, token = recipe.component_name, self._plan, new_token()
        self._tokens[token] = name
        unpack(recipe, self.sources.get(name, plan.source), self._folders.unarchived(recipe))
        given = environment(self.socket, token, plan.thing_name, plan.dialect, sys.executable)
        given.update(self.more_environment(token))
        self.recipes[name] = recipe
        self.lifecycles[name] = ComponentLifecycle(
            without_steps(recipe, plan.dialect.ignored_steps),
            surroundings(recipe, self._folders, self._store, plan.thing_name, given),
            self._changed,
            Rules(plan.dialect.counts_starts, self._went_down),
        )

    def start(self, names: Iterable[str]) -> None:
        """Begin with components; returns before they are up."""
        for name in names:
            self.lifecycles[name].start(self.lifecycles)

    def restart(self, name: str) -> bool:
        """Start a component again, with what is bound to it; False if it is not there."""
        if name not in self.lifecycles:
            return False
        self.lifecycles[name].restart()
        if self._plan.dialect.hard_dependency_binds:
            for dependent in self._bound_to(name):
                if dependent.child is not None:
                    dependent.restart()
        return True

    def restart_broken(self) -> set[str]:
        """Give broken components a new start, as both nuclei do with each deployment; their names."""
        broken = {name for name, one in self.lifecycles.items() if one.state == "BROKEN"}
        for name in broken:
            self.restart(name)
        return broken

    async def stop(self, names: Iterable[str]) -> None:
        """Shut components down, those first that others of them do not depend on."""
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

    def drop(self, names: Iterable[str]) -> None:
        """Forget stopped components and their tokens."""
        for name in names:
            del self.recipes[name], self.lifecycles[name]
            for token in [token for token, owner in self._tokens.items() if owner == name]:
                del self._tokens[token]

    def order(self, names: Iterable[str]) -> None:
        """Put the components into an order in which each comes after what it depends on."""
        for name in names:
            self.recipes[name] = self.recipes.pop(name)

    def scripts(self, name: str) -> list[str]:
        """A component's scripts as its configuration fills them in now."""
        return self.lifecycles[name].scripts()

    def _bound_to(self, name: str) -> list[ComponentLifecycle]:
        """Those that depend on a component HARD."""
        return [
            self.lifecycles[other]
            for other, recipe in self.recipes.items()
            if name in recipe.component_dependencies
            and recipe.component_dependencies[name].dependency_type == "HARD"
        ]

    def _went_down(self, name: str) -> None:
        """Stop what is bound to a component that went down, and what is bound to that."""
        if not self._plan.dialect.hard_dependency_binds:
            return
        for dependent in self._bound_to(name):
            if dependent.child is not None or dependent.state == "ERRORED":
                stop = asyncio.ensure_future(self._stop_with(dependent, name))
                self._stops.add(stop)
                stop.add_done_callback(self._stops.discard)

    async def _stop_with(self, dependent: ComponentLifecycle, name: str) -> None:
        await dependent.stop_with(name)
        self._went_down(dependent.name)

    def _given(self, recipe: Recipe, update: ConfigurationUpdate) -> tuple[Json, Json, list[str]]:
        merge = copy.deepcopy(update.merge)
        overlay(merge, self._plan.merges.get(recipe.component_name, {}))
        default = recipe.component_configuration.default_configuration
        return default, merge, update.reset


async def _stop_after(above: list["asyncio.Task[None]"], component: ComponentLifecycle) -> None:
    for other in above:
        await other
    await component.stop()
