"""Which numbers nobody saw: pure steps over the order of parts."""

from sightline.messages import Part

GREATEST_GAP = 1000  # capture begins a new epoch where a counter jumps further


def numbers_before(last: Part | None, part: Part, first_number: int) -> list[Part]:
    """The parts between the last one judged and this one, which it does not include.

    In another epoch than the last one's, counting begins at `first_number`. A ledger that begins
    amidst a long epoch (its disk was lost) does not judge what an earlier ledger did.
    """
    if last is not None and last.epoch == part.epoch:
        begin = last.part_number + 1
    else:
        begin = first_number
        if last is None and part.part_number - begin > GREATEST_GAP:
            begin = part.part_number
    return [Part(part.epoch, number) for number in range(begin, part.part_number)]


def is_new(last: Part | None, part: Part) -> bool:
    """Whether the part comes after the last one judged."""
    return last is None or part > last


def part_after(part: Part) -> Part:
    """The part of the next number."""
    return Part(part.epoch, part.part_number + 1)
