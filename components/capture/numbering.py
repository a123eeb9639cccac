"""The numbers of parts: pure steps from one state to the next, and the file that keeps the state.

A number is (epoch, part_number). Epochs begin at the second of their beginning, so a station that
lost its disk never gives a number twice. Within an epoch the numbers are the PLC's counter, or our own.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from sightline.codec import decode_of_any_size, encode_of_any_size
from sightline.errors import MessageError
from sightline.journal import DurableRecord
from sightline.messages import Part

GREATEST_JUMP = 1000


class Numbering(msgspec.Struct, frozen=True, kw_only=True):
    """The last number given, the first of its epoch, who counts, and the deadline of the last."""

    epoch: int
    last_number: int
    first_number: int
    deadline_monotonic_ns: int = 0
    boot_id: str = ""
    counted_by_plc: bool = True

    @property
    def last(self) -> Part:
        """The last part; below `first_number` if the epoch has none yet."""
        return Part(self.epoch, self.last_number)


@dataclass(frozen=True)
class Step:
    """The next state, and why a new epoch began where that is a fault."""

    state: Numbering
    fault: str | None = None


def next_by_counter(state: Numbering | None, counter: int, now_s: int) -> Step | None:
    """The step to the part that the PLC counted; None if that part has been numbered already."""
    if state is None or not state.counted_by_plc:
        return Step(begin_epoch(state, counter, counter, now_s))
    if counter == state.last_number:
        return None
    fault = discontinuity(state.last_number, counter)
    if fault is not None:
        return Step(begin_epoch(state, counter, counter, now_s), fault)
    return Step(msgspec.structs.replace(state, last_number=counter))


def next_by_own_count(state: Numbering | None, now_s: int) -> Step:
    """The step to the next part where there is no PLC; an epoch of the PLC's count ends with it."""
    if state is None or state.counted_by_plc:
        own = msgspec.structs.replace(begin_epoch(state, 1, 1, now_s), counted_by_plc=False)
        return Step(own)
    return Step(msgspec.structs.replace(state, last_number=state.last_number + 1))


def adopt_counter(state: Numbering | None, counter: int, now_s: int) -> Step | None:
    """The step to a counter that was announced: its triggers were lost; None if all are numbered.

    Where nothing is known yet, counting begins after it.
    """
    if state is None or not state.counted_by_plc:
        return Step(begin_epoch(state, counter + 1, counter, now_s))
    if counter == state.last_number:
        return None
    fault = discontinuity(state.last_number, counter)
    if fault is not None:
        return Step(begin_epoch(state, counter + 1, counter, now_s), fault)
    return Step(msgspec.structs.replace(state, last_number=counter))


def discontinuity(last_number: int, counter: int) -> str | None:
    """Why this counter cannot go on from the last number, or None if it can."""
    if counter < last_number:
        return f"the PLC's counter ran backwards, from {last_number} to {counter}"
    if counter - last_number > GREATEST_JUMP:
        return f"the PLC's counter jumped from {last_number} to {counter}"
    return None


def begin_epoch(before: Numbering | None, first: int, last: int, now_s: int) -> Numbering:
    """A new epoch, later than the one before."""
    epoch = now_s if before is None else max(now_s, before.epoch + 1)
    return Numbering(epoch=epoch, first_number=first, last_number=last)


class NumberingFile:
    """Keeps the state on disk."""

    def __init__(self, path: Path) -> None:
        self._record = DurableRecord(path)

    def load(self) -> Numbering | None:
        """The state stored last; None if there is none. MessageError if the file is damaged."""
        try:
            content = self._record.load()
        except ValueError as error:
            raise MessageError(f"the stored part number is damaged: {error}") from error
        return decode_of_any_size(Numbering, content) if content is not None else None

    def store(self, state: Numbering) -> None:
        """On disk when this returns."""
        self._record.store(encode_of_any_size(state))

    def close(self) -> None:
        """Close the file."""
        self._record.close()
