"""The pictures that cameras play: rendered bottles with ground truth, or the user's folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hil.plant.pool import ensure_pool
from hil.run.run_arguments import RunArguments
from hil.run.terminal_progress import TerminalProgress

POOL_SEED = 20


@dataclass(frozen=True)
class PartTruth:
    """A rendered part's ground truth: the expected verdict, and whether its defect must be detected."""

    expected_verdict: str
    visible: bool


@dataclass(frozen=True)
class PoolTruth:
    """The ground truth of the rendered parts; the pool repeats from the start."""

    parts: Sequence[PartTruth]

    def truth_for(self, part_number: int) -> PartTruth:
        """The ground truth of the part with this number."""
        return self.parts[(part_number - 1) % len(self.parts)]


def prepare_pictures(
    arguments: RunArguments, progress: TerminalProgress
) -> tuple[Path, PoolTruth | None]:
    """The folder to play, and its ground truth (None for the user's pictures)."""
    if arguments.images is not None:
        return arguments.images, None
    progress.print_line(f"Bottles: {arguments.pool_parts} rendered parts in {arguments.pool}")
    pool = ensure_pool(arguments.pool, arguments.pool_parts, POOL_SEED)
    return pool, load_pool_truth(pool)


def load_pool_truth(pool: Path) -> PoolTruth:
    """Load a pool's ground truth."""
    listed = json.loads((pool / "parts.json").read_text())["parts"]
    return PoolTruth(
        [
            PartTruth(
                str(entry["expected_verdict"]),
                any(defect["visible"] for defect in entry["defects"]),
            )
            for entry in listed
        ]
    )
