"""Commands from the page to a station: built here, judged there."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from cloud.subscriber import NotConfirmedError
from sightline.codec import encode
from sightline.errors import MessageError
from sightline.messages import Argument, Command
from sightline.topics import COMMAND

GREATEST_LIFETIME_S = 3600.0
DEFAULT_LIFETIME_S = 12.0  # short: nobody reckons any more with what he was not told of by then
MAX_GATE_LIFETIME_S = 15.0
OPEN_THE_GATE = frozenset({"bypass", "resume", "acknowledge_hold"})
MAX_NAME_LENGTH = 128
NO_NAME = frozenset("/+#$")
Publish = Callable[[str, bytes], None]
State = Literal["sent", "not known yet"]


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the page asks for: `POST /api/orders`."""

    station: str
    kind: str
    issued_by: str
    lifetime_s: float = DEFAULT_LIFETIME_S
    arguments: dict[str, Argument] = {}


@dataclass(frozen=True)
class Sent:
    """An order on its way: `not known yet` where the broker did not say that it took it."""

    command_id: str
    state: State
    expires_utc_ns: int


def read_order(body: bytes) -> Order:
    """The order in a request's body; MessageError says what is wrong with it."""
    try:
        order = msgspec.json.decode(body, type=Order)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"the order cannot be read: {error}") from error
    name = order.station
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable() or NO_NAME & set(name):
        raise MessageError(f"no station can be called {name[:64]!r}")
    opens = order.kind in OPEN_THE_GATE
    most_s = MAX_GATE_LIFETIME_S if opens else GREATEST_LIFETIME_S
    if not 0 < order.lifetime_s <= most_s:
        raise MessageError(
            f"lifetime_s of {order.kind[:64]} is {order.lifetime_s}; more than 0 and at most "
            f"{most_s:.0f} are allowed"
        )
    return order


def command_of(order: Order, now_utc_ns: int, command_id: str) -> Command:
    """The command that carries the order out."""
    return Command(
        station_id=order.station,
        command_id=command_id,
        kind=order.kind,
        issued_by=order.issued_by,
        issued_utc_ns=now_utc_ns,
        expires_utc_ns=now_utc_ns + round(order.lifetime_s * 1e9),
        arguments=order.arguments,
    )


class Orders:
    """Sends orders; what becomes of them comes back as outcomes and steps with the same id."""

    def __init__(self, publish: Publish, utc_ns: Callable[[], int] = time.time_ns) -> None:
        self._publish = publish
        self._utc_ns = utc_ns

    def send(self, order: Order) -> Sent:
        """Publish the command; TransportError if it was not sent.

        Where the broker does not confirm it, it may be carried out yet, until it expires.
        """
        command_id = f"page-{secrets.token_hex(8)}"
        command = command_of(order, self._utc_ns(), command_id)
        state: State = "sent"
        try:
            self._publish(COMMAND.topic_of(order.station), encode(command))
        except NotConfirmedError:
            state = "not known yet"
        return Sent(command_id, state, command.expires_utc_ns)


def facts_of(order: Order) -> Mapping[str, Any]:
    """What a log says of an order."""
    return {"station": order.station, "kind": order.kind, "by": order.issued_by}
