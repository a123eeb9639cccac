"""A component says what it handles, when it works and which errors it foresees; the kernel does the rest."""

from pathlib import Path

import pytest

from sightline.errors import NucleusGoneError, RetryableError
from sightline.kernel.component import Component, NewConfiguration, every, on, on_error
from sightline.kernel.stream_freshness import StreamSilent
from sightline.messaging.bus import Delivery
from sightline.messaging.messages import Part, PartSettled
from sightline.messaging.topics import PART_SETTLED
from tests.unit.shared.kernel_kit import (
    HandMovedClock,
    KernelConfiguration,
    RefusingBus,
    build_context,
)


class DiskError(RetryableError):
    """Foreseen by the component below."""


class DamageError(DiskError):
    """A kind of it that has a method of its own."""


class RecordingComponent(Component[KernelConfiguration]):
    """Writes down what it is called for."""

    def __init__(self, folder: Path, clock: HandMovedClock) -> None:
        self.calls: list[str] = []
        self.raises: dict[str, Exception] = {}
        self.wanted_s: float | None = None
        super().__init__(build_context(folder, clock, RefusingBus()))

    def note(self, call: str) -> None:
        self.calls.append(call)
        if call in self.raises:
            raise self.raises[call]

    @on(PartSettled)
    def part_settled(self, settled: PartSettled) -> None:
        self.note(f"settled {settled.up_to.part_number} at {self.received_monotonic_ns}")

    @on(str, int)
    def own_event(self, event: object) -> None:
        self.note(f"event {event}")

    @every(seconds=1)
    def each_second(self) -> None:
        self.note("second")

    @every(seconds=lambda component: component.configuration.interval_s)
    def each_interval(self) -> None:
        self.note("interval")

    @on_error(DiskError)
    def disk_failed(self, error: DiskError) -> None:
        self.calls.append(f"disk: {error}")

    @on_error(DamageError)
    def disk_damaged(self, error: DamageError) -> None:
        self.calls.append(f"damage: {error}")

    def between_events(self) -> float | None:
        self.note("between")
        return self.wanted_s

    def reconfigure(self, before: KernelConfiguration) -> None:
        self.note(f"from {before.interval_s:g} to {self.configuration.interval_s:g}")


@pytest.fixture
def clock() -> HandMovedClock:
    return HandMovedClock()


@pytest.fixture
def component(tmp_path: Path, clock: HandMovedClock) -> RecordingComponent:
    return RecordingComponent(tmp_path, clock)


def test_a_message_goes_to_its_method_with_the_time_at_which_it_came(
    component: RecordingComponent,
) -> None:
    settled = PartSettled(station_id="line-1", up_to=Part(1, 7), begins=False)
    component.handle(Delivery(PART_SETTLED, settled, 42))
    component.handle("of a thread")
    component.handle(3)
    assert component.calls == ["settled 7 at 42", "event of a thread", "event 3"]


def test_an_event_that_nobody_handles_does_no_harm(component: RecordingComponent) -> None:
    component.handle(object())
    assert component.calls == []


def test_periodic_work_comes_at_once_and_then_each_interval(
    component: RecordingComponent, clock: HandMovedClock
) -> None:
    assert component.tick() == pytest.approx(1.0)
    assert component.calls == ["between", "second", "interval"]
    component.calls.clear()
    clock.move(0.5)
    assert component.tick() == pytest.approx(0.5)
    assert component.calls == ["between"]
    clock.move(0.5)
    component.tick()
    assert component.calls == ["between", "between", "second"]


def test_intervals_that_were_slept_through_are_not_made_up_for(
    component: RecordingComponent, clock: HandMovedClock
) -> None:
    component.tick()
    component.calls.clear()
    clock.move(4.2)
    assert component.tick() == pytest.approx(0.8)
    assert component.calls.count("second") == 1


def test_work_between_events_may_want_to_come_sooner(component: RecordingComponent) -> None:
    component.wanted_s = 0.05
    assert component.tick() == pytest.approx(0.05)


def test_what_fails_does_not_keep_the_rest_from_being_done(component: RecordingComponent) -> None:
    component.raises = {"between": ValueError("first"), "second": ValueError("second")}
    with pytest.raises(ValueError, match="first"):
        component.tick()
    assert component.calls == ["between", "second", "interval"]


def test_a_nucleus_that_is_gone_ends_everything_at_once(component: RecordingComponent) -> None:
    component.raises = {"between": NucleusGoneError("closed")}
    with pytest.raises(NucleusGoneError):
        component.tick()
    assert component.calls == ["between"]


def test_a_foreseen_error_goes_to_its_method_wherever_it_was_raised(
    component: RecordingComponent,
) -> None:
    component.raises = {"second": DiskError("full"), "event 1": DiskError("full")}
    component.handle(1)
    component.tick()
    assert component.calls == [
        *("event 1", "disk: full"),
        *("between", "second", "disk: full", "interval"),
    ]


def test_a_foreseen_error_goes_to_the_method_of_the_nearer_type(
    component: RecordingComponent,
) -> None:
    component.raises = {"event 1": DamageError("garbled")}
    component.handle(1)
    assert component.calls == ["event 1", "damage: garbled"]


def test_a_piece_of_work_that_fails_as_foreseen_leaves_the_rest_to_be_done(
    component: RecordingComponent,
) -> None:
    component.raises = {"one": DiskError("full"), "two": ValueError("a mistake")}
    with component.foreseen_errors():
        component.note("one")
    with pytest.raises(ValueError, match="mistake"), component.foreseen_errors():
        component.note("two")
    assert component.calls == ["one", "disk: full", "two"]


def test_a_new_configuration_is_in_force_and_its_interval_begins_at_once(
    component: RecordingComponent, clock: HandMovedClock
) -> None:
    component.tick()
    component.calls.clear()
    component.handle(NewConfiguration(KernelConfiguration(interval_s=0.2)))
    assert component.tick() == pytest.approx(0.2)
    assert component.calls == ["from 5 to 0.2", "between", "interval"]


def test_intervals_of_a_new_configuration_hold_even_if_it_cannot_be_put_into_force(
    component: RecordingComponent, clock: HandMovedClock
) -> None:
    component.tick()
    component.raises = {"from 5 to 0.2": OSError("no more files")}
    with pytest.raises(OSError, match="files"):
        component.handle(NewConfiguration(KernelConfiguration(interval_s=0.2)))
    assert component.tick() == pytest.approx(0.2)


def test_a_silence_that_a_component_does_nothing_about_is_no_unknown_event(
    component: RecordingComponent, caplog: pytest.LogCaptureFixture
) -> None:
    component.handle(StreamSilent(PART_SETTLED))
    assert caplog.records == []
    component.handle(object())
    assert [record.message for record in caplog.records] == ["unknown event"]


def test_two_methods_for_one_message_are_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="both want"):

        class Torn(Component[KernelConfiguration]):
            @on(PartSettled)
            def one(self, settled: PartSettled) -> None: ...

            @on(PartSettled)
            def other(self, settled: PartSettled) -> None: ...


def test_a_subclass_keeps_what_its_base_handles(component: RecordingComponent) -> None:
    class Narrower(RecordingComponent):
        @on(float)
        def more(self, event: float) -> None: ...

    assert Narrower.handled_types() == RecordingComponent.handled_types() | {float}
