"""Commands from the page to a station: parsed, checked and published."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from cloud.wire.mqtt_subscriber import NotConfirmedError
from sightline.errors import MessageError
from sightline.messaging.codec import encode
from sightline.messaging.messages import Command, CommandArgument
from sightline.messaging.topics import COMMAND

MAX_COMMAND_LIFETIME_S = 3600.0
DEFAULT_COMMAND_LIFETIME_S = 12.0  # short: a late command would surprise people
MAX_GATE_LIFETIME_S = 15.0
GATE_OPENING_KINDS = frozenset({"bypass", "resume", "acknowledge_hold"})
MAX_NAME_LENGTH = 128
FORBIDDEN_NAME_CHARACTERS = frozenset("/+#$")
PublishCommand = Callable[[str, bytes], None]
SendState = Literal["sent", "not known yet"]


class CommandRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/commands`."""

    station: str
    kind: str
    issued_by: str
    lifetime_s: float = DEFAULT_COMMAND_LIFETIME_S
    arguments: dict[str, CommandArgument] = {}


@dataclass(frozen=True)
class SentCommand:
    """A published command; its state is `not known yet` if the broker did not confirm it."""

    command_id: str
    state: SendState
    expires_utc_ns: int


def parse_command_request(body: bytes) -> CommandRequest:
    """Parse a request body; MessageError says what is wrong with it."""
    try:
        request = msgspec.json.decode(body, type=CommandRequest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"the command cannot be read: {error}") from error
    name = request.station
    if (
        not name
        or len(name) > MAX_NAME_LENGTH
        or not name.isprintable()
        or FORBIDDEN_NAME_CHARACTERS & set(name)
    ):
        raise MessageError(
            f"station is {name[:64]!r}; 1 to {MAX_NAME_LENGTH} printable characters without / + # $ "
            "are allowed"
        )
    opens = request.kind in GATE_OPENING_KINDS
    max_s = MAX_GATE_LIFETIME_S if opens else MAX_COMMAND_LIFETIME_S
    if not 0 < request.lifetime_s <= max_s:
        raise MessageError(
            f"lifetime_s of {request.kind[:64]} is {request.lifetime_s}; more than 0 and at most "
            f"{max_s:.0f} s is allowed"
        )
    return request


def build_command(request: CommandRequest, now_utc_ns: int, command_id: str) -> Command:
    """Build the command for a station from a request."""
    return Command(
        station_id=request.station,
        command_id=command_id,
        kind=request.kind,
        issued_by=request.issued_by,
        issued_utc_ns=now_utc_ns,
        expires_utc_ns=now_utc_ns + round(request.lifetime_s * 1e9),
        arguments=request.arguments,
    )


class CommandSender:
    """Publishes commands; outcomes and steps come back with the same id."""

    def __init__(self, publish: PublishCommand, utc_ns: Callable[[], int] = time.time_ns) -> None:
        self._publish = publish
        self._utc_ns = utc_ns

    def send(self, request: CommandRequest) -> SentCommand:
        """Publish the command; TransportError if it was not sent.

        A command that the broker does not confirm may still be carried out until it expires.
        """
        command_id = f"page-{secrets.token_hex(8)}"
        command = build_command(request, self._utc_ns(), command_id)
        state: SendState = "sent"
        try:
            self._publish(COMMAND.build_topic(request.station), encode(command))
        except NotConfirmedError:
            state = "not known yet"
        return SentCommand(command_id, state, command.expires_utc_ns)


def describe_request(request: CommandRequest) -> Mapping[str, Any]:
    """The fields of a command for the log."""
    return {"station": request.station, "kind": request.kind, "by": request.issued_by}
