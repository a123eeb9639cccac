"""What the nucleus does not take is counted, a warning while it lasts, and returned as not published."""

import threading
from typing import Any

import pytest

from sightline.errors import MessageError, NucleusGoneError
from sightline.kernel.health import ComponentHealth
from sightline.kernel.message_publisher import MessagePublisher
from sightline.messaging.messages import Part, PartSettled
from sightline.messaging.topics import COMMISSIONING_STEP, GATE_ACTED, PART_SETTLED
from tests.unit.shared.kernel_kit import HandMovedClock, RefusingBus

SETTLED = PartSettled(station_id="line-1", up_to=Part(1, 7), begins=False)


@pytest.fixture
def bus() -> RefusingBus:
    return RefusingBus()


@pytest.fixture
def health() -> ComponentHealth:
    return ComponentHealth("com.sightline.Capture", "1.0.0", "line-1", HandMovedClock())


@pytest.fixture
def publisher(bus: RefusingBus, health: ComponentHealth) -> MessagePublisher:
    return MessagePublisher(bus, health)


def faults(health: ComponentHealth) -> dict[str, str]:
    return {fault.code: fault.text for fault in health.build_report().faults}


def test_a_message_that_is_taken_leaves_no_trace(
    publisher: MessagePublisher, bus: RefusingBus, health: ComponentHealth
) -> None:
    assert publisher.publish(PART_SETTLED, SETTLED)
    assert bus.published == [("PartSettled", SETTLED)]
    assert faults(health) == {}


@pytest.mark.parametrize(
    "error", [MessageError("too large"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogate")]
)
def test_a_message_that_cannot_be_encoded_is_not_published_and_ends_nothing(
    publisher: MessagePublisher, bus: RefusingBus, health: ComponentHealth, error: Exception
) -> None:
    bus.refuses = {"PartSettled": error}
    assert not publisher.publish(PART_SETTLED, SETTLED)
    assert health.build_report().counters["messages_not_published"] == 1


def test_the_warning_names_the_stream_and_goes_with_the_next_message_that_is_taken(
    publisher: MessagePublisher, bus: RefusingBus, health: ComponentHealth
) -> None:
    bus.refuse(PART_SETTLED)
    assert not publisher.publish(PART_SETTLED, SETTLED)
    assert faults(health) == {"messages-not-published": "Cannot publish PartSettled: no room"}
    assert publisher.publish(GATE_ACTED, SETTLED)
    assert faults(health) == {}


def test_a_cloud_that_takes_nothing_is_another_warning_than_a_nucleus_that_takes_nothing(
    publisher: MessagePublisher, bus: RefusingBus, health: ComponentHealth
) -> None:
    bus.refuse(COMMISSIONING_STEP)
    assert not publisher.publish(COMMISSIONING_STEP, SETTLED)
    assert publisher.publish(PART_SETTLED, SETTLED)
    assert set(faults(health)) == {"cloud-messages-not-published"}


def test_a_nucleus_that_is_gone_is_no_warning_but_the_end(
    publisher: MessagePublisher, bus: RefusingBus
) -> None:
    bus.refuses = {"PartSettled": NucleusGoneError("closed")}
    with pytest.raises(NucleusGoneError):
        publisher.publish(PART_SETTLED, SETTLED)


def test_a_message_that_is_taken_just_as_another_is_refused_leaves_no_warning_for_ever(
    bus: RefusingBus,
) -> None:
    others: list[threading.Thread] = []

    class OvertakenHealth(ComponentHealth):
        def raise_fault(self, *arguments: Any) -> bool:
            other = threading.Thread(target=shared.publish, args=(GATE_ACTED, SETTLED))
            others.append(other)
            other.start()
            other.join(0.2)
            return super().raise_fault(*arguments)

    health = OvertakenHealth("com.sightline.Capture", "1.0.0", "line-1", HandMovedClock())
    shared = MessagePublisher(bus, health)
    bus.refuse(PART_SETTLED)
    assert not shared.publish(PART_SETTLED, SETTLED)
    others[0].join()
    assert shared.publish(GATE_ACTED, SETTLED)
    assert faults(health) == {}
