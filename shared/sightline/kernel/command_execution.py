"""The execution of a command: once, before it expires, with a reply that is stored with what it changed.

The publisher sends an accepted command again until it has its reply. So a repeat changes nothing and gets
the same reply.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sightline.clock import Clock
from sightline.configuration import ConfigurationStruct
from sightline.errors import CommandError, ModelError
from sightline.kernel.commands import parse_arguments, read_arguments, refuse_expired
from sightline.messaging.messages import (
    CommandAccepted,
    CommandCarriedOut,
    CommandKind,
    CommandResult,
    CommissioningStep,
    Part,
    StationMessage,
)
from sightline.messaging.topics import MessageStream

log = logging.getLogger(__name__)

CommandReply = CommandCarriedOut | CommissioningStep


def _change_nothing() -> None:
    pass


@dataclass(frozen=True)
class Reply:
    """What a command came to: a text for the person, and what it changes.

    `change` is stored by `CommandReplies` together with the reply; `apply` puts it into force once both
    are on disk.
    """

    text: str
    change: Any = None
    apply: Callable[[], None] = _change_nothing


NO_REPLY = Reply(
    ""
)  # of a handler: nobody waits for a reply, and a repeat may be carried out again


class ReplyPublisher(Protocol):
    """What a reply goes out by."""

    def publish(self, stream: MessageStream, message: StationMessage) -> bool:
        """Hand a message over; False if it was not taken."""


class CommandReplies(Protocol):
    """Where a component keeps the replies to commands."""

    stream: MessageStream  # on which they are published

    def find_reply(self, command_id: str) -> CommandReply | None:
        """The reply that a command got, or None if it is new."""

    def store_reply(
        self, command: CommandAccepted, result: CommandResult, reply: Reply, from_part: Part | None
    ) -> CommandReply:
        """Store the reply and its change as one; returns the message to be published.

        An error of the disk means that nothing was stored: the command comes again. A message that says
        refused in its place means so too, and nothing is put into force.
        """


CommandHandler = Callable[[Any, Part | None], Reply | None]


class CommandExecution:
    """Carries out the commands of one component. `execute` runs on the main thread, `finish` on any."""

    def __init__(
        self,
        publisher: ReplyPublisher,
        clock: Clock,
        replies: CommandReplies,
        handlers: Mapping[CommandKind, tuple[type[ConfigurationStruct] | None, CommandHandler]],
        next_part: Callable[[], Part | None],
    ) -> None:
        self._publisher = publisher
        self._clock = clock
        self._replies = replies
        self._handlers = handlers
        self._next_part = next_part
        self._lock = threading.Lock()
        self._unfinished: dict[str, CommandAccepted] = {}

    def execute(self, command: CommandAccepted) -> None:
        """Carry the command out, unless it is another component's, in progress or has its reply."""
        if command.kind not in self._handlers or command.command_id in self._unfinished:
            return
        known = self._replies.find_reply(command.command_id)
        if known is not None:
            self._publisher.publish(self._replies.stream, known)
            return
        arguments_type, handler = self._handlers[command.kind]
        next_part = self._next_part()
        with self._lock:
            self._unfinished[command.command_id] = command
        try:
            refuse_expired(command, self._clock.utc_ns())
            arguments = (
                read_arguments(command)
                if arguments_type is None
                else parse_arguments(command, arguments_type)
            )
            reply = handler(arguments, next_part)
        except (CommandError, ModelError) as error:
            self._finish(command, "refused", Reply(str(error)), None)
        except BaseException:
            self._forget(command)
            raise
        else:
            if reply is NO_REPLY:
                self._forget(command)
            elif reply is not None:
                self._finish(command, "done", reply, next_part)

    def finish(self, command_id: str, result: CommandResult, text: str, change: Any = None) -> None:
        """Give the reply to a command whose handler returned None; of one that has its reply, nothing."""
        command = self._unfinished.get(command_id)
        if command is not None:
            self._finish(command, result, Reply(text, change), None)

    def is_unfinished(self, command_id: str) -> bool:
        """Whether the command waits for its reply."""
        return command_id in self._unfinished

    def _finish(
        self, command: CommandAccepted, result: CommandResult, reply: Reply, from_part: Part | None
    ) -> None:
        try:
            message = self._replies.store_reply(command, result, reply, from_part)
        finally:
            self._forget(command)
        if message.result == "done":
            reply.apply()
        log.log(
            logging.INFO if message.result == "done" else logging.WARNING,
            "command",
            extra={
                "kind": command.kind,
                "by": command.issued_by,
                "result": message.result,
                "text": reply.text,
            },
        )
        self._publisher.publish(self._replies.stream, message)

    def _forget(self, command: CommandAccepted) -> None:
        with self._lock:
            self._unfinished.pop(command.command_id, None)
