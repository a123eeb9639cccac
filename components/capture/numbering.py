"""The numbers of parts: pure steps from one state to the next, and the file that keeps the state.

A number is (epoch, part_number). Epochs begin at the second of their beginning, so a station that
lost its disk never gives a number twice. Within an epoch the numbers are the PLC's counter, or our own.
An epoch ends where the count does: with a new count, a wrap, or a jump that no line can make.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sightline.errors import MessageError
from sightline.messaging.codec import decode_of_any_size, encode_of_any_size
from sightline.messaging.messages import CountedBy, Part
from sightline.storage.journal import DurableRecord, DurableText

log = logging.getLogger(__name__)
IDENTITY_FILE = "numbering.inode"
LARGE_JUMP = 1000  # from here on somebody is to hear of it
MAX_PARTS_PER_S = 100
MAX_JUMP = 1_000_000  # and what a line can count in the time since
MAX_JUMP_AT_ALL = 10_000_000
MAX_NEW_COUNT = 10_000  # and what a line can count in the time since
UNKNOWN_TIME_S = 86_400.0
MAX_NUMBERS_OF_A_GLITCH = 10  # so few are given before a wrong reading is over
_WRAPS = (  # top and bottom of a counter's width, and how near to both its values must be
    ((1 << 15) - 1, -(1 << 15), 1000),
    ((1 << 16) - 1, 0, 1000),
    ((1 << 31) - 1, -(1 << 31), 100_000),
    ((1 << 31) - 1, 0, 100_000),
    ((1 << 32) - 1, 0, 100_000),
)


class NumberingState(msgspec.Struct, frozen=True, kw_only=True):
    """The last number given, the first of its epoch, who counts, and the deadline of the last.

    `ended_before` and `continues` mean what they mean in `PartCaptured`. `before_jump`: the count that
    broke off as this epoch began by a jump; it may come back. `given_*`: when the last was given.
    """

    epoch: int
    last_number: int
    first_number: int
    deadline_monotonic_ns: int = 0
    boot_id: str = ""
    counted_by_plc: bool = True
    ended_before: Part | None = None
    continues: bool = False
    before_jump: int | None = None
    given_monotonic_ns: int = 0
    given_utc_s: int = 0

    @property
    def last(self) -> Part:
        """The last part; below `first_number` if the epoch has none yet."""
        return Part(self.epoch, self.last_number)

    @property
    def counted_by(self) -> CountedBy:
        """Whose numbers these are."""
        return "plc" if self.counted_by_plc else "station"


@dataclass(frozen=True)
class NumberingStep:
    """The next state, and what happened to the count where somebody is to hear of it."""

    state: NumberingState
    fault: str | None = None


@dataclass(frozen=True)
class _NewCount:
    """Where a count begins that does not go on from the last number; `first` None: not known."""

    first: int | None
    ended: int
    fault: str | None
    before_jump: int | None = None


def next_by_counter(
    state: NumberingState | None, counter: int, now_s: int, away_s: float | None = None
) -> NumberingStep | None:
    """The step to the part that the PLC counted; None if that part has been numbered already.

    `away_s`: how long ago the last number was given; None: that is not known.
    """
    if state is None or not state.counted_by_plc:
        return NumberingStep(begin_epoch(state, counter, counter, now_s))
    came_back = _does_earlier_count_resume(state, counter, away_s)
    if counter == state.last_number or (came_back and counter == state.before_jump):
        return None
    new = _find_new_count(state, counter, away_s)
    if new is None:
        return _continue_epoch(state, counter, counter - state.last_number - 1)
    first = counter if new.first is None else min(new.first, counter)
    return _begin_count(state, new, first, counter, now_s)


def next_by_own_count(state: NumberingState | None, now_s: int) -> NumberingStep:
    """The step to the next part where there is no PLC; an epoch of the PLC's count ends with it."""
    if state is None or state.counted_by_plc:
        own = begin_epoch(state, 1, 1, now_s)
        return NumberingStep(msgspec.structs.replace(own, counted_by_plc=False, continues=False))
    return NumberingStep(msgspec.structs.replace(state, last_number=state.last_number + 1))


def skip_uncertain_number(state: NumberingState) -> NumberingState:
    """Where the number after the last may have been given: our own count leaves it out, a PLC's goes on."""
    if state.counted_by_plc:
        return state
    return msgspec.structs.replace(state, last_number=state.last_number + 1)


def adopt_counter(
    state: NumberingState | None, counter: int, now_s: int, away_s: float | None = None
) -> NumberingStep | None:
    """The step to a counter that was announced: its triggers were lost; None if all are numbered.

    Where nothing is known yet, counting begins after it.
    """
    if state is None or not state.counted_by_plc:
        return NumberingStep(begin_epoch(state, counter + 1, counter, now_s))
    if counter == state.last_number:
        return None
    new = _find_new_count(state, counter, away_s)
    if new is None:
        return _continue_epoch(state, counter, counter - state.last_number)
    first = counter + 1 if new.first is None else new.first
    return _begin_count(state, new, first, counter, now_s)


