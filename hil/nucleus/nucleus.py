"""The nucleus as a whole: one deployment's components, and the services they are given."""

import asyncio
import contextlib
import logging
import time
from typing import Literal

from hil.nucleus.command_line import CommandLineAccess
from hil.nucleus.components import Components
from hil.nucleus.configuration_store import ConfigurationStore
from hil.nucleus.deployer import Deployer
from hil.nucleus.deployment_operations import deployment_operations
from hil.nucleus.deployments import ConfigurationUpdate
from hil.nucleus.iot_core import IotCore
from hil.nucleus.ipc_server import IpcServer
from hil.nucleus.log_rotation import LogRotation
from hil.nucleus.operations import NUCLEUS_NAMES, OperationTable
from hil.nucleus.plan import Plan
from hil.nucleus.recipes import Recipe
from hil.nucleus.status import StatusFile
from hil.nucleus.surroundings import REGION, Folders
from hil.nucleus.token_exchange import TokenExchange

Subscriptions = Literal["local", "cloud"]  # of ggpubsubd, of iotcored
log = logging.getLogger(__name__)


class Nucleus:
    """Starts a plan's components and serves them until stopped."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._folders = Folders(plan.root.resolve())
        self._folders.make()
        self._store = ConfigurationStore(self._folders.configuration)
        tokens: dict[str, str] = {}
        self._components = Components(plan, tokens, self._store, self._changed)
        self._deployer = Deployer(plan, self._components, self._store)
        host, port = plan.broker
        self._iot_core = IotCore(host, port, plan.thing_name, plan.tls)
        self._table = OperationTable(plan.dialect, tokens, self._store, self._iot_core, self)
        self._table.add(deployment_operations(self._deployer, self._store, plan.dialect))
        self._server = IpcServer(self._folders.root, self._table, plan.dialect)
        self._command_line = CommandLineAccess(self._folders.root, tokens, self._store)
        self._token_exchange = (
            None if plan.credentials is None else TokenExchange(plan.credentials, tokens)
        )
        self._status: StatusFile | None = None
        self._keeping: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Serve, and begin to start the components; returns before they are up."""
        self._deployer.recover()
        with contextlib.suppress(OSError):  # it is in memory, and made anew at each start
            self._store.deploy(NUCLEUS_NAMES[0], {"awsRegion": REGION}, {}, time.time())
        for recipe in self._plan.recipes:
            deployed = self._plan.deployment.components[recipe.component_name]
            self._configure(recipe, deployed.configuration_update)
        await self._server.start()
        self._iot_core.start()
        self._components.socket = self._server.path
        if self._token_exchange is not None:
            await self._token_exchange.start()
            self._components.more_environment = self._token_exchange.environment
        for recipe in self._plan.recipes:
            self._folders.clear_way(recipe)
            self._components.add(recipe)
        lifecycles = self._components.lifecycles
        self._status = StatusFile(self._folders.root / "status.json", lifecycles.values())
        rotation = LogRotation(self._folders.logs, self._plan.log_limit_bytes)
        for keep in (self._status.keep(), rotation.keep(), self._deployer.keep()):
            task = asyncio.get_running_loop().create_task(keep)
            task.add_done_callback(_tell_of_end)
            self._keeping.append(task)
        self._components.start(lifecycles)
        self._command_line.open(self._server.path)

    async def stop(self) -> None:
        """Shut the components down, those first that others do not depend on, then the services."""
        self._command_line.close()
        await self._components.stop(self._components.lifecycles)
        for task in self._keeping:
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
        """Take a component's word on its state; False if that cannot be."""
        lifecycle = self._components.lifecycles.get(component)
        return lifecycle is not None and lifecycle.report_state(state)

    def restart(self, component: str) -> bool:
        """Start a component again; False if it is not there."""
        return self._components.restart(component)

    def lose_subscriptions(self, kind: Subscriptions) -> None:
        """Do as Nucleus Lite when one of its daemons restarts: forget subscriptions in silence.

        The streams stay open and publishing is answered as before. Nucleus 2.x is one process, so
        the dialect `classic` only says that it does nothing.
        """
        if not self._plan.dialect.can_lose_subscriptions:
            log.warning("%s subscriptions stay: only Nucleus Lite loses them", kind)
            return
        lose = {
            "local": self._table.lose_local_subscriptions,
            "cloud": self._table.lose_cloud_subscriptions,
        }
        log.warning("%d %s subscriptions are lost, and nobody is told", lose[kind](), kind)

    def _configure(self, recipe: Recipe, update: ConfigurationUpdate) -> None:
        """Bring a configuration in line; a disk that does not take it keeps no component from its work."""
        try:
            self._components.configure(recipe, update)
        except OSError as error:
            log.error(
                "the configuration of %s cannot be kept (%s); it is in force, but the next start "
                "makes it anew",
                *(recipe.component_name, error),
            )

    def _changed(self) -> None:
        if self._status is not None:
            self._status.changed()


def _tell_of_end(task: "asyncio.Task[None]") -> None:
    """A task that was to run for ever and ended by itself is said in the log."""
    if not task.cancelled():
        log.error("the nucleus no longer does all of its work: %r", task.exception())
