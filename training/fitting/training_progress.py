"""Training progress on standard error: a bar with loss and time left, and each epoch's figure."""

import math
import sys
import time
from dataclasses import dataclass

PROGRESS_BAR_WIDTH = 24


@dataclass(frozen=True)
class ValidationFigure:
    """The figure of the held-out pictures that chooses the best epoch, and its direction."""

    name: str
    higher_is_better: bool

    @property
    def worst(self) -> float:
        """A value that every other one is better than."""
        return -math.inf if self.higher_is_better else math.inf

    def is_better(self, value: float, other: float) -> bool:
        """Whether the value is better than the other one."""
        return value > other if self.higher_is_better else value < other


class TrainingProgress:
    """Shows each step on a terminal and each epoch everywhere."""

    def __init__(self, steps_per_epoch: int, epochs: int, figure: ValidationFigure) -> None:
        self._figure = figure
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

    def show_epoch(self, epoch: int, value: float, best: float, best_epoch: int) -> None:
        """One epoch is done and validated."""
        way = "higher" if self._figure.higher_is_better else "lower"
        sys.stderr.write(
            f"\r{self.format_line(epoch - 1)}\n  epoch {epoch}: validation {self._figure.name} {value:.4f}, "
            f"{way} is better, best so far {best:.4f} at epoch {best_epoch}\n"
        )
