"""The nucleus as a whole: one deployment's components, and the services they are given."""

import asyncio
import contextlib
import copy
import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.nucleus.artifacts import unpack
from hil.nucleus.configuration_store import ConfigurationStore
from hil.nucleus.configuration_tree import overlay
from hil.nucleus.deployments import Deployment
from hil.nucleus.dialect import Dialect
from hil.nucleus.iot_core import IotCore
from hil.nucleus.ipc_server import IpcServer
from hil.nucleus.lifecycle import ComponentLifecycle
from hil.nucleus.log_rotation import DEFAULT_LIMIT_BYTES, LogRotation
from hil.nucleus.operations import NUCLEUS_NAMES, OperationTable
from hil.nucleus.recipes import Recipe
from hil.nucleus.status import StatusFile
from hil.nucleus.surroundings import REGION, Folders, environment, new_token, surroundings

log = logging.getLogger(__name__)
Json = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What to run and with what; `merges` come after the deployment's own."""

    root: Path
    source: Path
    deployment: Deployment
    recipes: list[Recipe]
    merges: Mapping[str, Json]
    broker: tuple[str, int]
    thing_name: str
    dialect: Dialect
    log_limit_bytes: int = DEFAULT_LIMIT_BYTES


class Nucleus:
    """Starts a plan's components and serves them until stopped."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._folders = Folders(plan.root.resolve())
        self._folders.make()
        self._tokens: dict[str, str] = {}
        self._store = ConfigurationStore(self._folders.configuration)
        self._components: dict[str, ComponentLifecycle] = {}
        host, port = plan.broker
        self._iot_core = IotCore(host, port, plan.thing_name)
        table = OperationTable(plan.dialect, self._tokens, self._store, self._iot_core, self)
        self._server = IpcServer(self._folders.root, table, plan.dialect)
        self._status: StatusFile | None = None
        self._keeping: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Serve, and begin to start the components; returns before they are up."""
        self._configure()
        await self._server.start()
        self._iot_core.start()
        for recipe in self._plan.recipes:
            self._components[recipe.component_name] = self._component(recipe)
        self._status = StatusFile(self._folders.root / "status.json", self._components.values())
        rotation = LogRotation(self._folders.logs, self._plan.log_limit_bytes)
        for keep in (self._status.keep(), rotation.keep()):
            self._keeping.append(asyncio.get_running_loop().create_task(keep))
        for component in self._components.values():
            component.start(self._components)

    async def stop(self) -> None:
        """Shut the components down, those first that others do not depend on, then the services."""
        stops: dict[str, asyncio.Task[None]] = {}
        for recipe in reversed(self._plan.recipes):
            above = [
                stops[other.component_name]
                for other in self._plan.recipes
                if recipe.component_name in other.component_dependencies
            ]
            component = self._components[recipe.component_name]
            stops[component.name] = asyncio.ensure_future(_stop_after(above, component))
        await asyncio.gather(*stops.values())
        for task in self._keeping:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._status is not None:
            self._status.write()
        await self._server.stop()
        await self._iot_core.stop()

    def report_state(self, component: str, state: str) -> bool:
        """Take a component's word on its state; False if that cannot be."""
        lifecycle = self._components.get(component)
        return lifecycle is not None and lifecycle.report_state(state)

    def restart(self, component: str) -> bool:
        """Start a component again; False if it is not there."""
        lifecycle = self._components.get(component)
        if lifecycle is not None:
            lifecycle.restart()
        return lifecycle is not None

    def _configure(self) -> None:
        now_s = time.time()
        self._store.deploy(NUCLEUS_NAMES[0], {"awsRegion": REGION}, {}, now_s)
        for recipe in self._plan.recipes:
            name = recipe.component_name
            update = self._plan.deployment.components[name].configuration_update
            merge = copy.deepcopy(update.merge)
            overlay(merge, self._plan.merges.get(name, {}))
            default = recipe.component_configuration.default_configuration
            self._store.deploy(name, default, merge, now_s, update.reset)

    def _component(self, recipe: Recipe) -> ComponentLifecycle:
        plan = self._plan
        token = new_token()
        self._tokens[token] = recipe.component_name
        unpack(recipe, plan.source, self._folders.unarchived(recipe))
        given = environment(self._server.path, token, plan.thing_name, plan.dialect, sys.executable)
        return ComponentLifecycle(
            recipe,
            surroundings(recipe, self._folders, self._store, plan.thing_name, given),
            self._changed,
        )

    def _changed(self) -> None:
        if self._status is not None:
            self._status.changed()


async def _stop_after(above: list[asyncio.Task[None]], component: ComponentLifecycle) -> None:
    for other in above:
        await other
    await component.stop()
