"""The link to a PLC over Modbus TCP."""

import logging

from equipment.configuration import TagConfiguration
from equipment.links.modbus_client import ModbusConnection
from equipment.links.modbus_configuration import ModbusConfiguration
from equipment.links.modbus_session import ModbusSession
from equipment.links.reconnecting_link import ReconnectingLink
from sightline.clock import Clock
from sightline.messaging.bus import Inbox


class ModbusLink(ReconnectingLink):
    """A `MachineLink` on pymodbus's client."""

    def __init__(
        self,
        configuration: ModbusConfiguration,
        tags: tuple[TagConfiguration, ...],
        inbox: Inbox,
        clock: Clock,
    ) -> None:
        super().__init__(configuration, inbox, clock)
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # the link reports its faults
        self._configuration = configuration
        self._tags = tags
        self._connection: ModbusConnection | None = None

    async def _connect_and_work(self) -> None:
        connection = self._connection = ModbusConnection(self._configuration)
        session = ModbusSession(
            connection,
            self._configuration,
            self._tags,
            self._post,
            self._clock,
        )
        await self._open_in_time(self._open(connection, session))
        await session.run()

    async def _open(self, connection: ModbusConnection, session: ModbusSession) -> None:
        await connection.connect()
        self._requests = (
            session.requests
        )  # what is asked for while it opens waits in it, but for verdicts
        await session.open()

    async def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
