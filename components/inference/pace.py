"""Whether a part that comes now would be judged before its deadline, by how long parts usually take."""

SHARE_OF_THE_LAST = 0.1


class Pace:
    """Follows the parts that were judged in time. Each part that this estimate alone refuses halves it.

    It learns from judged parts only: else one stall among them would shut out all that come after.
    """

    def __init__(self) -> None:
        self._usual_ns = 0.0

    def took(self, judging_ns: int) -> None:
        """A part was judged in this time."""
        self._usual_ns += SHARE_OF_THE_LAST * (judging_ns - self._usual_ns)

    def is_too_late(self, now_ns: int, deadline_ns: int) -> bool:
        """Whether judging that begins now would end after the deadline."""
        if now_ns > deadline_ns:
            return True
        if now_ns + self._usual_ns <= deadline_ns:
            return False
        self._usual_ns /= 2
        return True
