"""Which numbers nobody saw: pure steps over the order of parts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sightline.messaging.messages import Part, PartCaptured, PartsAnnounced

NO_FIRST_NUMBERS: Mapping[int, int] = {}
MAX_SINGLE_VERDICTS = (
    10_000  # numbers of a gap that have a verdict each; more of them have one together
)


@dataclass(frozen=True)
class NumberGap:
    """The numbers of an epoch from `first` to `last`, both included."""

    epoch: int
    first: int
    last: int

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return self.last - self.first + 1

    def missed_parts(self) -> Iterator[tuple[Part, int | None]]:
        """The parts that get a verdict, and from which number on it stands for others (None: for none)."""
        if self.count > MAX_SINGLE_VERDICTS:
            yield Part(self.epoch, self.last), self.first
            return
        for number in range(self.first, self.last + 1):
            yield Part(self.epoch, number), None


def find_gaps_before(
    last: Part | None,
    part: Part,
    announcement: PartCaptured | PartsAnnounced,
    first_numbers: Mapping[int, int] = NO_FIRST_NUMBERS,
) -> list[NumberGap]:
    """The numbers between the last one judged and this one, neither included, in their order.

    `announcement` is what capture says of the part's epoch: where its numbers begin, and how the epoch
    before ended. Whoever begins to count in another epoch than the last one judged gets the rest of that.
    `first_numbers`: of the epochs that were heard of before.
    """
    if last is not None and last.epoch >= part.epoch:
        begin = last.part_number + 1 if last.epoch == part.epoch else part.part_number
        return _build_gap(part.epoch, begin, part.part_number - 1)
    gaps = _find_rest_of_epoch(last, part, announcement.ended_before, first_numbers)
    return gaps + _build_gap(
        part.epoch, _find_first_number(last, part, announcement), part.part_number - 1
    )


def _find_rest_of_epoch(
    last: Part | None, part: Part, ended: Part | None, first_numbers: Mapping[int, int]
) -> list[NumberGap]:
    """What was counted of the epoch that capture left, behind the last one judged."""
    if ended is None or ended.epoch >= part.epoch:
        return []
    if last is None:
        first = first_numbers.get(ended.epoch)
        return [] if first is None else _build_gap(ended.epoch, first, ended.part_number)
    if ended.epoch < last.epoch:
        return []
    if ended.epoch == last.epoch:
        return _build_gap(last.epoch, last.part_number + 1, ended.part_number)
    # A whole epoch went by unseen. Where nobody heard of its beginning: a count begins at 1.
    return _build_gap(ended.epoch, first_numbers.get(ended.epoch, 1), ended.part_number)


def _find_first_number(
    last: Part | None, part: Part, announcement: PartCaptured | PartsAnnounced
) -> int:
    """Where counting began; a PLC's count that goes on, where the last one judged stands in it."""
    goes_on = last is not None and announcement.continues and last.part_number < part.part_number
    return last.part_number + 1 if last is not None and goes_on else announcement.first_number


def _build_gap(epoch: int, first: int, last: int) -> list[NumberGap]:
    return [NumberGap(epoch, first, last)] if first <= last else []


def is_new_part(last: Part | None, part: Part) -> bool:
    """Whether the part comes after the last one judged."""
    return last is None or part > last


def part_after(part: Part) -> Part:
    """The part of the next number."""
    return Part(part.epoch, part.part_number + 1)
