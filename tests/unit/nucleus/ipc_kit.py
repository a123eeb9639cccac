"""A local IPC that really listens, in this process: stores and socket without any component."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.nucleus.cloud_bridge.cloud_link import CloudMessageReceiver
from hil.nucleus.configuration.configuration_store import ConfigurationStore
from hil.nucleus.dialects.dialect import Dialect
from hil.nucleus.ipc.ipc_server import IpcServer
from hil.nucleus.ipc.topic_filters import filter_matches
from hil.nucleus.ipc_operations.operation_table import OperationTable
from sightline.errors import CloudUnreachableError

TOKEN = "g+nmR1nPFs67KzTj"
COMPONENT = "com.example.conformance"
THING = "test-thing"
Json = dict[str, Any]


@dataclass
class FakeCloud:
    """A broker in memory that can be away or slow; keeps what was published."""

    away: bool = False
    acknowledges: bool = True
    retained: tuple[str, bytes] | None = None
    published: list[tuple[str, bytes, int]] = field(default_factory=list)
    receivers: list[tuple[str, CloudMessageReceiver]] = field(default_factory=list)

    async def publish(self, topic: str, payload: bytes, quality_of_service: int) -> None:
        """Keep the message."""
        if self.away:
            raise CloudUnreachableError("away")
        self.published.append((topic, payload, quality_of_service))
        while not self.acknowledges:
            await asyncio.sleep(0.01)

    async def subscribe(
        self, topic_filter: str, quality_of_service: int, receive: CloudMessageReceiver
    ) -> Callable[[], None]:
        """Keep the receiver."""
        if self.away:
            raise CloudUnreachableError("away")
        entry = (topic_filter, receive)
        self.receivers.append(entry)
        if self.retained is not None:
            receive(*self.retained)
        return lambda: self.receivers.remove(entry)

    def send(self, topic: str, payload: bytes) -> None:
        """Let a message come from the cloud."""
        for topic_filter, receive in list(self.receivers):
            if filter_matches(topic_filter, topic):
                receive(topic, payload)


@dataclass
class FakeControl:
    """Takes wishes and words on states, and does nothing."""

    reported: list[tuple[str, str]] = field(default_factory=list)
    accepts: bool = False

    def report_state(self, component: str, state: str) -> bool:
        """Keep the word."""
        self.reported.append((component, state))
        return self.accepts

    def restart(self, component: str) -> bool:
        """Nothing is there to restart."""
        return False


class ServedIpc:
    """The services behind a listening socket; `call` runs something on their event loop."""

    def __init__(self, folder: Path, dialect: Dialect, configurations: dict[str, Json]) -> None:
        self.cloud, self.control = FakeCloud(), FakeControl()
        self.tokens = {TOKEN: COMPONENT}
        self.store = ConfigurationStore(folder / "configuration")
        for name, values in configurations.items():
            self.store.apply_deployment(name, values, {}, at_s=0.0)
        self.table = OperationTable(
            dialect, self.tokens, self.store, self.cloud, self.control, THING
        )
        self.server = IpcServer(folder, self.table, dialect)
        self._loop = asyncio.new_event_loop()

    @property
    def socket(self) -> str:
        """The socket's path."""
        return str(self.server.path)

    def lose_local_subscriptions(self) -> int:
        """As Lite when ggpubsubd restarts; on the event loop."""
        return self.table.lose_local_subscriptions()

    def lose_cloud_subscriptions(self) -> int:
        """As Lite when iotcored restarts; on the event loop."""
        return self.table.lose_cloud_subscriptions()

    def call(self, work: Callable[[], Any]) -> Any:
        """Run a function on the event loop and return what it does."""

        async def run() -> Any:
            return work()

        return self._run(run())

    def _run(self, work: Awaitable[Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(_awaited(work), self._loop).result(10)

    @contextmanager
    def running(self) -> Iterator["ServedIpc"]:
        """Listen while the block runs."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            self._run(self.server.start())
            yield self
            self._run(self.server.stop())
            self.call(self.table.close)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work