def _continue_epoch(state: NumberingState, counter: int, unseen: int) -> NumberingStep:
    """In the same epoch; what lies between was counted and not seen."""
    is_glitch_over = counter - state.first_number >= MAX_NUMBERS_OF_A_GLITCH
    after = msgspec.structs.replace(
        state,
        last_number=counter,
        before_jump=None if is_glitch_over else state.before_jump,
    )
    if unseen < LARGE_JUMP:
        return NumberingStep(after)
    return NumberingStep(
        after,
        f"The PLC's counter jumped from {state.last_number} to {counter}: {unseen} parts passed that "
        "this station did not see. They are recorded as missed.",
    )


def _begin_count(
    state: NumberingState, new: _NewCount, first: int, last: int, now_s: int
) -> NumberingStep:
    begun = begin_epoch(state, first, last, now_s)
    ended = Part(state.epoch, new.ended) if new.ended >= state.first_number else None
    begun = msgspec.structs.replace(begun, ended_before=ended, before_jump=new.before_jump)
    return NumberingStep(begun, new.fault)


def _find_new_count(state: NumberingState, counter: int, away_s: float | None) -> _NewCount | None:
    """How a count begins with this counter; None if it goes on from the last number."""
    last = state.last_number
    back = state.before_jump
    if back is not None and _does_earlier_count_resume(state, counter, away_s):
        fault = f"The PLC's counter came back from {last} to {counter}, after a jump from {back}."
        return _NewCount(back + 1, last, fault)
    if counter > last:
        if counter - last <= _counted_within(MAX_JUMP, away_s):
            return None
        fault = (
            f"The PLC's counter jumped from {last} to {counter}, further than a line can count. "
            "A new count begins. Check whether the counter was set, or is read from a wrong place."
        )
        return _NewCount(None, last, fault, before_jump=last if back is None else back)
    for top, bottom, near in _WRAPS:
        if 0 <= top - last < near and 0 <= counter - bottom < near:
            return _NewCount(bottom, top, None)
    if 0 <= counter <= _counted_within(MAX_NEW_COUNT, away_s):
        fault = f"The PLC's counter ran backwards, from {last} to {counter}: it began a new count."
        return _NewCount(1, last, fault, before_jump=last)
    fault = (
        f"The PLC's counter ran backwards, from {last} to {counter}. A new count begins there. "
        "Check whether the counter was set."
    )
    return _NewCount(None, last, fault, before_jump=last if back is None else back)


def _does_earlier_count_resume(state: NumberingState, counter: int, away_s: float | None) -> bool:
    """Whether the count before this epoch goes on, and this one was a wrong reading of a moment."""
    if state.before_jump is None:
        return False
    possible = _counted_within(MAX_NUMBERS_OF_A_GLITCH, away_s)
    goes_on_here = 0 <= counter - state.last_number <= possible
    began_anew = 0 <= counter < state.last_number and counter <= possible
    is_near = 0 <= counter - state.before_jump <= possible
    return is_near and not goes_on_here and not began_anew


def _counted_within(base: int, away_s: float | None) -> float:
    """How many parts the fastest line counts in that time, and some more."""
    seconds = UNKNOWN_TIME_S if away_s is None else max(0.0, away_s)
    return min(base + MAX_PARTS_PER_S * seconds, MAX_JUMP_AT_ALL)


def begin_epoch(before: NumberingState | None, first: int, last: int, now_s: int) -> NumberingState:
    """A new epoch, later than the one before; without one, the count may go on from a lost one."""
    epoch = now_s if before is None else max(now_s, before.epoch + 1)
    ended = (
        before.last if before is not None and before.last_number >= before.first_number else None
    )
    return NumberingState(
        epoch=epoch,
        first_number=first,
        last_number=last,
        ended_before=ended,
        continues=before is None,
    )


class NumberingFile:
    """Keeps the state on disk, and beside it which file that is: a copy of it is another one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._record = DurableRecord(path)
        self._identity = DurableText(path.with_name(IDENTITY_FILE))
        self._inode: int | None = None

    def load(self) -> NumberingState | None:
        """The state stored last; None if there is none. MessageError if the file is damaged."""
        try:
            content = self._record.load()
        except ValueError as error:
            raise MessageError(f"the stored part number is damaged: {error}") from error
        return decode_of_any_size(NumberingState, content) if content is not None else None

    def is_copy(self) -> bool:
        """Whether the file came from a backup or another disk: later states than its own may be known."""
        known = self._load_identity()
        try:
            return known is not None and known != str(self._path.stat().st_ino)
        except OSError:
            return False

    def _load_identity(self) -> str | None:
        return self._identity.load_or_set_aside(lambda text: log.error(text))

    @property
    def may_be_older(self) -> bool:
        """Whether a later state than the loaded one may have been stored, and was damaged."""
        return self._record.may_be_older

    def store(self, state: NumberingState) -> None:
        """On disk when this returns."""
        self._record.store(encode_of_any_size(state))
        if self._inode is None:
            self._inode = self._path.stat().st_ino
            if self._load_identity() != str(self._inode):
                self._identity.store(str(self._inode))

    def is_in_place(self) -> bool:
        """Whether the file that was stored into is the one that the next start will read."""
        try:
            return self._inode is None or self._path.stat().st_ino == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """Close the file; the next `store` opens it again."""
        self._inode = None
        self._record.close()
