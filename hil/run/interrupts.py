"""Ctrl-C and SIGTERM, taken wherever the run is when they come."""

import signal

NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Both signals raise KeyboardInterrupt, also where a shell began the process with SIGINT ignored."""

    def __init__(self) -> None:
        self._asked = False
        for number in NUMBERS:
            signal.signal(number, self._interrupt)

    def check(self) -> None:
        """Raise what the interpreter dropped: an exception out of a finalizer goes nowhere."""
        if self._asked:
            self._asked = False
            raise KeyboardInterrupt

    def settled(self) -> None:
        """The one that came is taken care of; the next one counts again."""
        self._asked = False

    def ignore(self) -> None:
        """From now on nothing is to come between: what was started must be ended."""
        for number in NUMBERS:
            signal.signal(number, signal.SIG_IGN)

    def _interrupt(self, *_: object) -> None:
        self._asked = True
        raise KeyboardInterrupt
