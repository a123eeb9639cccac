"""What components that carry out commands have in common: their kinds, typed arguments, and the reply."""

from typing import TypeVar

from sightline.configuration import ConfigurationStruct, load_configuration
from sightline.errors import CommandError, ConfigurationError
from sightline.messaging.messages import (
    CommandAccepted,
    CommandArgument,
    CommandCarriedOut,
    CommandKind,
    CommandResult,
    Part,
)
from sightline.messaging.topics import CAPTURE, INFERENCE
from sightline.text import truncate

MAX_STORED_REPLIES = 64
MAX_REASON_CHARACTERS = 1000  # characters
COMMAND_COMPONENTS: dict[CommandKind, str] = {
    "change_product": CAPTURE,
    "lot_start": CAPTURE,
    "lot_end": CAPTURE,
    "challenge_part": CAPTURE,
    "set_threshold": INFERENCE,
    "acknowledge_hold": INFERENCE,
    "load_model": INFERENCE,
}

A = TypeVar("A", bound=ConfigurationStruct)


def read_arguments(command: CommandAccepted) -> dict[str, CommandArgument]:
    """The command's arguments by name, without its remark."""
    return {name: value for name, value in command.arguments.items() if name != "remark"}


def parse_arguments(command: CommandAccepted, struct_type: type[A]) -> A:
    """The command's arguments, typed; CommandError says which is wrong, and why."""
    try:
        return load_configuration(struct_type, read_arguments(command))
    except ConfigurationError as error:
        raise CommandError(str(error)) from error


def refuse_expired(command: CommandAccepted, now_utc_ns: int) -> None:
    """CommandError if the command's end is over."""
    late_s = (now_utc_ns - command.expires_utc_ns) / 1e9
    if late_s >= 0:
        raise CommandError(f"Command expired {late_s:.1f} s ago")


def build_command_reply(
    command: CommandAccepted,
    now_utc_ns: int,
    reason: str,
    *,
    result: CommandResult = "done",
    from_part: Part | None = None,
) -> CommandCarriedOut:
    """The reply of the component that carries the command out."""
    return CommandCarriedOut(
        station_id=command.station_id,
        command_id=command.command_id,
        component=COMMAND_COMPONENTS[command.kind],
        result=result,
        decided_utc_ns=now_utc_ns,
        reason=truncate(reason, MAX_REASON_CHARACTERS),
        from_part=from_part,
    )
