"""Commands from the page to a station: built here, judged there."""

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from sightline.codec import encode
from sightline.errors import MessageError
from sightline.messages import Argument, Command
from sightline.topics import COMMAND

GREATEST_LIFETIME_S = 3600.0
Publish = Callable[[str, bytes], None]


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the page asks for: `POST /api/orders`."""

    station: str
    kind: str
    issued_by: str
    lifetime_s: float = 60.0
    arguments: dict[str, Argument] = {}


def read_order(body: bytes) -> Order:
    """The order in a request's body; MessageError says what is wrong with it."""
    try:
        order = msgspec.json.decode(body, type=Order)
    except msgspec.DecodeError as error:
        raise MessageError(f"the order cannot be read: {error}") from error
    if not order.station or "/" in order.station or set("+#") & set(order.station):
        raise MessageError(f"no station can be called {order.station[:64]!r}")
    if not 0 < order.lifetime_s <= GREATEST_LIFETIME_S:
        raise MessageError(
            f"lifetime_s is {order.lifetime_s}; more than 0 and at most {GREATEST_LIFETIME_S:.0f} "
            "are allowed"
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

    def send(self, order: Order) -> str:
        """Publish the command and return its id; TransportError if the broker does not take it."""
        command_id = f"page-{secrets.token_hex(8)}"
        command = command_of(order, self._utc_ns(), command_id)
        self._publish(COMMAND.topic_of(order.station), encode(command))
        return command_id


def facts_of(order: Order) -> Mapping[str, Any]:
    """What a log says of an order."""
    return {"station": order.station, "kind": order.kind, "by": order.issued_by}
