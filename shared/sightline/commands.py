"""What components that carry out commands have in common: typed arguments, and the answer.

The publisher tells an accepted command again until it has its answer, so a component keeps its
answers with what the command changed: a repeat changes nothing and gets the same answer.
"""

from typing import TypeVar

from sightline.configuration import Configuration, load_configuration
from sightline.errors import CommandError, ConfigurationError
from sightline.messages import CommandAccepted, CommandCarriedOut, CommandKind, CommandResult, Part
from sightline.texts import cut
from sightline.topics import CAPTURE, INFERENCE

ANSWERS_KEPT = 64
LONGEST_REASON = 1000  # characters
CARRIED_OUT_BY: dict[CommandKind, str] = {
    "change_product": CAPTURE,
    "lot_start": CAPTURE,
    "lot_end": CAPTURE,
    "challenge_part": CAPTURE,
    "set_threshold": INFERENCE,
    "acknowledge_hold": INFERENCE,
    "load_model": INFERENCE,
}

A = TypeVar("A", bound=Configuration)


def is_for(command: CommandAccepted, component: str) -> bool:
    """Whether this component is the one that carries the command out."""
    return CARRIED_OUT_BY.get(command.kind) == component


def arguments_of(command: CommandAccepted, struct_type: type[A]) -> A:
    """The command's arguments, without its remark; CommandError says which is wrong, and why."""
    given = {name: value for name, value in command.arguments.items() if name != "remark"}
    try:
        return load_configuration(struct_type, given)
    except ConfigurationError as error:
        raise CommandError(str(error)) from error


def refuse_late(command: CommandAccepted, now_utc_ns: int) -> None:
    """CommandError if the command's end is over."""
    late_s = (now_utc_ns - command.expires_utc_ns) / 1e9
    if late_s >= 0:
        raise CommandError(f"it was to be carried out {late_s:.1f} s earlier")


def answer_to(
    command: CommandAccepted,
    now_utc_ns: int,
    reason: str,
    *,
    result: CommandResult = "done",
    from_part: Part | None = None,
) -> CommandCarriedOut:
    """The answer of the component that carries the command out."""
    return CommandCarriedOut(
        station_id=command.station_id,
        command_id=command.command_id,
        component=CARRIED_OUT_BY[command.kind],
        result=result,
        decided_utc_ns=now_utc_ns,
        reason=cut(reason, LONGEST_REASON),
        from_part=from_part,
    )
