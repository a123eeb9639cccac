"""The pictures that the cameras play: rendered bottles with known truth, or a folder of the user's."""

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
    """What a rendered part is: the verdict of a perfect station, and whether its defect must be seen."""

    expected_verdict: str
    visible: bool


@dataclass(frozen=True)
class PoolTruth:
    """What each rendered part really is; the pool begins again when it is through."""

    parts: Sequence[PartTruth]

    def truth_for(self, part_number: int) -> PartTruth:
        """The truth of the part that carries this number."""
        return self.parts[(part_number - 1) % len(self.parts)]


def prepare_pictures(
    arguments: RunArguments, progress: TerminalProgress
) -> tuple[Path, PoolTruth | None]:
    """The folder to play, and what each part really is (None for the user's pictures)."""
    if arguments.images is not None:
        return arguments.images, None
    progress.print_line(f"Bottles: {arguments.pool_parts} rendered parts in {arguments.pool}")
    pool = ensure_pool(arguments.pool, arguments.pool_parts, POOL_SEED)
    return pool, load_pool_truth(pool)


def load_pool_truth(pool: Path) -> PoolTruth:
    """The truth that lies beside a pool's pictures."""
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
