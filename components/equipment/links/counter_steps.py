"""What a new value of the PLC's counter means after the last one: parts, a wrap, or a new beginning."""

import math
from typing import Literal

from sightline.errors import MachineLinkError

CounterStep = Literal["same", "forward", "wrap", "restart"]
COUNTER_TOPS = (2**15 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1)  # INT, WORD, DINT, DWORD
MAX_WRAP_STEP = 16  # parts counted between two values that are told; more is a new beginning


def step_between(last: int, value: int) -> CounterStep:
    """What the counter did; a wrap goes from just below a width's top to just above 0."""
    if value == last:
        return "same"
    if value > last:
        return "forward"
    return "restart" if find_wrap_top(last, value) is None else "wrap"


def find_wrap_top(last: int, value: int) -> int | None:
    """The greatest value of the counter, where it wrapped from `last` to `value`; None if it did not."""
    for top in COUNTER_TOPS:
        if last <= top and top - last + 1 + value <= MAX_WRAP_STEP:
            return top
    return None


def parse_counter(value: object) -> int:
    """A counter's value; MachineLinkError says what was found if it can be none.

    An INT or DINT that counts beyond its top goes on below 0: taken as WORD or DWORD it just goes on.
    """
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)  # a PLC that counts in REAL counts whole parts all the same
    if isinstance(value, bool) or not isinstance(value, int):
        raise MachineLinkError(f"it holds {_quote_value(value)}; a whole number is expected")
    if not -(2**31) <= value < 2**32:
        raise MachineLinkError(
            f"it holds {value}; a whole number from 0 to 4,294,967,295 is expected"
        )
    return to_unsigned(value)


def to_unsigned(value: int) -> int:
    """A number of a signed register as its unsigned one counts it: -32,768 is 32,768, and -1 is 65,535."""
    if value >= 0:
        return value
    return value + (2**16 if value >= -(2**15) else 2**32)


def _quote_value(value: object) -> str:
    return f"{value!r:.40}"
