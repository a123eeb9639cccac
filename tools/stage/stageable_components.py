"""What can be staged: each recipe with the folder that its artifact packs, and what it needs."""

from dataclasses import dataclass
from pathlib import Path

from sightline.errors import RecipeError
from tools.stage.archive import parse_artifact_name

ROOT = Path(__file__).resolve().parents[2]
# by the end of the artifact's name: folder, lock; without a lock's name, that of the artifact
ARTIFACT_KINDS = {
    "_model": ("models", "model"),
    "_product": ("products", "product"),
    "_driver": ("drivers", ""),
}
SHARED = Path("shared") / "sightline"
REQUIREMENTS = Path("requirements") / "components"


@dataclass(frozen=True)
class StageableComponent:
    """One component: its recipe, the folder of its sources, the lock of what it needs."""

    name: str
    recipe: Path
    sources: Path
    lock: Path

    @property
    def package(self) -> str:
        """The name of its folder inside the artifact."""
        return self.sources.name


def list_components(root: Path = ROOT) -> tuple[StageableComponent, ...]:
    """All components that have a recipe, in the order of their names."""
    return tuple(
        _build_component(root, path) for path in sorted((root / "recipes").glob("com.*.yaml"))
    )


def find_components(names: list[str], root: Path = ROOT) -> tuple[StageableComponent, ...]:
    """The named ones, as `com.sightline.Capture`, `Capture` or `capture`; RecipeError if unknown."""
    known = list_components(root)
    by_name = {
        key: part for part in known for key in (part.name.lower(), _short_name(part).lower())
    }
    unknown = [name for name in names if name.lower() not in by_name]
    if unknown:
        listed = ", ".join(_short_name(part) for part in known)
        raise RecipeError(f"no component {', '.join(unknown)}; there are {listed}")
    return tuple(by_name[name.lower()] for name in names)


def _short_name(part: StageableComponent) -> str:
    return part.name.removeprefix("com.sightline.")


def find_lock_name(artifact: str) -> str:
    """`capture.zip` to `capture`, `cap_model.zip` to `model`: which lock has the artifact's wheels."""
    return _parse_artifact_kind(artifact)[2]


def _build_component(root: Path, recipe: Path) -> StageableComponent:
    try:
        artifact = parse_artifact_name(recipe.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecipeError(f"{recipe.name}: {error}") from error
    folder, package, lock = _parse_artifact_kind(artifact)
    sources = root / "components" / folder / package
    return StageableComponent(recipe.stem, recipe, sources, root / REQUIREMENTS / f"{lock}.txt")


def _parse_artifact_kind(artifact: str) -> tuple[str, str, str]:
    """The folder of the artifact's kind, its package in there, and its lock."""
    stem = artifact.removesuffix(".zip")
    for suffix, (folder, lock) in ARTIFACT_KINDS.items():
        if stem.endswith(suffix):
            return folder, stem.removesuffix(suffix), lock or stem
    return "", stem, stem
