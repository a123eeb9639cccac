"""Handles Ctrl-C and SIGTERM at any point of a run."""

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptSignals:
    """Both signals raise KeyboardInterrupt, even if the shell started the process with SIGINT ignored."""

    def __init__(self) -> None:
        self._pending = False
        for number in SIGNALS:
            signal.signal(number, self._raise_interrupt)

    def raise_pending(self) -> None:
        """Raise a pending interrupt that the interpreter dropped: exceptions in finalizers are ignored."""
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    def clear(self) -> None:
        """Mark the interrupt as handled; the next one counts again."""
        self._pending = False

    def ignore(self) -> None:
        """Ignore further interrupts: the processes that were started must be stopped."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _raise_interrupt(self, *_: object) -> None:
        self._pending = True
        raise KeyboardInterrupt
