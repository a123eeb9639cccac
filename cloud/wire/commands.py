"""Commands from the page to a station: built here, judged there."""

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
DEFAULT_COMMAND_LIFETIME_S = (
    12.0  # short: nobody reckons any more with what he was not told of by then
)
MAX_GATE_LIFETIME_S = 15.0
GATE_OPENING_KINDS = frozenset({"bypass", "resume", "acknowledge_hold"})
MAX_NAME_LENGTH = 128
FORBIDDEN_NAME_CHARACTERS = frozenset("/+#$")
PublishCommand = Callable[[str, bytes], None]
SendState = Literal["sent", "not known yet"]


class CommandRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the page asks for: `POST /api/orders`."""

    station: str
    kind: str
    issued_by: str
    lifetime_s: float = DEFAULT_COMMAND_LIFETIME_S
    arguments: dict[str, CommandArgument] = {}


@dataclass(frozen=True)
class SentCommand:
    """An order on its way: `not known yet` where the broker did not say that it took it."""

    command_id: str
    state: SendState
    expires_utc_ns: int


def parse_command_request(body: bytes) -> CommandRequest:
    """The order in a request's body; MessageError says what is wrong with it."""
    try:
        order = msgspec.json.decode(body, type=CommandRequest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"the order cannot be read: {error}") from error
    name = order.station
    if (
        not name
        or len(name) > MAX_NAME_LENGTH
        or not name.isprintable()
        or FORBIDDEN_NAME_CHARACTERS & set(name)
    ):
        raise MessageError(f"no station can be called {name[:64]!r}")
    opens = order.kind in GATE_OPENING_KINDS
    most_s = MAX_GATE_LIFETIME_S if opens else MAX_COMMAND_LIFETIME_S
    if not 0 < order.lifetime_s <= most_s:
        raise MessageError(
            f"lifetime_s of {order.kind[:64]} is {order.lifetime_s}; more than 0 and at most "
            f"{most_s:.0f} are allowed"
        )
    return order


def build_command(request: CommandRequest, now_utc_ns: int, command_id: str) -> Command:
    """The command that carries the order out."""
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
    """Sends orders; what becomes of them comes back as outcomes and steps with the same id."""

    def __init__(self, publish: PublishCommand, utc_ns: Callable[[], int] = time.time_ns) -> None:
        self._publish = publish
        self._utc_ns = utc_ns

    def send(self, request: CommandRequest) -> SentCommand:
        """Publish the command; TransportError if it was not sent.

        Where the broker does not confirm it, it may be carried out yet, until it expires.
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
    """What a log says of an order."""
    return {"station": request.station, "kind": request.kind, "by": request.issued_by}
