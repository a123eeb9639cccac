"""Local deployments: one at a time, each checked, asked for, made, watched, and rolled back if it fails."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from hil.nucleus.components import Components
from hil.nucleus.configuration_store import ConfigurationStore
from hil.nucleus.deployment_records import DeploymentRecords, Progress, Record, load_kept_recipes
from hil.nucleus.deployments import Change, Deployment, changed, select
from hil.nucleus.differences import Differences, differences
from hil.nucleus.lite_limits import check_configurations, check_recipes
from hil.nucleus.plan import Plan
from hil.nucleus.recipes import Recipe, load_recipes
from hil.nucleus.update_policy import UpdatePolicy
from sightline.errors import RecipeError, SightlineError

log = logging.getLogger(__name__)
Json = dict[str, Any]
LOOK_AGAIN_S = 0.05


class Deployer:
    """Takes changes of the deployment and makes them, first come, first served."""

    def __init__(self, plan: Plan, components: Components, store: ConfigurationStore) -> None:
        self.policy = UpdatePolicy(plan.times)
        self.records = DeploymentRecords(plan.root.resolve())
        self._plan = plan
        self._deployment = plan.deployment
        self._components = components
        self._store = store
        self._waiting: asyncio.Queue[tuple[Record, Change]] = asyncio.Queue()

    def recover(self) -> None:
        """Bring back the configuration from before a deployment that the nucleus did not live to end."""
        self.records.end_rollback_copy(restore=True)

    def submit(self, change: Change) -> str:
        """Queue a change; returns the deployment's id."""
        record = self.records.new()
        self._waiting.put_nowait((record, change))
        return record.deployment_id

    async def keep(self) -> None:
        """Make one change after the other until cancelled."""
        while True:
            record, change = await self._waiting.get()
            self.records.note(record, "IN_PROGRESS")
            try:
                progress, causes = await self._make(record.deployment_id, change)
            except Exception as error:  # of one deployment; the next ones are made all the same
                log.exception("deployment %s failed", record.deployment_id)
                progress, causes = "FAILED_ROLLBACK_NOT_REQUESTED", [repr(error)]
            log.info("deployment %s: %s %s", record.deployment_id, progress, "; ".join(causes))
            self.records.note(record, progress, causes)
            self.policy.tell_end(record.deployment_id)

    async def _make(self, deployment_id: str, change: Change) -> tuple[Progress, list[str]]:
        try:
            wanted = changed(self._deployment, change)
            recipes = self._recipes(wanted, change)
            proposals = self._proposals(wanted, recipes)
        except RecipeError as error:
            return "FAILED_NO_STATE_CHANGE", [str(error)]
        found = differences(self._deployment, wanted, self._components.recipes, recipes)
        refusals = await self.policy.refusals(deployment_id, proposals)
        if refusals:
            return "FAILED_NO_STATE_CHANGE", refusals
        if found.stopped or found.started:
            await self.policy.consent(deployment_id)
        return await self._switch(wanted, recipes, found, change)

    async def _switch(
        self, wanted: Deployment, recipes: Mapping[str, Recipe], found: Differences, change: Change
    ) -> tuple[Progress, list[str]]:
        before, recipes_before = self._deployment, dict(self._components.recipes)
        sources_before, snapshot = dict(self._components.sources), self._store.snapshot()
        self.records.begin_rollback_copy()
        if change.source is not None:
            self._components.sources.update(dict.fromkeys(change.versions, change.source))
        lifecycles_before = dict(self._components.lifecycles)
        try:
            await self._exchange(wanted, recipes, found)
            healed = self._components.restart_broken()
            causes = await self._watch(found.started | found.configured | healed)
        except (OSError, SightlineError) as error:
            causes = [str(error)]
        now = self._components.lifecycles
        started = {name for name, one in now.items() if lifecycles_before.get(name) is not one}
        if not causes or not change.rolls_back:
            self._deployment = wanted
            self._keep(wanted, recipes, change)
            return ("FAILED_ROLLBACK_NOT_REQUESTED", causes) if causes else ("SUCCESSFUL", [])
        log.error("the deployment is rolled back: %s", "; ".join(causes))
        self._components.sources.clear()
        self._components.sources.update(sources_before)
        await self._components.stop(started)
        self._components.drop(started)
        self._store.restore(snapshot)
        again = {name for name in recipes_before if name not in self._components.lifecycles}
        self._begin(recipes_before, again)
        self._deployment = before
        self.records.end_rollback_copy(restore=False)
        causes += await self._watch(again)
        return "FAILED_ROLLBACK_COMPLETE", causes

    async def _exchange(
        self, wanted: Deployment, recipes: Mapping[str, Recipe], found: Differences
    ) -> None:
        """Stop what goes, change the configurations, start what comes."""
        scripts = {n: self._components.scripts(n) for n in found.configured - found.started}
        await self._components.stop(found.stopped)
        self._components.drop(found.stopped)
        for name in found.removed:
            self._store.remove(name)
        for name in found.configured | found.started:
            update = wanted.components[name].configuration_update
            self._components.configure(recipes[name], update)
        differ = {n for n, before in scripts.items() if self._components.scripts(n) != before}
        await self._components.stop(differ)
        self._components.drop(differ)
        self._begin(recipes, found.started | differ)

    def _begin(self, recipes: Mapping[str, Recipe], names: set[str]) -> None:
        for name in recipes:
            if name in names:
                self._components.add(recipes[name])
        self._components.order(recipes)
        self._components.start(names)

    async def _watch(self, names: set[str]) -> list[str]:
        """Wait until all have run for a while without an error; why they do not, else nothing."""
        loop, times = asyncio.get_running_loop(), self._plan.times
        steady_since_s = loop.time()
        deadline_s = steady_since_s + times.come_up_s
        seen: Mapping[str, tuple[str, int]] = {}
        while names:
            living = {name: self._components.lifecycles[name] for name in names}
            broken = [name for name, one in living.items() if one.state == "BROKEN"]
            if broken:
                return [f"{name} is BROKEN" for name in broken]
            now = {name: (one.state, one.restarts) for name, one in living.items()}
            late = [n for n, (state, _) in now.items() if state not in ("RUNNING", "FINISHED")]
            if late or now != seen:
                steady_since_s, seen = loop.time(), now
            elif loop.time() - steady_since_s >= times.steady_s:
                return []
            if loop.time() >= deadline_s + times.steady_s:
                words = f"not steady after {times.come_up_s:.0f} s"
                return [f"{n} is {now[n][0]}, {words}" for n in late or sorted(now)]
            await asyncio.sleep(LOOK_AGAIN_S)
        return []

    def _recipes(self, wanted: Deployment, change: Change) -> dict[str, Recipe]:
        typed = self._plan.dialect.typed_yaml
        known = {(r.component_name, r.component_version): r for r in self._plan.recipes}
        known |= load_recipes(self._plan.recipes_folder, typed)
        known |= load_kept_recipes(self.records.recipes_folder, typed)
        if change.recipes_folder is not None:
            known |= load_recipes(change.recipes_folder, typed)
        recipes = {recipe.component_name: recipe for recipe in select(wanted, known)}
        for recipe in recipes.values():
            recipe.manifest()
        if self._plan.dialect.lite_limits:
            folders = [self.records.recipes_folder, self._plan.recipes_folder]
            if change.recipes_folder is not None:
                folders.insert(0, change.recipes_folder)
            check_recipes(folders, recipes.values())
        return recipes

    def _proposals(self, wanted: Deployment, recipes: Mapping[str, Recipe]) -> dict[str, Json]:
        """The configurations that change; RecipeError if this nucleus would not store one."""
        proposals = {
            name: self._components.proposed(recipe, wanted.components[name].configuration_update)
            for name, recipe in recipes.items()
        }
        if self._plan.dialect.lite_limits:
            check_configurations(proposals)
        stored = {name: self._store.value(name, ()) for name in self._components.recipes}
        return {n: new for n, new in proposals.items() if n in stored and new != stored[n]}

    def _keep(self, wanted: Deployment, recipes: Mapping[str, Recipe], change: Change) -> None:
        if change.recipes_folder is not None:
            self.records.keep_recipes(change.recipes_folder, recipes.values())
        try:
            self.records.keep_deployment(wanted, self._components.sources, self._plan.given_digest)
        except OSError as error:
            log.error("the next start of the nucleus will not know this deployment: %s", error)
        self.records.end_rollback_copy(restore=False)
