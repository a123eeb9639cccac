"""The nucleus: a deployment's components and the services for them."""

import asyncio
import contextlib
import logging
import time
from typing import Literal

from hil.nucleus.cli_access import CliAccessFile
from hil.nucleus.cloud_bridge.iot_core_connection import IotCoreConnection
from hil.nucleus.cloud_bridge.token_exchange import TokenExchangeService
from hil.nucleus.component_runtime.component_set import ComponentSet
from hil.nucleus.component_runtime.script_environment import REGION, NucleusFolders
from hil.nucleus.component_runtime.status_file import StatusFile
from hil.nucleus.configuration.configuration_store import ConfigurationStore
from hil.nucleus.ipc.ipc_server import IpcServer
from hil.nucleus.ipc_operations.deployment_operations import build_deployment_operations
from hil.nucleus.ipc_operations.operation_table import NUCLEUS_NAMES, OperationTable
from hil.nucleus.local_deployments.local_deployer import LocalDeployer
from hil.nucleus.nucleus_files.log_rotation import LogRotation
from hil.nucleus.nucleus_plan import NucleusPlan
from hil.nucleus.recipe_files.deployment import ComponentConfigurationUpdate
from hil.nucleus.recipe_files.recipe import ComponentRecipe

SubscriptionKind = Literal["local", "cloud"]  # of ggpubsubd, of iotcored
log = logging.getLogger(__name__)


class DevelopmentNucleus:
    """Starts a plan's components and serves them until stopped."""

    def __init__(self, plan: NucleusPlan) -> None:
        self._plan = plan
        self._folders = NucleusFolders(plan.root.resolve())
        self._folders.create_folders()
        self._store = ConfigurationStore(self._folders.configuration)
        tokens: dict[str, str] = {}
        self._components = ComponentSet(plan, tokens, self._store, self._schedule_status_write)
        self._deployer = LocalDeployer(plan, self._components, self._store)
        host, port = plan.broker
        self._iot_core = IotCoreConnection(host, port, plan.thing_name, plan.tls, plan.login)
        self._table = OperationTable(
            plan.dialect, tokens, self._store, self._iot_core, self, plan.thing_name
        )
        self._table.add(build_deployment_operations(self._deployer, self._store, plan.dialect))
        self._server = IpcServer(self._folders.root, self._table, plan.dialect)
        self._command_line = CliAccessFile(self._folders.root, tokens, self._store)
        self._token_exchange = (
            None if plan.credentials is None else TokenExchangeService(plan.credentials, tokens)
        )
        self._status: StatusFile | None = None
        self._background_tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the services and the components; returns before the components are running."""
        self._deployer.recover()
        with contextlib.suppress(OSError):  # it is in memory, and created again at each start
            self._store.apply_deployment(NUCLEUS_NAMES[0], {"awsRegion": REGION}, {}, time.time())
        for recipe in self._plan.recipes:
            deployed = self._plan.deployment.components[recipe.component_name]
            self._configure(recipe, deployed.configuration_update)
        await self._server.start()
        self._iot_core.start()
        self._components.socket_path = self._server.path
        if self._token_exchange is not None:
            await self._token_exchange.start()
            self._components.extra_environment = self._token_exchange.build_environment
        for recipe in self._plan.recipes:
            self._folders.prepare_unarchived(recipe)
            self._components.add(recipe)
        lifecycles = self._components.lifecycles
        self._status = StatusFile(self._folders.root / "status.json", lifecycles.values())
        rotation = LogRotation(self._folders.logs, self._plan.log_limit_bytes)
        for keep in (self._status.run(), rotation.run(), self._deployer.run()):
            task = asyncio.get_running_loop().create_task(keep)
            task.add_done_callback(_log_unexpected_end)
            self._background_tasks.append(task)
        self._components.start_all()
        self._command_line.open(self._server.path)

    async def stop(self) -> None:
        """Stop the components, dependents first, then the services."""
        self._command_line.close()
        await self._components.stop(self._components.lifecycles)
        for task in self._background_tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._status is not None:
            self._status.write()
        if self._token_exchange is not None:
            await self._token_exchange.stop()
        await self._server.stop()
        self._table.close()
        await self._iot_core.stop()

    def report_state(self, component: str, state: str) -> bool:
        """Record the state that a component reports; False if it is not a reportable state."""
        lifecycle = self._components.lifecycles.get(component)
        return lifecycle is not None and lifecycle.report_state(state)

    def restart(self, component: str) -> bool:
        """Restart a component; False if it is unknown."""
        return self._components.restart(component)

    def lose_subscriptions(self, kind: SubscriptionKind) -> None:
        """Drop subscriptions silently, as a restart of a Nucleus Lite daemon does.

        The streams stay open and publishing is answered as before. Nucleus 2.x is one process, so
        the dialect `classic` only says that it does nothing.
        """
        if not self._plan.dialect.can_lose_subscriptions:
            log.warning("%s subscriptions kept: only Nucleus Lite loses them", kind)
            return
        lose = {
            "local": self._table.lose_local_subscriptions,
            "cloud": self._table.lose_cloud_subscriptions,
        }
        log.warning("dropped silently: %d %s subscriptions", lose[kind](), kind)

    def _configure(self, recipe: ComponentRecipe, update: ComponentConfigurationUpdate) -> None:
        """Update a configuration; a failed write does not stop the component."""
        try:
            self._components.configure(recipe, update)
        except OSError as error:
            log.error(
                "cannot store the configuration of %s (%s); it is used, but the next start builds it "
                "again",
                *(recipe.component_name, error),
            )

    def _schedule_status_write(self) -> None:
        if self._status is not None:
            self._status.schedule_write()


def _log_unexpected_end(task: "asyncio.Task[None]") -> None:
    """Log the unexpected end of a permanent task."""
    if not task.cancelled():
        log.error("a task of the nucleus ended unexpectedly: %r", task.exception())
