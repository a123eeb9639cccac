"""Commands that fit a message, and whose announcement to the components does not."""

import pytest
from msgspec.structs import replace

from publisher.command_authorisation import CommandDecision
from sightline.messaging.codec import encode_of_any_size
from sightline.messaging.messages import Command
from sightline.messaging.topics import COMMAND, COMMAND_ACCEPTED
from tests.unit.publisher.conftest import MakeDesk
from tests.unit.publisher.publisher_kit import PublisherUnderTest, wait_until
from tests.unit.publisher.test_command_authorisation import PAUSE
from tests.unit.publisher.test_command_gateway import (
    CONFIGURATION,
    THRESHOLD,
    mode,
    outcomes,
    trail,
)


def of_size(command: Command, size_bytes: int) -> Command:
    """The command with a remark that makes it so large."""
    lacking = size_bytes - len(encode_of_any_size(replace(command, arguments={"remark": ""})))
    return replace(command, arguments={"remark": "x" * lacking})


@pytest.fixture
def station(make_desk: MakeDesk) -> PublisherUnderTest:
    return make_desk(configuration=CONFIGURATION)


def test_a_command_too_large_to_be_told_is_refused_and_nothing_ends_also_after_a_restart(
    station: PublisherUnderTest,
) -> None:
    station.deliver(COMMAND, of_size(THRESHOLD, 6650))
    assert outcomes(station, 1) == [("c-3", "refused")]
    assert station.counter("commands_accepted") == 0
    assert "at most 6656 are allowed" in trail(station)[0][2]
    station.kill()
    station.start()
    assert station.exchange.messages_on(COMMAND_ACCEPTED) == []
    station.deliver(COMMAND, PAUSE)
    assert mode(station).mode == "paused"


def test_one_that_was_noted_before_that_was_looked_at_ends_no_start(
    station: PublisherUnderTest,
) -> None:
    audit, now_ns = station.recorder._commands._audit, station.clock.utc_ns()
    audit.append(of_size(THRESHOLD, 6650), CommandDecision("accepted"), now_ns, None)
    audit.append(of_size(PAUSE, 6650), CommandDecision("done"), now_ns, None)
    station.kill()
    station.start()
    assert [row[:2] for row in trail(station)] == [("c-3", "refused"), ("c-1", "done")]
    wait_until(lambda: ("c-3", "refused") in outcomes(station, 2))
    assert station.recorder._commands._audit.load_unannounced() == []
