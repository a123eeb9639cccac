"""Applies local deployments one at a time: validate, ask components, apply, watch, roll back on failure."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from hil.nucleus.component_runtime.component_lifecycle import ComponentLifecycle
from hil.nucleus.component_runtime.component_set import ComponentSet
from hil.nucleus.configuration.configuration_store import ConfigurationStore
from hil.nucleus.dialects.lite_limits import check_configurations, check_recipes
from hil.nucleus.local_deployments.deployment_differences import (
    DeploymentDifferences,
    compare_deployments,
)
from hil.nucleus.local_deployments.deployment_store import (
    DeploymentProgress,
    DeploymentRecord,
    DeploymentStore,
    load_stored_recipes,
)
from hil.nucleus.local_deployments.update_policy import UpdatePolicy
from hil.nucleus.nucleus_files.log_tail import read_log_tail
from hil.nucleus.nucleus_plan import NucleusPlan
from hil.nucleus.recipe_files.deployment import (
    Deployment,
    DeploymentChange,
    apply_change,
    select_recipes,
)
from hil.nucleus.recipe_files.recipe import ComponentRecipe, load_recipes
from sightline.errors import RecipeError, SightlineError

log = logging.getLogger(__name__)
Json = dict[str, Any]
STEADY_POLL_S = 0.05


class LocalDeployer:
    """Queues deployment changes and applies them in order."""

    def __init__(
        self, plan: NucleusPlan, components: ComponentSet, store: ConfigurationStore
    ) -> None:
        self.policy = UpdatePolicy(plan.timeouts)
        self.records = DeploymentStore(plan.root.resolve())
        self._plan = plan
        self._deployment = plan.deployment
        self._components = components
        self._store = store
        self._waiting: asyncio.Queue[tuple[DeploymentRecord, DeploymentChange]] = asyncio.Queue()

    def recover(self) -> None:
        """Restore the configuration from before a deployment that the nucleus's end interrupted."""
        self.records.end_rollback_copy(restore=True)

    def submit(self, change: DeploymentChange) -> str:
        """Queue a change; returns the deployment's id."""
        record = self.records.add_record()
        self._waiting.put_nowait((record, change))
        return record.deployment_id

    async def run(self) -> None:
        """Apply queued changes until cancelled."""
        while True:
            record, change = await self._waiting.get()
            self.records.update_progress(record, "IN_PROGRESS")
            try:
                progress, causes = await self._carry_out(record.deployment_id, change)
            except Exception as error:  # of one deployment; the next ones are made all the same
                log.exception("deployment %s failed", record.deployment_id)
                progress, causes = "FAILED_ROLLBACK_NOT_REQUESTED", [repr(error)]
            log.info("deployment %s: %s %s", record.deployment_id, progress, "; ".join(causes))
            self.records.update_progress(record, progress, causes)
            self.policy.announce_end(record.deployment_id)

    async def _carry_out(
        self, deployment_id: str, change: DeploymentChange
    ) -> tuple[DeploymentProgress, list[str]]:
        try:
            wanted = apply_change(self._deployment, change)
            recipes = self._select_recipes(wanted, change)
            proposals = self._changed_configurations(wanted, recipes)
        except RecipeError as error:
            return "FAILED_NO_STATE_CHANGE", [str(error)]
        sources = {} if change.source is None else dict.fromkeys(change.versions, change.source)
        found = compare_deployments(
            *(self._deployment, wanted, self._components.recipes, recipes),
            self._components.find_changed_contents(sources),
        )
        refusals = await self.policy.collect_refusals(deployment_id, proposals)
        if refusals:
            return "FAILED_NO_STATE_CHANGE", refusals
        if found.stopped or found.started:
            await self.policy.wait_for_consent(deployment_id)
        return await self._apply_or_roll_back(wanted, recipes, found, change)

    async def _apply_or_roll_back(
        self,
        wanted: Deployment,
        recipes: Mapping[str, ComponentRecipe],
        found: DeploymentDifferences,
        change: DeploymentChange,
    ) -> tuple[DeploymentProgress, list[str]]:
        before, recipes_before = self._deployment, dict(self._components.recipes)
        sources_before, snapshot = dict(self._components.sources), self._store.snapshot()
        self.records.begin_rollback_copy()
        if change.source is not None:
            self._components.sources.update(dict.fromkeys(change.versions, change.source))
        lifecycles_before = dict(self._components.lifecycles)
        try:
            await self._replace_components(wanted, recipes, found)
            healed = self._components.restart_broken()
            causes = await self._wait_until_steady(found.started | found.configured | healed)
        except (OSError, SightlineError) as error:
            causes = [str(error)]
        now = self._components.lifecycles
        started = {name for name, one in now.items() if lifecycles_before.get(name) is not one}
        if not causes or not change.rolls_back:
            self._deployment = wanted
            self._store_deployment(wanted, recipes, change)
            return ("FAILED_ROLLBACK_NOT_REQUESTED", causes) if causes else ("SUCCESSFUL", [])
        log.error("rolling back the deployment: %s", "; ".join(causes))
        self._components.sources.clear()
        self._components.sources.update(sources_before)
        await self._components.stop(started)
        self._components.remove(started)
        self._store.restore(snapshot)
        again = {name for name in recipes_before if name not in self._components.lifecycles}
        self._start_components(recipes_before, again)
        self._deployment = before
        self.records.end_rollback_copy(restore=False)
        causes += await self._wait_until_steady(again)
        return "FAILED_ROLLBACK_COMPLETE", causes

    async def _replace_components(
        self,
        wanted: Deployment,
        recipes: Mapping[str, ComponentRecipe],
        found: DeploymentDifferences,
    ) -> None:
        """Stop removed components, change the configurations, start new ones."""
        scripts = {n: self._components.scripts(n) for n in found.configured - found.started}
        await self._components.stop(found.stopped)
        self._components.remove(found.stopped)
        for name in found.removed:
            self._store.remove(name)
        for name in found.configured | found.started:
            update = wanted.components[name].configuration_update
            self._components.configure(recipes[name], update)
        differ = {n for n, before in scripts.items() if self._components.scripts(n) != before}
        await self._components.stop(differ)
        self._components.remove(differ)
        self._start_components(recipes, found.started | differ)

    def _start_components(self, recipes: Mapping[str, ComponentRecipe], names: set[str]) -> None:
        for name in recipes:
            if name in names:
                self._components.add(recipes[name])
        self._components.reorder(recipes)
        self._components.start(names)

    async def _wait_until_steady(self, names: set[str]) -> list[str]:
        """Wait until all have run without an error for a while; returns why not, empty on success."""
        loop, times = asyncio.get_running_loop(), self._plan.timeouts
        steady_since_s = loop.time()
        deadline_s = steady_since_s + times.start_s
        seen: Mapping[str, tuple[str, int]] = {}
        while names:
            living = {name: self._components.lifecycles[name] for name in names}
            broken = [name for name, one in living.items() if one.state == "BROKEN"]
            if broken:
                return [_describe_broken(self._components.lifecycles[name]) for name in broken]
            now = {name: (one.state, one.restarts) for name, one in living.items()}
            late = [n for n, (state, _) in now.items() if state not in ("RUNNING", "FINISHED")]
            if late or now != seen:
                steady_since_s, seen = loop.time(), now
            elif loop.time() - steady_since_s >= times.steady_s:
                return []
            if loop.time() >= deadline_s + times.steady_s:
                words = f"not running steadily after {times.start_s:.0f} s"
                return [f"{n} is {now[n][0]}, {words}" for n in late or sorted(now)]
            await asyncio.sleep(STEADY_POLL_S)
        return []

    def _select_recipes(
        self, wanted: Deployment, change: DeploymentChange
    ) -> dict[str, ComponentRecipe]:
        typed = self._plan.dialect.typed_yaml
        known = {(r.component_name, r.component_version): r for r in self._plan.recipes}
        known |= load_recipes(self._plan.recipes_folder, typed)
        known |= load_stored_recipes(self.records.recipes_folder, typed)
        if change.recipes_folder is not None:
            known |= load_recipes(change.recipes_folder, typed)
        recipes = {recipe.component_name: recipe for recipe in select_recipes(wanted, known)}
        for recipe in recipes.values():
            recipe.matching_manifest()
        if self._plan.dialect.lite_limits:
            folders = [self.records.recipes_folder, self._plan.recipes_folder]
            if change.recipes_folder is not None:
                folders.insert(0, change.recipes_folder)
            check_recipes(folders, recipes.values())
        return recipes

    def _changed_configurations(
        self, wanted: Deployment, recipes: Mapping[str, ComponentRecipe]
    ) -> dict[str, Json]:
        """The changed configurations; RecipeError if this nucleus could not store one."""
        proposals = {
            name: self._components.preview_configuration(
                recipe, wanted.components[name].configuration_update
            )
            for name, recipe in recipes.items()
        }
        if self._plan.dialect.lite_limits:
            check_configurations(proposals)
        stored = {name: self._store.value(name, ()) for name in self._components.recipes}
        return {n: new for n, new in proposals.items() if n in stored and new != stored[n]}

    def _store_deployment(
        self, wanted: Deployment, recipes: Mapping[str, ComponentRecipe], change: DeploymentChange
    ) -> None:
        if change.recipes_folder is not None:
            self.records.store_recipes(change.recipes_folder, recipes.values())
        try:
            self.records.store_deployment(wanted, self._components.sources, self._plan.given_digest)
        except OSError as error:
            log.error("deployment not stored; the nucleus's next start will not use it: %s", error)
        self.records.end_rollback_copy(restore=False)


def _describe_broken(component: ComponentLifecycle) -> str:
    """Why it is down, and the last that it wrote."""
    return ": ".join(
        [f"{component.name} is BROKEN", component.reason, *read_log_tail(component.log_file, 1)]
    )
