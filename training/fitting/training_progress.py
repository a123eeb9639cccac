"""Training progress on standard error: a bar with loss and time left."""

import sys
import time

PROGRESS_BAR_WIDTH = 24


class TrainingProgress:
    """Shows each step on a terminal and each epoch everywhere."""

    def __init__(self, steps_per_epoch: int, epochs: int) -> None:
        self._steps_per_epoch = max(1, steps_per_epoch)
        self._epochs = epochs
        self._done = self._done_here = 0
        self._loss = 0.0
        self._earlier_s = 0.0
        self._started = self._shown = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training so far, earlier runs included."""
        return self._earlier_s + time.monotonic() - self._started

    def resume_from(self, epochs: int, seconds: float) -> None:
        """Set what an earlier process has done."""
        self._done, self._earlier_s = epochs * self._steps_per_epoch, seconds

    def show_step(self, epoch: int, loss: float) -> None:
        """One batch is done."""
        self._done += 1
        self._done_here += 1
        self._loss = loss if self._done_here == 1 else 0.95 * self._loss + 0.05 * loss
        now = time.monotonic()
        if now - self._shown >= (0.5 if sys.stderr.isatty() else 15.0):
            self._shown = now
            end = "" if sys.stderr.isatty() else "\n"
            sys.stderr.write("\r" + self.format_line(epoch) + end)
            sys.stderr.flush()

    def format_line(self, epoch: int) -> str:
        """The bar, with loss and time left."""
        steps = self._steps_per_epoch * self._epochs
        filled = round(PROGRESS_BAR_WIDTH * min(1.0, self._done / steps))
        pace_s = (time.monotonic() - self._started) / max(1, self._done_here)
        left_min = max(0, steps - self._done) * pace_s / 60
        return (
            f"  [{'#' * filled}{'.' * (PROGRESS_BAR_WIDTH - filled)}] epoch {epoch + 1} of {self._epochs}, "
            f"step {self._done} of {steps}, loss {self._loss:.4f}, at most {left_min:.1f} min left "
        )

    def show_epoch(self, epoch: int, validation: float, best_epoch: int) -> None:
        """One epoch is done and validated."""
        sys.stderr.write(
            f"\r{self.format_line(epoch - 1)}\n  epoch {epoch}: validation {validation:.5f}"
            f"{' (best so far)' if best_epoch == epoch else ''}\n"
        )
