"""The kernel's loop: what nobody foresaw is told and lost alone; what cannot go on starts again."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sightline.clock import SystemClock
from sightline.configuration import ConfigurationStruct
from sightline.errors import NucleusGoneError, RestartNeededError, TransportError
from sightline.kernel.component import ComponentContext, NewConfiguration
from sightline.kernel.component_loop import (
    MAX_FAILED_TICKS,
    UNFORESEEN_FAULT,
    ComponentLoop,
    StopRequest,
)
from sightline.kernel.configuration_keeper import LastGoodConfiguration
from sightline.kernel.folder_lock import FolderLock
from sightline.kernel.health import ComponentHealth, HealthReporter
from sightline.kernel.runtime import (
    WORK_FOLDER_IN_USE_FAULT,
    _StoppedEarlyError,
    wait_for_folder_lock,
    watch_threads,
)
from sightline.messaging.bus import ConfigurationChanged, Inbox, NucleusGone, RestartNeeded
from sightline.messaging.topics import CAPTURE, MessageStream

LONG_S = 10.0


class Settings(ConfigurationStruct, frozen=True, kw_only=True):
    """None."""


class Nucleus:
    """Takes everything."""

    def __init__(self) -> None:
        self.published: list[str] = []

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        self.published.append(stream.name)

    def subscribe(self, stream: MessageStream) -> None: ...

    def renew_subscriptions(self) -> None: ...

    def renew_cloud_subscriptions(self) -> None: ...

    def restart_component(self, name: str) -> None: ...

    def read_configuration(self) -> dict[str, Any]:
        return {}

    def defer_update(self, deployment_id: str, recheck_ms: int) -> None: ...

    def close(self) -> None: ...


class Echo:
    """Keeps the numbers it was handed; a text is more than it foresees."""

    def __init__(self, tick: Callable[[], float] = lambda: 0.0) -> None:
        self.taken: list[int] = []
        self.closed = False
        self._tick = tick

    def handle(self, event: object) -> None:
        assert isinstance(event, int)
        self.taken.append(event)

    def tick(self) -> float:
        return self._tick()

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def health() -> ComponentHealth:
    return ComponentHealth(CAPTURE, "1", "station-1", SystemClock())


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def loop(
    component: Echo, inbox: Inbox, health: ComponentHealth, folder: Path
) -> "ComponentLoop[Settings]":
    context = ComponentContext(
        Settings(), Nucleus(), inbox, SystemClock(), health, "station-1", folder
    )
    return ComponentLoop(
        context, component, LastGoodConfiguration(Settings, folder, health), Nucleus()
    )


def test_an_event_that_nobody_foresaw_is_lost_alone_and_told(
    inbox: Inbox, health: ComponentHealth, tmp_path: Path
) -> None:
    component = Echo()
    for event in (1, "a text", 2, StopRequest()):
        inbox.post(event)
    assert loop(component, inbox, health, tmp_path).run() == 0
    assert component.taken == [1, 2]
    assert component.closed
    (fault,) = health.build_report().faults
    assert fault.code == UNFORESEEN_FAULT
    assert "AssertionError" in fault.text
    assert health.build_report().counters["unforeseen_errors"] == 1


def test_periodic_work_that_fails_once_goes_on(
    inbox: Inbox, health: ComponentHealth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightline.kernel.component_loop.FAILED_TICK_WAIT_S", 0.0)
    ticks: list[int] = []

    def tick() -> float:
        ticks.append(1)
        if len(ticks) == 3:
            raise KeyError("once")
        if len(ticks) == 6:
            inbox.post(StopRequest())
        return 0.0

    assert loop(Echo(tick), inbox, health, tmp_path).run() == 0
    assert len(ticks) >= 6


def test_periodic_work_that_never_succeeds_makes_the_component_start_again(
    inbox: Inbox, health: ComponentHealth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightline.kernel.component_loop.FAILED_TICK_WAIT_S", 0.0)
    ticks: list[int] = []

    def tick() -> float:
        ticks.append(1)
        raise ValueError("always")

    with pytest.raises(RestartNeededError):
        loop(Echo(tick), inbox, health, tmp_path).run()
    assert len(ticks) == MAX_FAILED_TICKS


def test_a_new_configuration_that_the_nucleus_did_not_hand_over_is_asked_for_again(
    inbox: Inbox, health: ComponentHealth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightline.kernel.component_loop.CONFIGURATION_RETRY_S", 0.0)
    answers: list[Exception | dict[str, Any]] = [TransportError("slow"), TransportError("slow"), {}]

    class Slow(Nucleus):
        def read_configuration(self) -> dict[str, Any]:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    class Taking(Echo):
        def handle(self, event: object) -> None:
            assert isinstance(event, NewConfiguration)
            inbox.post(StopRequest())

    ticks: list[int] = []

    def tick() -> float:
        ticks.append(1)
        if len(ticks) > 100:
            inbox.post(StopRequest())
        return 0.0

    inbox.post(ConfigurationChanged())
    context = ComponentContext(
        Settings(), Nucleus(), inbox, SystemClock(), health, "station-1", tmp_path
    )
    keeper = LastGoodConfiguration(Settings, tmp_path, health)
    assert ComponentLoop(context, Taking(tick), keeper, Slow()).run() == 0
    assert answers == []
    assert health.build_report().faults == ()


@pytest.mark.parametrize(
    ("event", "error"),
    [(NucleusGone("closed"), NucleusGoneError), (RestartNeeded("deaf"), RestartNeededError)],
)
def test_what_cannot_go_on_leaves(
    event: object, error: type[Exception], inbox: Inbox, health: ComponentHealth, tmp_path: Path
) -> None:
    inbox.post(event)
    with pytest.raises(error):
        loop(Echo(), inbox, health, tmp_path).run()


@pytest.fixture
def watched(health: ComponentHealth, inbox: Inbox) -> Iterator[None]:
    before = threading.excepthook
    watch_threads(health, inbox)
    yield
    threading.excepthook = before


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(
    ("error", "event"),
    [(KeyError("nobody"), RestartNeeded), (NucleusGoneError("closed"), NucleusGone)],
)
def test_a_thread_that_ends_by_an_error_makes_the_component_leave(
    error: Exception, event: type, health: ComponentHealth, inbox: Inbox
) -> None:
    def fail() -> None:
        raise error

    thread = threading.Thread(target=fail, name="some-work", daemon=True)
    thread.start()
    assert isinstance(inbox.next_event(LONG_S), event)
    assert [fault.code for fault in health.build_report().faults] == ["thread-some-work"]
    health.set_ready(True)
    assert not health.build_report().ready


def reporter(health: ComponentHealth) -> Callable[[], HealthReporter]:
    return lambda: HealthReporter(Nucleus(), health, Inbox())


def test_two_processes_never_work_in_one_folder(
    inbox: Inbox, health: ComponentHealth, tmp_path: Path
) -> None:
    older = FolderLock(tmp_path)
    assert older.acquire()
    begun = threading.Event()
    held: list[FolderLock] = []

    def begin() -> None:
        held.append(wait_for_folder_lock(tmp_path, inbox, reporter(health), health, 0.001))
        begun.set()

    newer = threading.Thread(target=begin, daemon=True)
    newer.start()
    while WORK_FOLDER_IN_USE_FAULT not in {fault.code for fault in health.build_report().faults}:
        assert newer.is_alive()
        begun.wait(0.01)
    assert not begun.is_set()
    older.close()
    assert begun.wait(LONG_S)
    assert health.build_report().faults == ()
    held[0].close()


@pytest.mark.parametrize(
    ("event", "error"),
    [(StopRequest(), _StoppedEarlyError), (NucleusGone("closed"), NucleusGoneError)],
)
def test_whoever_waits_for_the_folder_can_still_be_told_to_end(
    event: object, error: type[Exception], inbox: Inbox, health: ComponentHealth, tmp_path: Path
) -> None:
    older = FolderLock(tmp_path)
    assert older.acquire()
    inbox.post(event)
    with pytest.raises(error):
        wait_for_folder_lock(tmp_path, inbox, reporter(health), health, LONG_S)
    older.close()


def test_a_report_that_fails_is_not_the_last_one(health: ComponentHealth) -> None:
    class Broken(Nucleus):
        def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
            super().publish(stream, message)
            if len(self.published) == 1:
                raise OSError("nobody foresaw it")
            if len(self.published) == 2:
                raise TransportError("away")
            raise NucleusGoneError("the end of this test")

    bus = Broken()
    thread = HealthReporter(bus, health, Inbox())
    thread.start()
    thread.join(LONG_S)
    assert not thread.is_alive()
    assert len(bus.published) == 3
