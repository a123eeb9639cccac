"""The values of the PLC's part counter as its OPC UA server tells them, whatever type it counts in."""

import logging
from collections.abc import Callable
from typing import Any

from equipment.links.counter_steps import parse_counter
from equipment.links.link import LinkFault
from equipment.links.opcua_node_types import Kind, is_good
from sightline.errors import MachineLinkError

log = logging.getLogger(__name__)
COUNTER_UNREADABLE = "counter-unreadable"
SHORT_KINDS = (Kind.SByte, Kind.Byte)
EXACT_REAL = 2**24  # a REAL counts in ones up to there
USE_UDINT = "use UDINT (UInt32)"


class OpcuaCounter:
    """Takes values, and tells of those that are none; one for each session."""

    def __init__(self, where: str, post: Callable[[object], None]) -> None:
        self._where = where
        self._post = post
        self._is_readable = True
        self._was_readable = True  # at all times since `take_readability`
        self._below_zero = 0  # what a number below 0 was raised by, once there was one
        self._is_warned = False

    def accept(self, data: Any) -> int | None:
        """The counter that was read or told; None, with a fault, where that is none."""
        try:
            counter = self._parse(data)
        except MachineLinkError as error:
            self._is_readable = self._was_readable = False
            text = (
                f"The part counter {self._where} is unreadable: {error}. No part is "
                "triggered, and all are missed and rejected, until the PLC reports it again."
            )
            self._post(LinkFault(COUNTER_UNREADABLE, text))
            return None
        if not self._is_readable:
            self._is_readable = True
            self._post(LinkFault(COUNTER_UNREADABLE, ""))
        return counter

    def take_readability(self) -> bool:
        """Whether it was readable at all times since this was asked last."""
        was_readable, self._was_readable = self._was_readable, True
        return was_readable

    def as_plc_counts(self, number: int) -> int:
        """A part's number as a signed variable of the PLC has it: below 0 if the counter is so there."""
        size = self._below_zero
        return number - size if size // 2 <= number < size else number

    def _parse(self, data: Any) -> int:
        if not is_good(data):
            raise MachineLinkError(f"its status is {data.StatusCode.name}")
        value: Any = data.Value.Value if data.Value is not None else None
        counter = parse_counter(value)
        kind = data.Value.VariantType
        if kind in SHORT_KINDS:
            raise MachineLinkError(
                f"it is of type {kind.name}, whose numbers come again too soon; {USE_UDINT}"
            )
        if kind == Kind.Float and counter >= EXACT_REAL:
            raise MachineLinkError(f"a REAL counts no further than {EXACT_REAL:,}; {USE_UDINT}")
        if value < 0:
            self._below_zero = counter - int(value)
        if kind in (Kind.Int16, Kind.UInt16) and not self._is_warned:
            self._is_warned = True
            log.warning("the part counter has 16 bits", extra={"advice": USE_UDINT})
        return counter
