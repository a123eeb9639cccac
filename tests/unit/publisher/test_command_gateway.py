"""Commands from the cloud: noted once, answered, announced, and the mode that they bring."""

import sqlite3
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from publisher.command_gateway import AUDIT_WRITE_FAULT
from publisher.configuration import (
    AllowedCommand,
    PublisherConfiguration,
    RecordsConfiguration,
)
from sightline.errors import CloudUnreachableError, TransportError
from sightline.kernel.component import NewConfiguration
from sightline.messaging.memory_bus import MemoryBus
from sightline.messaging.messages import CommandOutcome, StationMode
from sightline.messaging.topics import (
    COMMAND,
    COMMAND_ACCEPTED,
    COMMAND_OUTCOME,
    GATE_ACTED,
    PART_JUDGED,
    STATION_MODE,
    MessageStream,
)
from tests.unit.publisher.conftest import MakeDesk
from tests.unit.publisher.publisher_kit import (
    STATION,
    PublisherUnderTest,
    a_verdict,
    an_outcome,
    wait_until,
)
from tests.unit.publisher.test_command_authorisation import ALLOWED, MINUTE_NS, PAUSE

CONFIGURATION = PublisherConfiguration(
    station_folder="station",
    records=RecordsConfiguration(rate_hz=1000.0),
    commands=replace(
        ALLOWED,
        allowed=(
            *ALLOWED.allowed,
            AllowedCommand(kind="bypass", issuers=("shift-leader",)),
            AllowedCommand(kind="maintenance", issuers=("shift-leader",)),
        ),
    ),
)
RESUME = replace(PAUSE, command_id="c-2", kind="resume", issued_by="quality")
THRESHOLD = replace(
    PAUSE,
    command_id="c-3",
    kind="set_threshold",
    issued_by="quality",
    arguments={"label": "scratch", "reject": 0.4},
)


class Faulty(MemoryBus):
    """A bus on which the named streams fail while told so."""

    failing: frozenset[str] = frozenset()

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        if stream.name in type(self).failing:
            raise (CloudUnreachableError if stream.route == "cloud" else TransportError)("away")
        super().publish(stream, message)


@pytest.fixture
def station(make_desk: MakeDesk) -> PublisherUnderTest:
    return make_desk(configuration=CONFIGURATION)


@pytest.fixture
def faulty_bus() -> type[Faulty]:
    class Bus(Faulty):
        """One of this test's own."""

    return Bus


def outcomes(desk: PublisherUnderTest, count: int) -> list[tuple[str, str]]:
    def told() -> list[tuple[str, str]]:
        found = desk.exchange.messages_on(COMMAND_OUTCOME)
        return [(o.command_id, o.result) for o in found if isinstance(o, CommandOutcome)]

    wait_until(lambda: len(told()) >= count)
    return told()


def mode(desk: PublisherUnderTest) -> StationMode:
    found = desk.exchange.messages_on(STATION_MODE)[-1]
    assert isinstance(found, StationMode)
    return found


def trail(desk: PublisherUnderTest) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(desk.folder / "commands.sqlite")
    rows = connection.execute(
        "SELECT json_extract(command, '$.command_id'), result, reason, repeats, told"
        " FROM commands ORDER BY sequence"
    ).fetchall()
    connection.close()
    return rows


def test_a_pause_is_done_announced_at_once_and_each_second_and_answered(
    station: PublisherUnderTest,
) -> None:
    assert mode(station).mode == "production"
    station.deliver(COMMAND, PAUSE)
    assert (mode(station).mode, mode(station).command_id) == ("paused", "c-1")
    assert outcomes(station, 1) == [("c-1", "done")]
    before = len(station.exchange.messages_on(STATION_MODE))
    station.pass_seconds(1)
    assert len(station.exchange.messages_on(STATION_MODE)) == before + 1
    assert mode(station).mode == "paused"
    assert station.health.build_report().gauges["paused"] == 1
    station.deliver(COMMAND, RESUME)
    assert mode(station).mode == "production"
    assert outcomes(station, 2) == [("c-1", "done"), ("c-2", "done")]


def test_the_pause_outlasts_a_restart(station: PublisherUnderTest) -> None:
    station.deliver(COMMAND, PAUSE)
    since_ns = mode(station).since_utc_ns
    station.kill()
    station.exchange.published.clear()
    station.clock.pass_seconds(100)
    station.start()
    assert (mode(station).mode, mode(station).since_utc_ns) == ("paused", since_ns)


def test_each_record_says_in_which_mode_its_part_was_judged(station: PublisherUnderTest) -> None:
    paused_ns = PAUSE.issued_utc_ns + 10_000_000_000
    station.pass_seconds(10)
    station.deliver(COMMAND, PAUSE)
    station.deliver(PART_JUDGED, a_verdict(1, judged_utc_ns=paused_ns - 1))
    station.deliver(PART_JUDGED, a_verdict(2, judged_utc_ns=paused_ns))
    station.pass_seconds(10)
    station.deliver(COMMAND, RESUME)
    station.deliver(PART_JUDGED, a_verdict(3, judged_utc_ns=paused_ns + 9_999_999_999))
    station.deliver(PART_JUDGED, a_verdict(4, judged_utc_ns=paused_ns + 10_000_000_000))
    station.deliver(GATE_ACTED, *(an_outcome(number) for number in range(1, 5)))
    modes = [record.mode for record in station.records(4)]
    assert modes == ["production", "paused", "paused", "production"]


