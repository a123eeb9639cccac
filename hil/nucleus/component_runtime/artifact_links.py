"""Creates each component's unpacked artifacts by links into the source tree."""

import shutil
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
    name, place = file.stem, COMPONENTS
    for suffix, of_kind in FOLDER_BY_SUFFIX.items():
        if name.endswith(suffix):
            name, place = name.removesuffix(suffix), of_kind
    packed = source / place / name
    if packed.is_dir():
        (folder / name).symlink_to(packed, target_is_directory=True)
    (folder / "sightline").symlink_to(source / SHARED, target_is_directory=True)
