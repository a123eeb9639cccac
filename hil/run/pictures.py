"""The pictures that the cameras play: rendered bottles with known truth, or a folder of the user's."""

import json
from pathlib import Path

from hil.plant.pool import ensure_pool
from hil.run.arguments import RunArguments
from hil.run.progress import Progress

POOL_SEED = 20


def prepare_pictures(
    arguments: RunArguments, progress: Progress
) -> tuple[Path, dict[int, str] | None]:
    """The folder to play, and what each part number really is (None for the user's pictures)."""
    if arguments.images is not None:
        return arguments.images, None
    progress.say(f"Bottles: {arguments.pool_parts} rendered parts in {arguments.pool}")
    pool = ensure_pool(arguments.pool, arguments.pool_parts, POOL_SEED)
    return pool, truth_by_number(pool, arguments.parts or arguments.pool_parts)


def truth_by_number(pool: Path, parts: int) -> dict[int, str]:
    """Expected verdict by part number; the pool begins again when it is through."""
    listed = json.loads((pool / "parts.json").read_text())
    entries = listed["parts"] if isinstance(listed, dict) else listed
    expected = [str(entry["expected_verdict"]) for entry in entries]
    return {number: expected[(number - 1) % len(expected)] for number in range(1, parts + 1)}
