"""Creates each component's unpacked artifacts by links into the source tree, and digests what they hold."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from hil.nucleus.recipe_files.recipe import ComponentRecipe, RecipeArtifact

SHARED = Path("shared") / "sightline"
COMPONENTS = Path("components")
FOLDER_BY_SUFFIX = {"_model": COMPONENTS / "models", "_product": COMPONENTS / "products"}


def link_artifacts(recipe: ComponentRecipe, source: Path, unarchived: Path) -> None:
    """Create `unarchived/STEM/` for each zip of the recipe: its sources, and the sightline package.

    `capture.zip` packs components/capture, `surface_model.zip` components/models/surface, and
    `bottle_product.zip` components/products/bottle. The folders are links into `source`; one that is
    not there is left out, and the install step tells so.
    """
    if unarchived.exists():
        shutil.rmtree(unarchived)
    unarchived.mkdir(parents=True)
    for artifact in recipe.matching_manifest().artifacts:
        _link_artifact(artifact, source.resolve(), unarchived)


def _link_artifact(artifact: RecipeArtifact, source: Path, unarchived: Path) -> None:
    file = PurePosixPath(artifact.uri)
    if artifact.unarchive != "ZIP":
        return
    folder = unarchived / file.stem
    folder.mkdir()
    packed = _find_packed_folder(artifact, source)
    if packed.is_dir():
        (folder / packed.name).symlink_to(packed, target_is_directory=True)
    (folder / "sightline").symlink_to(source / SHARED, target_is_directory=True)


def digest_artifacts(recipe: ComponentRecipe, source: Path) -> str:
    """A digest of the component's own files, without the shared package; other files, another digest.

    On a station a version's artifacts never change; here they are links into a source tree.
    """
    digest = hashlib.sha256()
    for artifact in recipe.matching_manifest().artifacts:
        if artifact.unarchive == "ZIP":
            folder = _find_packed_folder(artifact, source.resolve())
            for file in _list_files(folder):
                digest.update(f"{file.relative_to(folder).as_posix()}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _list_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if path.is_file() and not any(part == "__pycache__" or part[0] == "." for part in inside):
            yield path


def _find_packed_folder(artifact: RecipeArtifact, source: Path) -> Path:
    name, place = PurePosixPath(artifact.uri).stem, COMPONENTS
    for suffix, of_kind in FOLDER_BY_SUFFIX.items():
        if name.endswith(suffix):
            name, place = name.removesuffix(suffix), of_kind
    return source / place / name
