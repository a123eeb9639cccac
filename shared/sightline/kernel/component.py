"""The shape of every component: what it handles, what it does periodically, what it does on command.

    class InferenceComponent(Component[InferenceConfiguration]):
        @on(PartCaptured)
        def part_captured(self, captured: PartCaptured) -> None: ...

        @every(seconds=1)
        def refresh_products(self) -> None: ...

        @command("set_threshold", SetThreshold)
        def set_threshold(self, arguments: SetThreshold, next_part: Part | None) -> Reply: ...

All of it runs on the component's main thread, one after the other. The loop that drives it is in
`component_loop`; errors that nobody foresaw end there and become a fault.
"""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from sightline.clock import Clock
from sightline.configuration import ConfigurationStruct
from sightline.errors import NucleusGoneError, RestartNeededError
from sightline.kernel.command_execution import (
    CommandExecution,
    CommandReplies,
    Reply,
    ReplyPublisher,
)
from sightline.kernel.health import ComponentHealth
from sightline.kernel.interval_timer import IntervalTimer
from sightline.kernel.message_publisher import MessagePublisher
from sightline.kernel.stream_freshness import StreamSilent
from sightline.messaging.bus import Delivery, Inbox, MessageBus, NoNucleus, NucleusControl
from sightline.messaging.messages import CommandAccepted, CommandKind, Part, StationMessage
from sightline.messaging.topics import MessageStream

log = logging.getLogger(__name__)

C = TypeVar("C", bound=ConfigurationStruct)
F = TypeVar("F", bound=Callable[..., object])
MARKS = "_kernel_marks"


@dataclass(frozen=True)
class ComponentContext(Generic[C]):
    """What a component is built from."""

    configuration: C
    bus: MessageBus
    inbox: Inbox
    clock: Clock
    health: ComponentHealth
    station_id: str
    work_folder: Path
    nucleus: NucleusControl = field(default_factory=NoNucleus)

    @cached_property
    def publisher(self) -> MessagePublisher:
        """The one way to publish; may be used from any thread."""
        return MessagePublisher(self.bus, self.health)

    def publish(self, stream: MessageStream, message: StationMessage) -> bool:
        """Publish; False if the message could not be handed over, which is counted and a fault."""
        return self.publisher.publish(stream, message)


@dataclass(frozen=True)
class NewConfiguration:
    """An event: the nucleus has a new configuration for the component, and it is valid."""

    configuration: ConfigurationStruct


@dataclass(frozen=True)
class _HandlerMark:
    types: tuple[type, ...]


@dataclass(frozen=True)
class _TimerMark:
    seconds: float | Callable[[Any], float]


@dataclass(frozen=True)
class _CommandMark:
    kind: CommandKind
    arguments: type[ConfigurationStruct] | None


@dataclass(frozen=True)
class _ErrorMark:
    types: tuple[type[Exception], ...]


def on(*types: type) -> Callable[[F], F]:
    """The method handles messages, or events of the component's own threads, of these types."""
    return _build_marker(_HandlerMark(types))


def every(*, seconds: float | Callable[[Any], float]) -> Callable[[F], F]:
    """The method runs at this interval, first at once; a function of the component gives a configured one."""
    return _build_marker(_TimerMark(seconds))


def command(
    kind: CommandKind, arguments: type[ConfigurationStruct] | None = None
) -> Callable[[F], F]:
    """The method carries out commands of this kind; see `command_execution`.

    It gets the typed arguments (without a type: by name as they are) and the part from which on a change
    holds, and returns a `Reply`, or None if the reply follows later, or `NO_REPLY`. `CommandError` refuses
    the command, which is `current_command` meanwhile.
    """
    return _build_marker(_CommandMark(kind, arguments))


def on_error(*types: type[Exception]) -> Callable[[F], F]:
    """The method takes what handlers, timers and commands raise of these types: a foreseen error.

    Of two methods the one for the nearer type takes it.
    """
    return _build_marker(_ErrorMark(types))


def _build_marker(mark: object) -> Callable[[F], F]:
    def mark_method(method: F) -> F:
        setattr(method, MARKS, [*getattr(method, MARKS, []), mark])
        return method

    return mark_method


