"""A thread whose end is seen: what nobody foresaw is told, and its work starts again."""

import logging
import threading
from collections.abc import Callable

from sightline.backoff import Backoff
from sightline.kernel.health import THREAD_FAULT, ComponentHealth

log = logging.getLogger(__name__)
MIN_RESTART_DELAY_S, MAX_RESTART_DELAY_S = 0.2, 10.0
CLEAR_AFTER_S = 30.0


class SupervisedThread(threading.Thread):
    """Runs `work` until it returns; an unforeseen exception is a fault, and `work` starts again.

    While the fault stands the component is not ready. It is cleared when the work went on for
    `clear_after_s`. `on_failure` runs in the thread before the next start, to give back what was held.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        health: ComponentHealth,
        *,
        on_failure: Callable[[Exception], None] = lambda error: None,
        backoff: Backoff | None = None,
        clear_after_s: float = CLEAR_AFTER_S,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._health = health
        self._on_failure = on_failure
        self._backoff = backoff or Backoff(MIN_RESTART_DELAY_S, MAX_RESTART_DELAY_S)
        self._clear_after_s = clear_after_s
        self._failures = 0
        self._ended = threading.Event()

    def run(self) -> None:
        """Work, and work again after each failure, until `work` returns or `end` was called."""
        while not self._ended.is_set():
            try:
                self._work()
            except Exception as error:  # noqa: BLE001 nobody foresaw it, so it can be anything
                self._handle_failure(error)
            else:
                return

    def stop(self) -> None:
        """Start the work no more; whoever gave the work makes it return."""
        self._ended.set()

    def _handle_failure(self, error: Exception) -> None:
        self._failures += 1
        text = (
            f"The thread {self.name} failed and is started again: {type(error).__name__}: {error}. "
            "If this stays, restart the component and report the log."
        )
        self._health.count("thread_failures")
        self._health.raise_fault(THREAD_FAULT + self.name, text)
        log.error("a thread failed", exc_info=error, extra={"worker": self.name})
        try:
            self._on_failure(error)
        except Exception:
            log.exception("after a thread's failure", extra={"worker": self.name})
        self._ended.wait(self._backoff.next_delay_s())
        clearing = threading.Timer(self._clear_after_s, self._clear_fault, [self._failures])
        clearing.daemon = True
        clearing.start()

    def _clear_fault(self, failures: int) -> None:
        if failures == self._failures and self.is_alive():
            self._backoff.reset()
            self._health.clear_fault(THREAD_FAULT + self.name)
