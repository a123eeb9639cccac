"""What the PLC says of its parts, product and lot: the value that held when a part was counted."""

import math
from collections import deque

HISTORY_LENGTH = 64
MAX_PLC_TEXT = 64
UNREADABLE_TEXT = "(unreadable)"
SUPERSEDED_NS = 2_000_000_000  # so long after its successor was told, a value is no part's any more
UNDECODED = "\N{REPLACEMENT CHARACTER}"


class RegisterHistory:
    """The last values of one register, each with the time since which it holds.

    The PLC's times order what is told together. A value that was replaced a while ago holds no longer
    whatever they say: the PLC's clock may have been set back since.
    """

    def __init__(self) -> None:
        self._values: deque[tuple[int, int, str]] = deque(
            maxlen=HISTORY_LENGTH
        )  # received, since, text

    def record(self, value: object, since_utc_ns: int, received_ns: int) -> None:
        """A value that the register took, told at a time of the station's monotonic clock."""
        self._values.append((received_ns, since_utc_ns, parse_register_text(value)))

    def value_at(self, utc_ns: int, received_ns: int) -> str:
        """The value that held at a time which was told then; before the first one known, that one."""
        values = list(self._values)
        while len(values) > 1 and received_ns - values[1][0] > SUPERSEDED_NS:
            values.pop(0)
        held = [text for _, since, text in values if since <= utc_ns]
        if held:
            return held[-1]
        return values[0][2] if values else ""


def parse_register_text(value: object) -> str:
    """A register's value as text; a number that is 0, or no number, says nothing.

    A text that is too long or holds what cannot be printed is not cut: it could be mistaken for another.
    """
    if isinstance(value, str):
        text = value.strip("\0 \t\r\n")
        is_whole = len(text) <= MAX_PLC_TEXT and text.isprintable() and UNDECODED not in text
        return text if is_whole else UNREADABLE_TEXT
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return str(round(value)) if math.isfinite(value) and round(value) != 0 else ""