class Component(Generic[C]):
    """Base of all components; the loop calls `handle`, `tick` and `close`."""

    _handler_names: dict[type, str]
    _timer_marks: dict[str, _TimerMark]
    _command_marks: dict[CommandKind, tuple[str, type[ConfigurationStruct] | None]]
    _error_names: dict[type[Exception], str]
    current_command: CommandAccepted  # whose handler runs now

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Collect what the methods are marked with; TypeError if two methods want the same."""
        super().__init_subclass__(**keywords)
        cls._handler_names, cls._timer_marks = {}, {}
        cls._command_marks, cls._error_names = {}, {}
        names = {name: None for base in reversed(cls.__mro__) for name in vars(base)}
        for name in names:  # in the order in which they are written: so timers run
            for mark in getattr(getattr(cls, name, None), MARKS, ()):
                cls._collect_mark(name, mark)

    @classmethod
    def _collect_mark(cls, name: str, mark: object) -> None:
        if isinstance(mark, _HandlerMark):
            for event_type in mark.types:
                _add_unique_entry(cls._handler_names, event_type, name)
        elif isinstance(mark, _TimerMark):
            cls._timer_marks[name] = mark
        elif isinstance(mark, _CommandMark):
            _add_unique_entry(cls._command_marks, mark.kind, (name, mark.arguments))
        elif isinstance(mark, _ErrorMark):
            for error_type in mark.types:
                _add_unique_entry(cls._error_names, error_type, name)

    def __init__(self, context: ComponentContext[C]) -> None:
        self.context = context
        self.configuration: C = context.configuration
        self.health = context.health
        self.clock = context.clock
        self.received_monotonic_ns = 0  # of the message that is being handled
        self._command_executions: dict[CommandKind, CommandExecution] = {}
        self._interval_timers: dict[str, IntervalTimer] = {}
        self._start_timers()

    @classmethod
    def handled_types(cls) -> frozenset[type]:
        """The types of messages and events that the component handles."""
        return frozenset(cls._handler_names)

    def handle(self, event: object) -> None:
        """Dispatch a message of the bus, or an event of the component's own threads."""
        subject = event
        if isinstance(event, Delivery):
            subject = event.message
            self.received_monotonic_ns = event.received_monotonic_ns
        if isinstance(subject, NewConfiguration):
            self._handle_new_configuration(subject)
            return
        name = self._handler_names.get(type(subject))
        if name is not None:
            with self.foreseen_errors():
                getattr(self, name)(subject)
        elif isinstance(subject, CommandAccepted):
            self.execute_command(subject)
        else:
            self.handle_other(event)

    def handle_other(self, event: object) -> None:
        """An event that no method is marked for; a silence is a fault already."""
        if not isinstance(event, StreamSilent):
            log.warning("unknown event", extra={"event": repr(event)})

    def tick(self) -> float:
        """Do what is due; returns the seconds until the next tick is wanted.

        What fails does not keep the rest from being done; the first error is raised at the end.
        """
        errors: list[Exception] = []
        waits_s = [self._attempt_work(self.between_events, errors)]
        for name, timer in self._interval_timers.items():
            if timer.advance_if_due(self.clock.monotonic_ns()):
                self._attempt_work(getattr(self, name), errors)
        if errors:
            raise errors[0]
        now_ns = self.clock.monotonic_ns()
        waits_s += [(timer.next_ns - now_ns) / 1e9 for timer in self._interval_timers.values()]
        return max(0.0, min((wait_s for wait_s in waits_s if wait_s is not None), default=1.0))

    def between_events(self) -> float | None:
        """Work to be done after each event and before each wait; the seconds until it is wanted again."""
        return None

    def reconfigure(self, before: C) -> None:
        """Put `self.configuration`, which is new, into force in place of `before`."""

    def close(self) -> None:
        """Finish the part in hand and close what holds a resource."""

    def publish(self, stream: MessageStream, message: StationMessage) -> bool:
        """Publish; False if the message could not be handed over, which is counted and a fault."""
        return self.context.publish(stream, message)

    def accept_commands(
        self,
        replies: CommandReplies,
        next_part: Callable[[], Part | None] = lambda: None,
        *,
        kinds: Collection[CommandKind] | None = None,
        publisher: ReplyPublisher | None = None,
    ) -> CommandExecution:
        """Carry out commands from now on, with their replies kept in `replies`.

        Of `kinds` only, where these are given: others may have their replies elsewhere. `publisher` is for
        replies that may have to wait for the cloud, as the main thread must not.
        """
        handlers = {
            kind: (arguments, getattr(self, name))
            for kind, (name, arguments) in self._command_marks.items()
            if kinds is None or kind in kinds
        }
        execution = CommandExecution(
            publisher or self.context.publisher, self.clock, replies, handlers, next_part
        )
        self._command_executions.update(dict.fromkeys(handlers, execution))
        return execution

    def execute_command(self, accepted: CommandAccepted) -> None:
        """Carry out a command once, if a method is marked for it; a repeat gets the same reply."""
        execution = self._command_executions.get(accepted.kind)
        if execution is not None:
            self.current_command = accepted
            with self.foreseen_errors():
                execution.execute(accepted)

    @contextmanager
    def foreseen_errors(self) -> Iterator[None]:
        """Hand a foreseen error of one piece of work to its method, so that the rest is done all the same."""
        try:
            yield
        except Exception as error:
            name = next(
                (self._error_names[t] for t in type(error).__mro__ if t in self._error_names), None
            )
            if name is None:
                raise
            getattr(self, name)(error)

    def _attempt_work(self, work: Callable[[], Any], errors: list[Exception]) -> float | None:
        try:
            with self.foreseen_errors():
                found: float | None = work()
                return found
        except (NucleusGoneError, RestartNeededError):
            raise
        except Exception as error:  # noqa: BLE001 it is raised when the rest is done
            errors.append(error)
        return None

    def _handle_new_configuration(self, event: NewConfiguration) -> None:
        before = self.configuration
        assert isinstance(event.configuration, type(before))
        self.configuration = event.configuration
        try:
            with self.foreseen_errors():
                self.reconfigure(before)
        finally:
            self._start_timers()

    def _start_timers(self) -> None:
        """All at the start; after a new configuration those whose interval it gives."""
        now_ns = self.clock.monotonic_ns()
        for name, mark in self._timer_marks.items():
            if callable(mark.seconds):
                self._interval_timers[name] = IntervalTimer(mark.seconds(self), now_ns)
            elif name not in self._interval_timers:
                self._interval_timers[name] = IntervalTimer(mark.seconds, now_ns)


K = TypeVar("K")
V = TypeVar("V")


def _add_unique_entry(table: dict[K, V], key: K, value: V) -> None:
    if key in table and table[key] != value:
        raise TypeError(f"{table[key]} and {value} both want {key}")
    table[key] = value


__all__ = [
    "Component",
    "ComponentContext",
    "NewConfiguration",
    "Reply",
    "command",
    "every",
    "on",
    "on_error",
]
