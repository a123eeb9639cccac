"""Ctrl-C and SIGTERM, taken wherever the run is when they come."""

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptSignals:
    """Both signals raise KeyboardInterrupt, also where a shell began the process with SIGINT ignored."""

    def __init__(self) -> None:
        self._pending = False
        for number in SIGNALS:
            signal.signal(number, self._interrupt)

    def raise_pending(self) -> None:
        """Raise what the interpreter dropped: an exception out of a finalizer goes nowhere."""
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    def clear(self) -> None:
        """The one that came is taken care of; the next one counts again."""
        self._pending = False

    def ignore(self) -> None:
        """From now on nothing is to come between: what was started must be ended."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _interrupt(self, *_: object) -> None:
        self._pending = True
        raise KeyboardInterrupt
