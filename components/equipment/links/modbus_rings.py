"""A ring of slots that a PLC writes over Modbus: the last 64 of a kind, and how many there ever were."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from equipment.links.modbus_client import ModbusConnection
from equipment.links.modbus_requests import RegisterSpan, find_words
from equipment.links.modbus_values import (
    OUTCOME_SLOT_COUNT,
    OUTCOME_WORDS,
    count_overwritten_slots,
    find_outcome_slots,
)

T = TypeVar("T")


class RingReader(Generic[T]):
    """Reads what is new since the last time; what may have been overwritten meanwhile is not used."""

    def __init__(
        self,
        connection: ModbusConnection,
        base: int,
        read_counter: Callable[[], Awaitable[int]],
        decode: Callable[[Sequence[Sequence[int]]], Sequence[T]],
        read_again: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._base = base
        self._read_counter = read_counter
        self._decode = decode
        self._read_again = read_again
        self._records: deque[T] = deque(maxlen=OUTCOME_SLOT_COUNT)
        self._read = 0

    async def read(self) -> tuple[int, tuple[T, ...]] | None:
        """How many there ever were, and the last ones, oldest first; None if the PLC began anew meanwhile."""
        counter = await self._read_counter()
        if counter < self._read:  # the PLC began anew
            self._records.clear()
            self._read = 0
        spans = [
            RegisterSpan("holding", self._base + slot * OUTCOME_WORDS, OUTCOME_WORDS)
            for slot in find_outcome_slots(self._read, counter)
        ]
        answers = await self._connection.read_all(spans)
        after = await self._read_counter()
        if after != counter:  # it wrote meanwhile, or began anew: the rest is read next
            self._read_again()
        if after < counter:
            return None
        overwritten = min(len(spans), count_overwritten_slots(counter, len(spans), after))
        if overwritten or len(spans) < counter - self._read:
            self._records.clear()  # what follows does not follow on them
        self._records.extend(
            self._decode([find_words(answers, span) or () for span in spans[overwritten:]])
        )
        self._read = counter
        return counter, tuple(self._records)
