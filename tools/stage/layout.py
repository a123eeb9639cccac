"""Lays out a component's staged folder, and the build of the whole suite."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tools.stage import archive
from tools.stage.stageable_components import ROOT, SHARED, StageableComponent, list_components
from tools.stage.suite_version import (
    build_requirement,
    fill_recipe_version,
    has_own_version,
    parse_recipe_version,
)
from tools.stage.wheels import fetch_wheels

AUTHOR = "Sightline"
SUITE = "com.sightline.Suite"
BUCKET = "sightline-components"
REGION = "eu-central-1"
GDK_VERSION = "1.6.0"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


@dataclass(frozen=True)
class StagingOptions:
    """Options of staging; `version` is what is staged, `suite` the version of the sources.

    Models and products keep their recipe's version, unless they are in `named`.
    """

    suite: str
    version: str
    architectures: tuple[str, ...]
    pythons: tuple[str, ...]
    target: Path
    cache: Path
    bucket: str = BUCKET
    region: str = REGION
    named: frozenset[str] = frozenset()

    def find_version(self, component: str, of_recipe: str) -> str:
        """The version that a component is staged in."""
        keeps = has_own_version(component) and component not in self.named
        return of_recipe if keeps else self.version


def stage_component(part: StageableComponent, options: StagingOptions, root: Path = ROOT) -> Path:
    """Stage a component under `target`; returns its folder."""
    recipe = part.recipe.read_text(encoding="utf-8")
    own = replace(options, version=options.find_version(part.name, parse_recipe_version(recipe)))
    text = fill_recipe_version(recipe, own.version, _build_requirements(options, root))
    folder = lay_out_folder(part.name, text, part.lock, own, root)
    shutil.copytree(part.sources, folder / part.package, ignore=_LEFT_OUT)
    return folder


def stage_suite(options: StagingOptions, root: Path = ROOT) -> Path:
    """Stage the recipe of the whole suite, which has no files of its own; returns its folder."""
    folder = options.target / SUITE
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    recipe = (root / archive.RECIPE).read_text(encoding="utf-8")
    text = fill_recipe_version(recipe, options.version, _build_requirements(options, root))
    _write_control_files(SUITE, text, options, folder)
    archive.copy_built_recipe(folder)
    return folder


def lay_out_folder(
    name: str, recipe: str, lock: Path, options: StagingOptions, root: Path = ROOT
) -> Path:
    """Lay out what every component's folder has: the recipe, the shared package, the wheels of a lock."""
    folder = options.target / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copytree(root / SHARED, folder / SHARED.name, ignore=_LEFT_OUT)
    shutil.copyfile(lock, folder / "requirements.txt")
    _add_wheels(lock.read_text(encoding="utf-8"), options, folder / "wheels")
    _write_control_files(name, recipe, options, folder)
    return folder


def build_gdk_configuration(
    name: str, command: list[str], choice: StagingOptions
) -> dict[str, Any]:
    """Build a component's gdk-config.json for gdk 1.6: exactly one component, custom build."""
    component = {
        "author": AUTHOR,
        "version": choice.version,
        "build": {"build_system": "custom", "custom_build_command": command},
        "publish": {"bucket": choice.bucket, "region": choice.region},
    }
    return {"component": {name: component}, "gdk_version": GDK_VERSION}


def collect_artifacts(folders: list[Path], output: Path) -> None:
    """Collect the components' artifacts, and their recipes as NAME-VERSION.yaml.

    It lies under `output` as `greengrass-cli deployment create` and `ggl-cli deploy` look for it.
    """
    shutil.rmtree(output / "recipes", ignore_errors=True)
    for folder in folders:
        built = folder / archive.OUTPUT
        shutil.copytree(built / "artifacts", output / "artifacts", dirs_exist_ok=True)
        copy_recipe(built / "recipes" / archive.RECIPE, folder.name, output)


def copy_recipe(recipe: Path, name: str, output: Path) -> None:
    """Copy a recipe as NAME-VERSION.yaml, the only name that Nucleus Lite reads."""
    version = parse_recipe_version(recipe.read_text(encoding="utf-8"))
    target = output / "recipes" / f"{name}-{version}.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(recipe, target)


def _add_wheels(lock: str, choice: StagingOptions, target: Path) -> None:
    target.mkdir()
    for architecture in choice.architectures:
        for wheel in fetch_wheels(lock, choice.pythons, architecture, choice.cache):
            shutil.copyfile(wheel, target / wheel.name)


def _write_control_files(name: str, recipe: str, choice: StagingOptions, folder: Path) -> None:
    (folder / archive.RECIPE).write_text(recipe, encoding="utf-8")
    configuration = build_gdk_configuration(name, ["python3", archive.SCRIPT], choice)
    content = json.dumps(configuration, indent=2) + "\n"
    (folder / archive.CONFIGURATION).write_text(content, encoding="utf-8")
    shutil.copyfile(archive.__file__, folder / archive.SCRIPT)


def _build_requirements(choice: StagingOptions, root: Path) -> dict[str, str]:
    """What is required of each of our components by those that need it."""
    found = {}
    for part in list_components(root):
        own = parse_recipe_version(part.recipe.read_text(encoding="utf-8"))
        of_sources = own if has_own_version(part.name) else choice.suite
        found[part.name] = build_requirement(choice.find_version(part.name, own), of_sources)
    return found