def test_a_command_that_comes_again_is_not_done_again_but_answered_again(
    station: PublisherUnderTest,
) -> None:
    station.deliver(COMMAND, PAUSE)
    station.deliver(COMMAND, RESUME)
    outcomes(station, 2)
    station.deliver(COMMAND, PAUSE, replace(PAUSE, kind="resume", issued_by="quality"))
    assert mode(station).mode == "production"
    assert outcomes(station, 3)[2] == ("c-1", "done")
    assert station.counter("commands_repeated") == 2
    assert [row[:4] for row in trail(station)] == [("c-1", "done", "", 2), ("c-2", "done", "", 0)]


def test_what_is_refused_is_noted_and_answered_and_nothing_is_done(
    station: PublisherUnderTest,
) -> None:
    station.deliver(
        COMMAND,
        replace(PAUSE, issued_by="guest"),
        replace(PAUSE, command_id="c-8", kind="explode"),
        replace(PAUSE, command_id="c-9", issued_utc_ns=0, expires_utc_ns=MINUTE_NS),
    )
    told = [("c-1", "refused"), ("c-8", "refused"), ("c-9", "expired")]
    assert outcomes(station, 3) == told
    wait_until(lambda: all(row[4] for row in trail(station)))
    assert [row[:2] for row in trail(station)] == told
    assert "not allowed to 'guest'" in trail(station)[0][2]
    assert mode(station).mode == "production"
    assert station.exchange.messages_on(COMMAND_ACCEPTED) == []


def test_what_is_no_command_changes_nothing(station: PublisherUnderTest) -> None:
    station.exchange.publish(COMMAND, b'{"command_id": "c-1", "kind": "pause"}')
    station.run_due()
    assert trail(station) == []


def test_a_command_for_another_component_is_told_to_the_station(
    station: PublisherUnderTest,
) -> None:
    station.deliver(COMMAND, THRESHOLD)
    assert outcomes(station, 1) == [("c-3", "accepted")]
    (accepted,) = station.exchange.messages_on(COMMAND_ACCEPTED)
    assert msgspec.structs.asdict(accepted) == {
        "station_id": STATION,
        "schema_version": 1,
        "command_id": "c-3",
        "kind": "set_threshold",
        "issued_by": "quality",
        "sequence": 1,
        "accepted_utc_ns": station.clock.utc,
        "expires_utc_ns": THRESHOLD.expires_utc_ns,
        "arguments": {"label": "scratch", "reject": 0.4},
    }


@pytest.mark.parametrize("kind", ["bypass", "maintenance"])
def test_bypass_and_maintenance_are_modes_that_the_station_keeps(
    kind: str, station: PublisherUnderTest
) -> None:
    station.deliver(COMMAND, replace(PAUSE, kind=kind))
    assert mode(station).mode == kind
    assert outcomes(station, 1) == [("c-1", "done")]
    assert station.health.build_report().facts["mode"] == kind
    station.kill()
    station.start()
    assert mode(station).mode == kind


def test_answers_and_announcements_that_fail_come_later_also_after_a_restart(
    make_desk: MakeDesk, faulty_bus: type[Faulty]
) -> None:
    faulty_bus.failing = frozenset({"CommandOutcome", "CommandAccepted", "StationMode"})
    desk = make_desk(configuration=CONFIGURATION, bus_of=faulty_bus)
    desk.deliver(COMMAND, THRESHOLD, PAUSE)
    wait_until(lambda: "cloud-unreachable-command-outcomes" in desk.faults())
    desk.kill()
    faulty_bus.failing = frozenset()
    desk.start()
    assert outcomes(desk, 2) == [("c-3", "accepted"), ("c-1", "done")]
    assert len(desk.exchange.messages_on(COMMAND_ACCEPTED)) == 2
    assert mode(desk).mode == "paused"


def test_nothing_is_done_that_the_disk_does_not_note(station: PublisherUnderTest) -> None:
    disk = station.recorder._commands._audit._writer
    disk.execute("PRAGMA query_only = ON")
    station.deliver(COMMAND, PAUSE)
    assert AUDIT_WRITE_FAULT in station.faults()
    assert mode(station).mode == "production"
    assert station.counter("commands_not_taken") == 1
    disk.execute("PRAGMA query_only = OFF")
    station.deliver(COMMAND, PAUSE)
    assert mode(station).mode == "paused"
    assert AUDIT_WRITE_FAULT not in station.faults()


def test_what_is_allowed_changes_with_the_configuration(station: PublisherUnderTest) -> None:
    nothing = PublisherConfiguration(station_folder="station")
    station.inbox.post(NewConfiguration(nothing))
    station.deliver(COMMAND, PAUSE)
    assert outcomes(station, 1) == [("c-1", "refused")]
    assert mode(station).mode == "production"
