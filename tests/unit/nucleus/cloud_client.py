"""The cloud's end of the commands: a client of the broker that sends them and takes the answers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cloud.wire.broker_login import BrokerLogin
from hil.nucleus.cloud_bridge.iot_core_connection import IotCoreConnection
from sightline.messaging.codec import decode, encode
from sightline.messaging.messages import Command, CommandArgument, CommandOutcome
from sightline.messaging.topics import COMMAND, COMMAND_OUTCOME
from tests.unit.nucleus.test_iot_core_connection import until_connected

MINUTE_NS = 60_000_000_000


class CommandClient:
    """Commands to the thing and answers from it, over the broker."""

    def __init__(self, bridge: IotCoreConnection, thing: str) -> None:
        self._bridge = bridge
        self._thing = thing
        self.outcomes: list[CommandOutcome] = []

    async def listen(self) -> None:
        """Take the answers."""

        def take(_: str, payload: bytes) -> None:
            self.outcomes.append(decode(CommandOutcome, payload))

        await self._bridge.subscribe(COMMAND_OUTCOME.build_topic(self._thing), 1, take)

    async def ask(
        self,
        command_id: str,
        kind: str,
        issued_by: str,
        arguments: dict[str, CommandArgument] | None = None,
        *,
        until_done: bool = False,
    ) -> CommandOutcome:
        """Send a command, again and again by the same id, until its answer comes.

        With `until_done` that of the component which carries it out, not that it was accepted.
        """
        known = len(self.outcomes)
        now_ns = time.time_ns()
        command = Command(
            station_id=self._thing,
            command_id=command_id,
            kind=kind,
            issued_by=issued_by,
            issued_utc_ns=now_ns,
            expires_utc_ns=now_ns + 2 * MINUTE_NS,
            arguments=arguments or {},
        )
        while True:
            await self._bridge.publish(COMMAND.build_topic(self._thing), encode(command), 1)
            for _ in range(20):
                for outcome in self.outcomes[known:]:
                    is_last = not until_done or outcome.result != "accepted"
                    if outcome.command_id == command_id and is_last:
                        return outcome
                await asyncio.sleep(0.05)


@asynccontextmanager
async def cloud_at(
    port: int, thing: str, login: BrokerLogin | None = None
) -> AsyncIterator[CommandClient]:
    """The cloud's own connection to the broker; the nucleus has the thing's name."""
    bridge = IotCoreConnection("127.0.0.1", port, "cloud", login=login)
    bridge.start()
    try:
        await until_connected(bridge)
        cloud = CommandClient(bridge, thing)
        await cloud.listen()
        yield cloud
    finally:
        await bridge.stop()
