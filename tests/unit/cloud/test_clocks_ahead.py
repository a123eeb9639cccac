"""A station whose clock was ahead once is shown as it is now, not as it was then."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.live.camera_views import CameraViews
from cloud.live.site_summary import SiteSummary
from cloud.store.sqlite_store import SqliteStore
from cloud.store.stored_messages import (
    CommitResult,
    MessageBatch,
    StoredHealth,
    StoredState,
    StoredView,
)
from sightline.messaging.codec import encode
from sightline.messaging.messages import CameraView
from tests.cloud.example_records import THING, health, machine_state

MINUTE_NS = 60_000_000_000
NOW_NS = 1_790_000_000_000_000_000
NAME = "com.sightline.Capture"
AHEAD_NS = 90 * MINUTE_NS


def told(by_station_ns: int, received_ns: int, fault: str = "") -> MessageBatch:
    """Health and machine state as a station's clock says, and when they came."""
    of_capture = health(NAME, by_station_ns, fault=fault)
    of_machine = machine_state(by_station_ns)
    return MessageBatch(
        health=[StoredHealth(THING, of_capture, encode(of_capture).decode(), received_ns)],
        states=[StoredState(THING, of_machine, encode(of_machine).decode(), received_ns)],
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "records.sqlite")
    yield store
    store.close()


def times_in(store: SqliteStore) -> list[int]:
    history = store.load_history()
    times = [stored.health.at_utc_ns for stored in history.health]
    return times + [stored.state.state_utc_ns for stored in history.states]


@pytest.mark.parametrize(("ahead_ns", "kept_ns"), [(AHEAD_NS, 1), (MINUTE_NS, MINUTE_NS)])
def test_a_clock_set_right_replaces_what_was_told_by_the_clock_that_was_ahead(
    store: SqliteStore, ahead_ns: int, kept_ns: int
) -> None:
    summary = SiteSummary()
    for batch in (told(NOW_NS + ahead_ns, NOW_NS), told(NOW_NS + 1, NOW_NS + 1)):
        summary.add(batch, store.commit(batch))
    found = summary.snapshot(NOW_NS)
    assert times_in(store) == [NOW_NS + kept_ns] * 2
    replaced = kept_ns == 1
    assert (found["health"][NAME]["at_utc_ns"] == NOW_NS + 1) == replaced
    assert (found["machine"]["conveyor-1"]["state_utc_ns"] == NOW_NS + 1) == replaced


def test_what_is_told_by_a_clock_ahead_is_as_old_as_its_arrival() -> None:
    summary = SiteSummary()
    summary.add(told(NOW_NS + AHEAD_NS, NOW_NS), CommitResult((), 0))
    found = summary.snapshot(NOW_NS + MINUTE_NS)
    assert found["health"][NAME]["at_utc_ns"] == NOW_NS
    assert found["machine"]["conveyor-1"]["state_utc_ns"] == NOW_NS


def test_a_fault_told_by_a_clock_ahead_does_not_last_into_the_future(store: SqliteStore) -> None:
    store.commit(told(NOW_NS + AHEAD_NS, NOW_NS, fault="the PLC is away"))
    (fault,) = store.load_faults(THING, 0)
    assert fault.until_utc_ns == NOW_NS


def test_a_camera_is_seen_again_after_the_clock_was_set_right() -> None:
    views = CameraViews()
    for seen_ns, received_ns, sequence in ((NOW_NS + AHEAD_NS, NOW_NS, 1), (NOW_NS, NOW_NS, 2)):
        view = CameraView(
            station_id=THING,
            camera="cam1",
            device="/dev/video0",
            sequence=sequence,
            seen_utc_ns=seen_ns,
            width=640,
            height=480,
            focus=1.0,
            brightness=1.0,
            picture_key="live/cam1.jpg",
        )
        views.add([StoredView(THING, view, received_ns)])
    assert [view["sequence"] for view in views.for_station(THING)] == [2]
