"""Which command may be carried out: pure. What is not allowed in so many words is refused.

Who may publish commands at all is the IoT policy's matter; `issued_by` is what such a sender says.
"""

import re
from dataclasses import dataclass
from typing import get_args

from publisher.configuration import CommandsConfiguration
from sightline.messaging.messages import Command, CommandKind, CommandResult, OperatingMode
from sightline.messaging.topics import COMPONENTS

COMMAND_KINDS: frozenset[str] = frozenset(get_args(CommandKind))
MODE_KINDS: dict[str, OperatingMode] = {
    "pause": "paused",
    "resume": "production",
    "bypass": "bypass",
    "maintenance": "maintenance",
}
RESTART_KIND = "restart_component"
NAME_PATTERN = re.compile(r"[\w.:@/+-]{1,64}")
MAX_CLOCK_DIFFERENCE_NS = 60_000_000_000
MAX_COMMAND_UTC_NS = 2**63 - 1
MAX_REMARK_LENGTH = 200


@dataclass(frozen=True)
class CommandDecision:
    """What becomes of a command, and why if it is not carried out."""

    result: CommandResult
    reason: str = ""


def decide_command(
    command: Command, allowed: CommandsConfiguration, now_utc_ns: int
) -> CommandDecision:
    """Whether the command is carried out: done here for modes, accepted for the other kinds.

    What is expired or refused is so for ever: a repeat of it gets the same answer.
    """
    reason = _check_form(command) or _check_issuer(command, allowed) or _check_arguments(command)
    reason = reason or _check_times(command, allowed, now_utc_ns)
    if reason:
        return CommandDecision("refused", reason)
    if command.expires_utc_ns <= now_utc_ns:
        late_s = (now_utc_ns - command.expires_utc_ns) / 1e9
        return CommandDecision("expired", f"Command expired {late_s:.1f} s ago")
    return CommandDecision("done" if command.kind in MODE_KINDS else "accepted")


def _check_form(command: Command) -> str:
    for name, text in (("command_id", command.command_id), ("issued_by", command.issued_by)):
        if not NAME_PATTERN.fullmatch(text):
            return f"{name} must match {NAME_PATTERN.pattern}"
    if command.kind not in COMMAND_KINDS:
        return f"there is no command kind {command.kind[:64]!r}"
    if not all(
        0 <= ns <= MAX_COMMAND_UTC_NS for ns in (command.issued_utc_ns, command.expires_utc_ns)
    ):
        return f"its times must be from 0 to {MAX_COMMAND_UTC_NS} ns"
    return ""


def _check_issuer(command: Command, allowed: CommandsConfiguration) -> str:
    for rule in allowed.allowed:
        if rule.kind == command.kind and command.issued_by in rule.issuers:
            return ""
    return f"{command.kind!r} is not allowed to {command.issued_by!r}"


def _check_arguments(command: Command) -> str:
    if command.kind not in MODE_KINDS and command.kind != RESTART_KIND:
        return ""  # the component that carries it out knows them
    known = ("component", "remark") if command.kind == RESTART_KIND else ("remark",)
    others = sorted(command.arguments.keys() - set(known))
    if others:
        names = " and ".join(repr(name) for name in known)
        return f"{command.kind!r} takes no argument but {names}; found {others[0][:64]!r}"
    if command.kind == RESTART_KIND and command.arguments.get("component") not in COMPONENTS:
        return f"'component' must be one of {', '.join(COMPONENTS)}"
    remark = command.arguments.get("remark", "")
    if not isinstance(remark, str) or len(remark) > MAX_REMARK_LENGTH:
        return f"'remark' must be a text of at most {MAX_REMARK_LENGTH} characters"
    return ""


def _check_times(command: Command, allowed: CommandsConfiguration, now_utc_ns: int) -> str:
    ahead_ns = command.issued_utc_ns - now_utc_ns
    if ahead_ns > MAX_CLOCK_DIFFERENCE_NS:
        return f"issued_utc_ns is {ahead_ns / 1e9:.0f} s ahead of the station's clock"
    lifetime_s = (command.expires_utc_ns - command.issued_utc_ns) / 1e9
    if not 0 < lifetime_s <= allowed.max_lifetime_s:
        return (
            f"it expires {lifetime_s:.0f} s after it was issued; "
            f"more than 0 and at most {allowed.max_lifetime_s:.0f} s are allowed"
        )
    return ""
