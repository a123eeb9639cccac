"""Stage components for the Greengrass Development Kit: `python -m tools.stage --all`.

Each `build/NAME/` gets gdk-config.json, recipe.yaml, the sources, the shared package and the wheels.
Run `gdk component build` and `gdk component publish` in that folder.
"""

import argparse
import functools
import shutil
import sys
import time
from pathlib import Path

from sightline.command_output import run_command
from sightline.errors import SightlineError
from tools.fleet.fleet_client import FleetClient, connect_to_fleet
from tools.stage import archive
from tools.stage.layout import (
    BUCKET,
    REGION,
    SUITE,
    StagingOptions,
    collect_artifacts,
    copy_recipe,
    stage_component,
    stage_suite,
)
from tools.stage.next_version import resolve_version
from tools.stage.stageable_components import (
    ROOT,
    StageableComponent,
    find_components,
    list_components,
)
from tools.stage.suite_version import load_suite_version, parse_recipe_version
from tools.stage.wheels import ARCHITECTURES

PYTHONS = ("3.10", "3.11", "3.12")  # JetPack 6 and Ubuntu 22.04, Debian 12, Ubuntu 24.04
WHEELS = {"none": (), "x86_64": ("x86_64",), "aarch64": ("aarch64",), "all": ARCHITECTURES}


def main(arguments: list[str] | None = None) -> int:
    """Stage the components; exit code 1 if that fails."""
    given = _arguments().parse_args(arguments)
    try:
        return _run(given)
    except (SightlineError, OSError) as error:
        print(f"stage: {error}", file=sys.stderr)
        return 1


def _run(given: argparse.Namespace) -> int:
    parts = list_components() if given.all else find_components(given.components)
    if not parts:
        print("stage: name one or more components, or pass --all", file=sys.stderr)
        return 1
    named = () if given.all or given.version is None else (part.name for part in parts)
    choice = _build_options(given, frozenset(named))
    folders = [_stage_one(part, choice, number, len(parts)) for number, part in enumerate(parts, 1)]
    if given.all:
        suite = stage_suite(choice)
        if given.suite:
            _collect_suite_artifacts(folders, suite, given.gdk)
    return 0


def _build_options(given: argparse.Namespace, named: frozenset[str]) -> StagingOptions:
    suite = load_suite_version(ROOT)
    return StagingOptions(
        suite=suite,
        version=_find_version(given, suite),
        architectures=WHEELS[given.wheels],
        pythons=tuple(given.python or PYTHONS),
        target=given.target,
        cache=given.cache,
        bucket=given.bucket,
        region=given.region,
        named=named,
    )


def _find_version(given: argparse.Namespace, suite: str) -> str:
    @functools.cache
    def connect() -> FleetClient:
        return connect_to_fleet(given.region, given.account, None)

    names = [*(part.name for part in list_components()), SUITE]
    asked = given.version or suite
    return resolve_version(
        asked, suite, names, lambda name: connect().list_component_versions(name)
    )


def _stage_one(part: StageableComponent, choice: StagingOptions, number: int, count: int) -> Path:
    began = time.monotonic()
    version = choice.find_version(part.name, parse_recipe_version(part.recipe.read_text("utf-8")))
    print(f"[{number}/{count}] {part.name} {version} ...", end=" ", flush=True)
    folder = stage_component(part, choice)
    artifact = archive.build_artifact(folder)
    wheels = sum(1 for _ in (folder / "wheels").iterdir())
    size = artifact.stat().st_size / 2**20
    print(f"{wheels} wheels, {artifact.name} {size:.1f} MiB, {time.monotonic() - began:.1f} s")
    return folder


def _collect_suite_artifacts(folders: list[Path], suite: Path, for_gdk: bool) -> None:
    output = ROOT / archive.OUTPUT
    collect_artifacts(folders, output)
    copy_recipe(suite / archive.RECIPE, SUITE, output)
    if for_gdk:
        shutil.copyfile(suite / archive.RECIPE, output / "recipes" / archive.RECIPE)
    print(f"The whole suite is in {output.relative_to(ROOT)}/")


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.stage", description=__doc__)
    parser.add_argument(
        "components",
        nargs="*",
        help="components, such as capture, model.Cap or com.sightline.Capture",
    )
    parser.add_argument(
        "--all", action="store_true", help="stage every component that has a recipe"
    )
    parser.add_argument(
        "--wheels",
        choices=WHEELS,
        default="all",
        help="architectures to include wheels for (default: all)",
    )
    parser.add_argument(
        "--python",
        action="append",
        metavar="3.10",
        help=f"Python version to include wheels for; repeatable (default: {', '.join(PYTHONS)})",
    )
    parser.add_argument(
        "--version",
        help="version; NEXT_PATCH: one more than any component has in the account (default: "
        "pyproject.toml's). Models and products have that of their recipes, unless they are named here",
    )
    parser.add_argument(
        "--suite",
        action="store_true",
        help="also fill greengrass-build/ with the whole suite, as gdk does",
    )
    parser.add_argument(
        "--gdk",
        action="store_true",
        help="also copy the suite's recipe to where `gdk component publish` expects it",
    )
    parser.add_argument(
        "--bucket", default=BUCKET, help="prefix of the S3 bucket's name (default: %(default)s)"
    )
    parser.add_argument(
        "--region", default=REGION, help="AWS region to publish to (default: %(default)s)"
    )
    parser.add_argument(
        "--account", help="AWS account of NEXT_PATCH (default: that of the credentials)"
    )
    parser.add_argument(
        "--target", type=Path, default=ROOT / "build", help="folder to stage into (default: build/)"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=ROOT / ".cache" / "wheels",
        help="cache of wheels (default: .cache/wheels/)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
