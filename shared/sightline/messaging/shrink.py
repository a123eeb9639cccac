"""Cutting a message to the size that the bus carries, in a declared order."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from sightline.messaging.codec import MAX_MESSAGE_BYTES, encode_of_any_size

M = TypeVar("M", bound=msgspec.Struct)
Cut = Callable[[M], M | None]  # a smaller message; None or the same one: nothing is left to cut


def shrink_to_fit(message: M, cuts: Sequence[Cut[M]], max_bytes: int = MAX_MESSAGE_BYTES) -> M:
    """The message, or what of it fits into `max_bytes` when encoded.

    Each cut is applied until it has nothing left to take away, then the next: least important first. One
    that none of them makes small enough is returned as small as it became.
    """
    cuts_left = list(cuts)
    while cuts_left and len(encode_of_any_size(message)) > max_bytes:
        smaller = cuts_left[0](message)
        if smaller is None or smaller == message:
            cuts_left.pop(0)
        else:
            message = smaller
    return message
