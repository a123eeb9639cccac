"""The pictures that cameras play: rendered bottles with ground truth, or the user's folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hil.nucleus.recipe_files.deployment import load_deployment
from hil.nucleus.recipe_files.recipe import load_recipe
from hil.plant.bottles.part import CAMERAS
from hil.plant.pool import ensure_pool
from hil.run.run_arguments import RunArguments
from hil.run.terminal_progress import TerminalProgress
from sightline.imaging.picture_folder import assign_pictures, find_frame_size
from sightline.messaging.topics import CAPTURE

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
    """The folder to play, and its ground truth (None for the user's pictures).

    CameraError: capture would refuse the pictures, too, but the station would have to start first.
    """
    if arguments.images is not None:
        check_pictures(arguments.images, read_cameras(arguments))
        return arguments.images, None
    cameras = read_cameras(arguments)
    folder = find_pool_folder(arguments.pool, len(cameras))
    progress.print_line(f"Bottles: {arguments.pool_parts} rendered parts in {folder}")
    pool = ensure_pool(folder, arguments.pool_parts, POOL_SEED, cameras=len(cameras))
    return pool, load_pool_truth(pool)


def find_pool_folder(pool: Path, cameras: int) -> Path:
    """The folder of bottles for so many cameras; their views differ with the number."""
    return pool if cameras == CAMERAS else pool.with_name(f"{pool.name}-{cameras}-cameras")


def check_pictures(folder: Path, cameras: Sequence[str]) -> None:
    """CameraError where a camera has nothing to play, or the pictures' shapes differ."""
    played = assign_pictures(folder, cameras)
    find_frame_size(folder, dict.fromkeys(file for files in played.values() for file in files))


def read_cameras(arguments: RunArguments) -> tuple[str, ...]:
    """The cameras that capture will have."""
    recipe = load_recipe(arguments.recipes / f"{CAPTURE}.yaml")
    deployed = load_deployment(arguments.deployment).components.get(CAPTURE)
    layers = (
        recipe.component_configuration.default_configuration,
        {} if deployed is None else deployed.configuration_update.merge,
        arguments.merges.get(CAPTURE, {}),
    )
    given = [layer["cameras"] for layer in layers if layer.get("cameras")]
    return tuple(str(camera) for camera in given[-1])


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
