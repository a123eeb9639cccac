"""What the station says of a part that the PLC has just counted."""

import logging
from collections.abc import Mapping

from msgspec.structs import replace

from equipment.links.link import CounterSeen
from equipment.links.register_history import MAX_PLC_TEXT, UNREADABLE_TEXT, parse_register_text
from sightline.errors import MessageError
from sightline.messaging.codec import encode
from sightline.messaging.messages import PartTriggered

log = logging.getLogger(__name__)
PLC_TEXT_FIELDS = ("product", "lot")


def build_part_trigger(
    station_id: str, boot_id: str, seen: CounterSeen, products: Mapping[str, str]
) -> PartTriggered:
    """The trigger of a counted part; `products`: what the PLC calls a product, to the product's name.

    Texts of the PLC that no message can carry are marked as unreadable: such a part is never ok.
    """
    product = parse_register_text(seen.product)
    triggered = PartTriggered(
        station_id=station_id,
        counter=seen.counter,
        counted_utc_ns=seen.counted_utc_ns,
        received_monotonic_ns=seen.received_monotonic_ns,
        boot_id=boot_id,
        delay_ms=seen.delay_ms,
        belt_speed_mps=seen.belt_speed_mps,
        product=products.get(product, product),
        lot=parse_register_text(seen.lot),
    )
    try:
        encode(triggered)
    except (MessageError, UnicodeError) as error:
        log.error("the PLC's texts fit no message", extra={"error": str(error)})
        return replace(triggered, product=UNREADABLE_TEXT, lot=UNREADABLE_TEXT)
    return triggered


def find_unreadable_texts(triggered: PartTriggered) -> tuple[str, ...]:
    """Which of the PLC's texts the trigger lacks because they cannot be used."""
    return tuple(name for name in PLC_TEXT_FIELDS if getattr(triggered, name) == UNREADABLE_TEXT)


def describe_unreadable_texts(names: tuple[str, ...]) -> str:
    """What is wrong, for the technician."""
    return (
        f"Cannot use the PLC's {' and '.join(names)}: unreadable, longer than {MAX_PLC_TEXT} characters, or "
        "with control characters. Parts are triggered without it, and none of an unknown product passes. "
        "Correct the text in the PLC."
    )
