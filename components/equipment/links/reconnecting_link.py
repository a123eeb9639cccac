"""A link that keeps itself up: a thread with its own loop that connects again and again."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from equipment.links.link import LinkDown, LinkRequest, VerdictNotWritten, WriteVerdict
from equipment.links.request_queue import RequestQueue, cancel_all
from sightline.backoff import Backoff
from sightline.clock import Clock
from sightline.errors import MachineLinkError
from sightline.messaging.bus import Inbox

log = logging.getLogger(__name__)
CLOSE_TIMEOUT_S = 3.0
MAX_OPENING_TIMEOUTS = 10  # requestTimeoutS times so many: then a server that dribbles is given up
LINK_DISCONNECT_TIMEOUT_S = 1.2  # longer than any link takes to say goodbye


class ConnectionSettings(Protocol):
    """What every link's configuration has."""

    @property
    def endpoint(self) -> str: ...

    @property
    def request_timeout_s(self) -> float: ...

    @property
    def first_retry_s(self) -> float: ...

    @property
    def max_retry_s(self) -> float: ...


class ReconnectingLink:
    """A `MachineLink` without its protocol: `_connect_and_work` has that."""

    def __init__(self, configuration: ConnectionSettings, inbox: Inbox, clock: Clock) -> None:
        self._settings = configuration
        self._inbox = inbox
        self._clock = clock
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._is_closed = threading.Event()
        self._requests: RequestQueue | None = None
        self._thread = threading.Thread(target=self._run, name="machine-link", daemon=True)

    def start(self) -> None:
        """Begin to connect, and keep at it."""
        self._thread.start()

    def request(self, request: LinkRequest) -> None:
        """Hand over a request; returns at once."""
        self._call_in_loop(self._enqueue, request)

    def close(self) -> None:
        """Leave the PLC and end the thread."""
        self._is_closed.set()
        if self._thread.is_alive():
            self._call_in_loop(self._closing.set)
            self._thread.join(CLOSE_TIMEOUT_S)

    def _post(self, event: object) -> None:
        """Tell the component; one that was closed has nothing to say: another link may be up."""
        if not self._is_closed.is_set():
            self._inbox.post(event)

    def _call_in_loop(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop has ended, or is just being replaced after a failure
            log.debug("no loop to call", extra={"function": repr(function)})

    async def _open_in_time(self, opening: Coroutine[Any, Any, None]) -> None:
        """Await all that comes before the work, however slowly the server answers each request."""
        allowed_s = MAX_OPENING_TIMEOUTS * self._settings.request_timeout_s
        task = asyncio.ensure_future(opening)
        try:
            done, _ = await asyncio.wait([task], timeout=allowed_s)
        finally:
            await cancel_all(task)
        if not done:
            raise MachineLinkError(
                f"the PLC accepted the connection, but was not ready within {allowed_s:g} s "
                "(ten times requestTimeoutS)"
            )
        if task.cancelled():  # by the client itself, whose connection was lost
            raise MachineLinkError("the connection was lost while it was set up")
        task.result()

    async def _connect_and_work(self) -> None:
        """Connect, set `_requests`, work until an error; it is posted as `LinkDown`."""
        raise NotImplementedError

    async def _disconnect(self) -> None:
        """Give back what is left of the connection."""
        raise NotImplementedError

    def _describe_error(self, error: BaseException) -> str:
        """What went wrong, for the fault."""
        if isinstance(error, asyncio.TimeoutError):
            return f"no answer within {self._settings.request_timeout_s:g} s (requestTimeoutS)"
        if isinstance(error, MachineLinkError):
            return str(error)
        if isinstance(error, socket.gaierror):
            return (
                f"no host of this name is known here ({error.strerror}); write the PLC's IP address"
            )
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

    def _enqueue(self, request: LinkRequest) -> None:
        if self._requests is not None:
            self._requests.put(request)
        elif isinstance(request, WriteVerdict):
            self._post(VerdictNotWritten(request, "the PLC is not connected"))

    def _run(self) -> None:
        """Keep the link for as long as it is wanted; whatever ends the loop is told, and begun again."""
        backoff = Backoff(self._settings.first_retry_s, self._settings.max_retry_s)
        while not self._is_closed.is_set():
            try:
                asyncio.set_event_loop(self._loop)
                self._loop.run_until_complete(self._reconnect_until_closed())
            except BaseException as error:  # noqa: BLE001 a thread that ends would be seen by nobody
                self._report_failure(error)
                self._disconnect_after_failure()
                self._is_closed.wait(backoff.next_delay_s())
            finally:
                self._loop.close()
            if not self._is_closed.is_set():
                self._closing = asyncio.Event()
                self._loop = asyncio.new_event_loop()

    def _report_failure(self, error: BaseException) -> None:
        self._requests = None
        log.error("the link's thread failed", exc_info=error)
        text = f"{type(error).__name__}: {error}"
        self._post(
            LinkDown(f"{self._settings.endpoint}: the link failed ({text}) and is started again")
        )

    def _disconnect_after_failure(self) -> None:
        """Give back what the failed loop held, as far as it still runs."""
        try:
            rest = asyncio.all_tasks(self._loop)
            for task in rest:
                task.cancel()
            self._loop.run_until_complete(
                asyncio.wait_for(self._disconnect(), LINK_DISCONNECT_TIMEOUT_S)
            )
            self._loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        except BaseException:
            log.exception("the failed connection could not be closed")

    async def _reconnect_until_closed(self) -> None:
        backoff = Backoff(self._settings.first_retry_s, self._settings.max_retry_s)
        while not self._closing.is_set() and not self._is_closed.is_set():
            started_ns = self._clock.monotonic_ns()
            await self._until_closing(self._work_once())
            if self._clock.monotonic_ns() - started_ns > self._settings.max_retry_s * 1e9:
                backoff.reset()
            await self._until_closing(asyncio.sleep(backoff.next_delay_s()))

    async def _work_once(self) -> None:
        try:
            await self._connect_and_work()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 a broken server makes the clients raise anything
            self._post(LinkDown(f"{self._settings.endpoint}: {self._describe_printable(error)}"))
        finally:
            self._requests = None
            try:
                await self._disconnect()
            except Exception:
                log.exception("the connection could not be closed")

    def _describe_printable(self, error: BaseException) -> str:
        try:
            text = self._describe_error(error)
        except Exception:
            log.exception("an error that cannot be described")
            text = type(error).__name__
        return "".join(character if character.isprintable() else "?" for character in text)

    async def _until_closing(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        closing = asyncio.ensure_future(self._wait_for_closing())
        await asyncio.wait([task, closing], return_when=asyncio.FIRST_COMPLETED)
        await cancel_all(task, closing, again_s=LINK_DISCONNECT_TIMEOUT_S)

    async def _wait_for_closing(self) -> None:
        await self._closing.wait()
