"""Packs a staged component reproducibly: the same files give the same bytes.

This file is copied into each staged folder as `make_artifact.py`, where `gdk component build` calls it
as the custom build, so it uses the standard library only.
"""

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

CONFIGURATION = "gdk-config.json"
RECIPE = "recipe.yaml"
SCRIPT = "make_artifact.py"
OUTPUT = "greengrass-build"
EXCLUDED_NAMES = frozenset({CONFIGURATION, RECIPE, SCRIPT, OUTPUT, "zip-build"})
NEXT_PATCH = "NEXT_PATCH"
REFUSED_NEXT_PATCH = (
    "found the version NEXT_PATCH, for which gdk gives each component another number; "
    "stage with `python -m tools.stage --all --version NEXT_PATCH`, which finds one number for all"
)
FIXED_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_ARTIFACT = re.compile(r"s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/(\S+\.zip)")


def pack_folder(folder: Path, target: Path) -> None:
    """Zip a folder reproducibly: sorted names, one time stamp, one mode per kind of file, no compression."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        for path in list_packed_files(folder):
            _add(archive, path, path.relative_to(folder).as_posix())


def list_packed_files(folder: Path) -> list[Path]:
    """The files that go into the artifact, sorted by name."""
    found = (path for path in folder.rglob("*") if path.is_file())
    kept = (path for path in found if path.relative_to(folder).parts[0] not in EXCLUDED_NAMES)
    return sorted(kept, key=lambda path: path.relative_to(folder).as_posix())


def build_artifact(folder: Path) -> Path:
    """Fill a staged folder's `greengrass-build` for `gdk component publish`; returns the artifact."""
    (name, component), *_ = json.loads((folder / CONFIGURATION).read_text())["component"].items()
    if component["version"] == NEXT_PATCH:
        raise ValueError(f"{folder / CONFIGURATION}: {REFUSED_NEXT_PATCH}")
    recipe = (folder / RECIPE).read_text(encoding="utf-8")
    output = folder / OUTPUT
    artifact: Path = (
        output / "artifacts" / name / component["version"] / parse_artifact_name(recipe)
    )
    pack_folder(folder, artifact)
    copy_built_recipe(folder)
    return artifact


def copy_built_recipe(folder: Path) -> None:
    """Copy a staged folder's recipe to where `gdk component publish` reads it."""
    target = folder / OUTPUT / "recipes" / RECIPE
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / RECIPE, target)


def has_artifact(recipe: str) -> bool:
    """Whether a recipe has files of its own; the whole suite's has none."""
    return _ARTIFACT.search(recipe) is not None


def _build_here(folder: Path) -> None:
    if has_artifact((folder / RECIPE).read_text(encoding="utf-8")):
        sys.stdout.write(f"{build_artifact(folder)}\n")
    else:
        copy_built_recipe(folder)


def parse_artifact_name(recipe: str) -> str:
    """The file name of the recipe's only artifact; ValueError if it has none or several."""
    names = sorted(set(_ARTIFACT.findall(recipe)))
    if len(names) != 1:
        raise ValueError(f"found the artifacts {names}; expected one s3://BUCKET_NAME/.../NAME.zip")
    return str(names[0])


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    entry = zipfile.ZipInfo(name, FIXED_TIMESTAMP)
    entry.create_system = 3  # Unix, wherever it is packed
    entry.external_attr = (0o100755 if path.suffix == ".sh" else 0o100644) << 16
    # deflate depends on the zlib, and how zip64 is marked on the version of Python
    entry.compress_type = zipfile.ZIP_STORED
    entry.file_size = path.stat().st_size
    with path.open("rb") as source, archive.open(entry, "w") as target:
        shutil.copyfileobj(source, target, 1 << 20)


if __name__ == "__main__":
    _build_here(Path.cwd())
