"""The link to a PLC over OPC UA: a thread with its own loop that connects again and again."""

import asyncio
import logging
import random
import threading
from collections.abc import Coroutine
from typing import Any

from asyncua import Client

from equipment.configuration import OpcuaConfiguration, TagConfiguration
from equipment.links.link import (
    Beat,
    LinkDown,
    ReadOutcomes,
    ReadTags,
    Request,
    VerdictOrder,
    VerdictTooLate,
)
from equipment.links.opcua_session import OpcuaSession
from sightline.bus import Inbox
from sightline.clock import Clock
from sightline.errors import MachineLinkError

log = logging.getLogger(__name__)
SESSION_TIMEOUT_MS = 60_000
CLOSE_TIMEOUT_S = 3.0


class OpcuaLink:
    """A `MachineLink` on asyncua's client."""

    def __init__(
        self,
        configuration: OpcuaConfiguration,
        tags: tuple[TagConfiguration, ...],
        inbox: Inbox,
        clock: Clock,
    ) -> None:
        _quieten_client()
        self._configuration = configuration
        self._tags = tags
        self._inbox = inbox
        self._clock = clock
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._session: OpcuaSession | None = None
        self._thread = threading.Thread(target=self._run, name="opcua", daemon=True)

    def start(self) -> None:
        """Begin to connect, and keep at it."""
        self._thread.start()

    def request(self, request: Request) -> None:
        """Hand over a request; returns at once."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._accept, request)

    def close(self) -> None:
        """Leave the PLC and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(CLOSE_TIMEOUT_S)

    def _accept(self, request: Request) -> None:
        session = self._session
        if isinstance(request, VerdictOrder):
            if session is None:
                self._inbox.post(VerdictTooLate(request, "the PLC is away"))
            else:
                session.verdicts.put_nowait(request)
        elif session is not None:
            wanted = {
                Beat: session.beat_wanted,
                ReadTags: session.tags_wanted,
                ReadOutcomes: session.outcomes_wanted,
            }
            wanted[type(request)].set()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._connect_again_and_again())
        finally:
            self._loop.close()

    async def _connect_again_and_again(self) -> None:
        retry_s = self._configuration.first_retry_s
        while not self._closing.is_set():
            started_ns = self._clock.monotonic_ns()
            await self._until_closing(self._connect_and_work())
            worked_s = (self._clock.monotonic_ns() - started_ns) / 1e9
            if worked_s > self._configuration.longest_retry_s:
                retry_s = self._configuration.first_retry_s
            pause_s = retry_s * random.uniform(0.5, 1.0)  # many stations must not call in step
            await self._until_closing(asyncio.sleep(pause_s))
            retry_s = min(retry_s * 2, self._configuration.longest_retry_s)

    async def _connect_and_work(self) -> None:
        configuration = self._configuration
        client = Client(configuration.endpoint, timeout=configuration.request_timeout_s)
        client.session_timeout = SESSION_TIMEOUT_MS
        try:
            await _as_task(client.connect())
            session = OpcuaSession(client, configuration, self._tags, self._inbox.post, self._clock)
            self._session = session  # what is asked for while it opens waits in it
            await _as_task(session.open())
            await session.run()
        except Exception as error:  # noqa: BLE001 a broken server makes the client raise anything
            reason = _in_words(error, configuration.request_timeout_s)
            self._inbox.post(LinkDown(f"{configuration.endpoint}: {reason}"))
        finally:
            self._session = None
            await asyncio.wait([asyncio.ensure_future(client.disconnect())], timeout=1.0)

    async def _until_closing(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        closing = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait([task, closing], return_when=asyncio.FIRST_COMPLETED)
        for each in (task, closing):
            each.cancel()
        await asyncio.gather(task, closing, return_exceptions=True)


async def _as_task(work: Coroutine[Any, Any, None]) -> None:
    """Await work; the client cancels requests of a lost connection, which must not look like ours."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
    if task.cancelled():
        raise MachineLinkError("the connection was lost while it was set up")
    task.result()


def _in_words(error: Exception, request_timeout_s: float) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer; allowed are {request_timeout_s:g} s (requestTimeoutS)"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _quieten_client() -> None:
    """The client logs each lost connection with tracebacks; the link reports it as a fault."""
    logging.getLogger("asyncua").setLevel(logging.WARNING)
    for name in ("client.client", "client.ua_client", "client.ua_session", "common.subscription"):
        logging.getLogger(f"asyncua.{name}").setLevel(logging.CRITICAL)
