"""The link to a PLC over OPC UA."""

import asyncio
import datetime
import logging
from collections.abc import Coroutine
from typing import Any

from asyncua import Client, ua

from equipment.configuration import TagConfiguration
from equipment.links.link import LinkFault
from equipment.links.opcua_certificates import CERTIFICATE_DATED, describe_validity
from equipment.links.opcua_client import PlcClient
from equipment.links.opcua_configuration import OpcuaConfiguration
from equipment.links.opcua_security import (
    configure_security,
    describe_no_endpoint,
    describe_refusal,
    is_no_endpoint,
)
from equipment.links.opcua_session import OpcuaSession
from equipment.links.reconnecting_link import ReconnectingLink
from sightline.clock import Clock
from sightline.errors import MachineLinkError
from sightline.messaging.bus import Inbox

log = logging.getLogger(__name__)


class OpcuaLink(ReconnectingLink):
    """A `MachineLink` on asyncua's client."""

    def __init__(
        self,
        configuration: OpcuaConfiguration,
        tags: tuple[TagConfiguration, ...],
        inbox: Inbox,
        clock: Clock,
    ) -> None:
        super().__init__(configuration, inbox, clock)
        _quieten_client()
        self._configuration = configuration
        self._tags = tags
        self._client: Client | None = None

    async def _connect_and_work(self) -> None:
        client = self._client = PlcClient(self._configuration)
        session = OpcuaSession(client, self._configuration, self._tags, self._post, self._clock)
        await self._open_in_time(self._open(client, session))
        await session.run()

    async def _open(self, client: Client, session: OpcuaSession) -> None:
        await _as_task(self._connect(client))
        self._requests = (
            session.requests
        )  # what is asked for while it opens waits in it, but for verdicts
        await _as_task(session.open())
        self._report_certificate(client)

    async def _connect(self, client: Client) -> None:
        try:
            await configure_security(client, self._configuration.security)
            await client.connect()
        except ua.UaError as error:
            if not is_no_endpoint(error):
                raise
            asking = PlcClient(self._configuration)
            raise MachineLinkError(
                await describe_no_endpoint(asking, self._configuration.security)
            ) from error

    def _report_certificate(self, client: Client) -> None:
        if self._configuration.security.policy == "none":
            return
        shown = client.security_policy.peer_certificate or b""
        now = datetime.datetime.fromtimestamp(self._clock.utc_ns() / 1e9, datetime.timezone.utc)
        text = describe_validity(shown, now)
        if text:
            self._post(LinkFault(CERTIFICATE_DATED, text))

    async def _disconnect(self) -> None:
        if self._client is not None:
            await asyncio.wait([asyncio.ensure_future(self._client.disconnect())], timeout=1.0)
            self._client = None

    def _describe_error(self, error: BaseException) -> str:
        return describe_refusal(error, self._configuration) or super()._describe_error(error)


async def _as_task(work: Coroutine[Any, Any, None]) -> None:
    """Await work; the client cancels requests of a lost connection, which must not look like ours."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # if nobody waits
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
    if task.cancelled():
        raise MachineLinkError("the connection was lost while it was set up")
    task.result()


def _quieten_client() -> None:
    """The client logs each lost connection with tracebacks; the link reports it as a fault."""
    logging.getLogger("asyncua").setLevel(logging.WARNING)
    for name in ("client.client", "client.ua_client", "client.ua_session", "common.subscription"):
        logging.getLogger(f"asyncua.{name}").setLevel(logging.CRITICAL)
