"""Every link keeps itself up: it calls again with longer and longer pauses, and says what is wrong."""

import asyncio
import itertools
import socket
import threading
import time

import pytest

from equipment.links import reconnecting_link
from equipment.links.link import LinkDown, VerdictNotWritten, WriteHeartbeat, WriteVerdict
from equipment.links.reconnecting_link import ReconnectingLink
from equipment.links.registry import open_link
from equipment.links.request_queue import cancel_all, run_until_first_failure
from sightline.clock import SystemClock
from sightline.errors import MachineLinkError
from sightline.messaging.bus import Inbox
from tests.faults.plc_and_equipment import link_to, wait_for

S = 1_000_000_000
SCHEMES = ["opc.tcp", "modbus-tcp"]


class DeafServer:
    """Accepts connections and closes them at once; notes when."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.called_at_s: list[float] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.called_at_s.append(time.monotonic())
            connection.close()

    def stop(self) -> None:
        """Listen no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_server_that_hangs_up_is_called_again_ever_more_seldom(scheme: str) -> None:
    server, inbox = DeafServer(), Inbox()
    endpoint = f"{scheme}://127.0.0.1:{server.port}"
    configuration = link_to(endpoint, first_retry_s=0.05, max_retry_s=0.4, request_timeout_s=0.3)
    link = open_link(configuration, (), inbox, SystemClock())
    link.start()
    try:
        wait_for("six calls", lambda: len(server.called_at_s) >= 6)
    finally:
        link.close()
        server.stop()
    pauses = [b - a for a, b in itertools.pairwise(server.called_at_s)]
    assert pauses[4] >= 0.2  # at least half of 0.4 s
    reasons = [e.reason for e in iter(lambda: inbox.next_event(0), None) if isinstance(e, LinkDown)]
    assert len(reasons) >= 5
    assert all(reason.startswith(endpoint) for reason in reasons)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_verdict_for_a_plc_that_is_away_comes_back_as_too_late(scheme: str) -> None:
    inbox, nobody = Inbox(), socket.socket()
    nobody.bind(("127.0.0.1", 0))  # taken, but nobody listens
    configuration = link_to(f"{scheme}://127.0.0.1:{nobody.getsockname()[1]}")
    link = open_link(configuration, (), inbox, SystemClock())
    link.start()
    order = WriteVerdict(7, "ok", time.monotonic_ns() + S)
    link.request(WriteHeartbeat())
    link.request(order)
    events: list[object] = []

    def came() -> bool:
        events.append(inbox.next_event(0))
        return any(
            isinstance(event, VerdictNotWritten) and event.request == order for event in events
        )

    wait_for("the verdict comes back", came)
    link.close()
    nobody.close()
    link.request(order)  # after the end it is dropped without a word


class HangingLink(ReconnectingLink):
    """Its client blocks the thread for a while, then finds the connection lost."""

    async def _connect_and_work(self) -> None:
        self.hangs.set()
        self.goes_on.wait(10)
        raise MachineLinkError("gone")

    async def _disconnect(self) -> None:
        pass

    def __init__(self, inbox: Inbox) -> None:
        configuration = link_to("opc.tcp://127.0.0.1:9").active
        super().__init__(configuration, inbox, SystemClock())
        self.hangs, self.goes_on = threading.Event(), threading.Event()


def test_a_link_that_ends_later_than_it_should_says_nothing_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconnecting_link, "CLOSE_TIMEOUT_S", 0.05)
    inbox = Inbox()
    link = HangingLink(inbox)
    link.start()
    assert link.hangs.wait(10)
    link.close()
    link.goes_on.set()
    wait_for("its end", lambda: not link._thread.is_alive())
    assert inbox.next_event(0) is None  # else the link that took its place would look lost


async def deaf_to_its_first_cancellation() -> None:
    """As a client's `wait_for` is when an answer comes at the same moment."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(60)


def test_a_session_ends_even_when_a_worker_loses_its_cancellation() -> None:
    async def fails() -> None:
        raise MachineLinkError("the cable is cut")

    with pytest.raises(MachineLinkError, match="the cable is cut"):
        asyncio.run(run_until_first_failure(deaf_to_its_first_cancellation(), fails()))


def test_all_tasks_have_ended_when_they_are_said_to_have() -> None:
    async def run() -> list[bool]:
        works = [deaf_to_its_first_cancellation(), asyncio.sleep(60)]
        tasks = [asyncio.ensure_future(work) for work in works]
        await asyncio.sleep(0)
        await cancel_all(*tasks)
        return [task.done() for task in tasks]

    assert asyncio.run(run()) == [True, True]
