"""The command line of `python -m hil.run`."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.nucleus.dialects.dialect import DIALECTS
from sightline.messaging.topics import CAPTURE, INFERENCE

MAX_CAMERAS = 8
REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOYMENTS = REPOSITORY / "recipes" / "deployments"


@dataclass(frozen=True)
class RunArguments:
    """A run's options: `parts` None runs until Ctrl-C; `images` None plays rendered bottles.

    The bench and replays give the rest: other recipes or sources of components, configuration by
    component, the number of the first part, and arguments of the plant.
    """

    parts: int | None
    rate_hz: float
    images: Path | None
    folder: Path
    pool: Path
    pool_parts: int
    station: str
    deployment: Path
    port: int
    nucleus: str = "classic"
    plc: str = "opcua"
    ready_timeout_s: float = 60.0
    up_timeout_s: float = 30.0
    poll_s: float = 0.1
    strict_budgets: bool = False
    recipes: Path = REPOSITORY / "recipes"
    source: Path = REPOSITORY
    merges: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    first_number: int | None = None
    plant: tuple[str, ...] = ()


def parse_run_arguments(arguments: list[str] | None = None) -> RunArguments:
    """Parse and check the arguments; argparse exits with a message if they are wrong."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.images is not None and not given.images.is_dir():
        parser.error(f"--images: no such folder: {given.images}")
    deployment = find_deployment(given.deployment)
    if deployment is None:
        known = ", ".join(sorted(file.stem for file in DEPLOYMENTS.glob("*.yaml")))
        parser.error(
            f"--deployment: no such file: {given.deployment}; in recipes/deployments are {known}"
        )
    if given.parts is not None and given.parts < 1:
        parser.error(f"--parts: found {given.parts}; 1 or more is allowed")
    if given.cameras is not None and not 1 <= given.cameras <= MAX_CAMERAS:
        parser.error(f"--cameras: found {given.cameras}; 1 to {MAX_CAMERAS} is allowed")
    if not 0 < given.rate <= 25:
        parser.error(
            f"--rate: found {given.rate}; more than 0 and at most 25 parts per second is allowed"
        )
    return RunArguments(
        parts=given.parts,
        rate_hz=given.rate,
        images=given.images.resolve() if given.images else None,
        folder=given.folder.resolve(),
        pool=given.pool.resolve(),
        pool_parts=given.pool_parts,
        station=given.station,
        deployment=deployment,
        port=given.port,
        plc=given.plc,
        nucleus=given.nucleus,
        strict_budgets=given.strict_budgets,
        merges=_name_cameras(given.cameras),
    )


def _name_cameras(number: int | None) -> Mapping[str, Mapping[str, Any]]:
    """cam1, cam2, ... for capture and inference; without a number, those of the deployment."""
    if number is None:
        return {}
    cameras = {"cameras": [f"cam{place + 1}" for place in range(number)]}
    return {CAPTURE: cameras, INFERENCE: cameras}


def find_deployment(given: Path) -> Path | None:
    """A deployment file, or that of a name in recipes/deployments; None if there is none."""
    named = DEPLOYMENTS / f"{given}.yaml"
    return next((file.resolve() for file in (given, named) if file.is_file()), None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hil.run", description="Run a whole inspection station on this machine"
    )
    parser.add_argument(
        "--parts", type=int, help="stop after this many parts (default: run until Ctrl-C)"
    )
    parser.add_argument("--rate", type=float, default=2.0, help="parts per second (default: 2)")
    parser.add_argument(
        "--images", type=Path, help="folder of pictures to play (default: rendered bottles)"
    )
    parser.add_argument(
        "--cameras",
        type=int,
        metavar="N",
        help=f"number of cameras, 1 to {MAX_CAMERAS} (default: those of the deployment)",
    )
    parser.add_argument(
        "--pool-parts", type=int, default=240, help="number of bottles to render (default: 240)"
    )
    parser.add_argument(
        "--station", default="station-1", help="thing name of the station (default: station-1)"
    )
    parser.add_argument(
        "--plc",
        choices=("opcua", "modbus"),
        default="opcua",
        help="protocol of the PLC (default: opcua)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=8080,
        help="port of the web page; 0 picks a free one (default: 8080)",
    )
    parser.add_argument(
        "--nucleus",
        choices=sorted(DIALECTS),
        default="classic",
        help="behave as Greengrass Nucleus 2.x (classic) or Nucleus Lite (lite) (default: classic)",
    )
    parser.add_argument(
        "--strict-budgets",
        action="store_true",
        help="exit with code 1 if a component exceeds its budget in hil/run/budgets.py (default: report it)",
    )
    _add_places(parser)
    return parser


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder",
        type=Path,
        default=REPOSITORY / ".station",
        help="folder for the run's files (default: .station)",
    )
    parser.add_argument(
        "--pool",
        type=Path,
        default=REPOSITORY / ".station" / "pool",
        help="folder that keeps rendered bottles between runs (default: .station/pool)",
    )
    parser.add_argument(
        "--deployment",
        type=Path,
        default=DEPLOYMENTS / "laptop.yaml",
        help="deployment file, or its name in recipes/deployments (default: laptop)",
    )
