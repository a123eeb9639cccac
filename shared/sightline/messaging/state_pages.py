"""A machine state of many tags as several messages, and back."""

import msgspec

from sightline.messaging.codec import MAX_MESSAGE_BYTES, encode_of_any_size, group_by_size
from sightline.messaging.messages import MachineState


def split_into_pages(state: MachineState) -> tuple[MachineState, ...]:
    """The state in as many pages as its values need to be messages, in order; one if they fit."""
    envelope = msgspec.structs.replace(state, values=(), page=1_000, pages=1_000)
    room = MAX_MESSAGE_BYTES - len(encode_of_any_size(envelope))
    groups = list(group_by_size(state.values, room))
    return tuple(
        msgspec.structs.replace(state, values=group, page=number, pages=len(groups))
        for number, group in enumerate(groups, 1)
    )


def add_page(before: MachineState | None, page: MachineState) -> MachineState:
    """The page with the values of the pages before it, where these are of the same interval."""
    if before is None or page.page <= before.page or not _is_same_interval(before, page):
        return page
    return msgspec.structs.replace(page, values=before.values + page.values)


def _is_same_interval(one: MachineState, other: MachineState) -> bool:
    return (one.equipment_id, one.sequence, one.state_utc_ns) == (
        other.equipment_id,
        other.sequence,
        other.state_utc_ns,
    )
