"""Files that are there and not in git yet: the rules look only at what git has, and say so."""

from collections.abc import Mapping
from pathlib import Path

from tools.stage.stageable_components import find_source_folder
from tools.stage.suite_version import has_own_version

RECIPES = "recipes/com."


def find_untracked_components(files: Mapping[str, str], root: Path) -> frozenset[str]:
    """The components whose recipe is on disk, but not among the files of git."""
    there = {path.stem for path in (root / "recipes").glob("com.*.yaml")}
    return frozenset(name for name in there if f"recipes/{name}.yaml" not in files)


def find_untracked_sources(files: Mapping[str, str], root: Path) -> list[str]:
    """One line for each model or product whose recipe is in git and whose files are not."""
    found = []
    for path, recipe in files.items():
        if path.startswith(RECIPES) and has_own_version(Path(path).stem):
            folder = find_source_folder(recipe)
            is_there = (root / folder).is_dir()
            if is_there and not any(name.startswith(f"{folder}/") for name in files):
                found.append(f"{path}: its files are not in git yet: git add {folder}")
    return found


def find_unchecked_recipes(files: Mapping[str, str], root: Path) -> list[str]:
    """A warning for each recipe that no rule has looked at."""
    return [
        f"recipes/{name}.yaml is not in git yet, so it was not checked: git add recipes/{name}.yaml"
        for name in sorted(find_untracked_components(files, root))
    ]
