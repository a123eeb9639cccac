"""Local deployments as their users make them: a folder of recipes, a file, a command."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.unit.nucleus.running_nucleus import (
    REPOSITORY,
    Json,
    RecipeBuilder,
    RunningNucleus,
    nucleus,
)

QUICK = ("--deployment-timeout-s", "20", "--deployment-steady-s", "0.3")


@contextmanager
def running_with(folder: Path, *components: RecipeBuilder) -> Iterator[RunningNucleus]:
    """A nucleus that runs the components and decides quickly."""
    with nucleus(folder, components, more=QUICK) as running:
        for one in components:
            running.wait_for_state(one.name, "RUNNING")
        yield running


@contextmanager
def begun_deployment(
    folder: Path, components: Sequence[RecipeBuilder], merges: Json | None = None, *more: str
) -> Iterator["subprocess.Popen[str]"]:
    """The command, begun; killed at the end if it still runs."""
    command = subprocess.Popen(
        [
            *(sys.executable, "-W", "error", "-m", "hil.nucleus.deploy"),
            *("--root", str(folder / "nucleus")),
            *("--deployment", str(deployment_file(folder, components, merges or {}))),
            *("--recipes", str(folder / "new-recipes"), "--timeout-s", "60", *more),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield command
    finally:
        if command.poll() is None:
            command.kill()
        command.communicate()


def deployment_file(folder: Path, components: Sequence[RecipeBuilder], merges: Json) -> Path:
    """Write the recipes into `new-recipes`, and the deployment."""
    recipes, file = folder / "new-recipes", folder / "new-deployment.yaml"
    recipes.mkdir(exist_ok=True)
    for path in recipes.iterdir():
        path.unlink()
    wanted: Json = {}
    for one in components:
        (recipes / f"{one.name}.yaml").write_text(yaml.safe_dump(one.recipe()))
        update = {"merge": merges[one.name]} if one.name in merges else {}
        wanted[one.name] = {"version": one.version, "configurationUpdate": update}
    file.write_text(yaml.safe_dump({"components": wanted}))
    return file


def deploy(
    folder: Path, components: Sequence[RecipeBuilder], merges: Json | None = None, *more: str
) -> tuple[int, str]:
    """Run the command; its exit code and words."""
    with begun_deployment(folder, components, merges, *more) as command:
        words, _ = command.communicate(timeout=120)
    return command.returncode, words
