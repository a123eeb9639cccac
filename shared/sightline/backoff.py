"""How long to wait before the next attempt: longer each time, never in step with others."""

import random

FIRST_RETRY_S = 0.2
MAX_RETRY_S = 5.0


class Backoff:
    """Doubles from the first wait up to the longest, each with jitter."""

    def __init__(self, first_s: float = FIRST_RETRY_S, max_s: float = MAX_RETRY_S) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._next_s = first_s

    def next_delay_s(self) -> float:
        """The seconds to wait after a failure: half to the whole of what is due."""
        due_s = self._next_s
        self._next_s = min(2 * due_s, self._max_s)
        return max(self._first_s, due_s * random.uniform(0.5, 1.0))

    def reset(self) -> None:
        """Begin anew with the shortest wait."""
        self._next_s = self._first_s
