"""Components that can be staged: each recipe with its source folder and its lock file."""

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
    """One component: its recipe, source folder and lock file."""

    name: str
    recipe: Path
    sources: Path
    lock: Path

    @property
    def package(self) -> str:
        """The name of its folder inside the artifact."""
        return self.sources.name


def list_components(root: Path = ROOT) -> tuple[StageableComponent, ...]:
    """All components that have a recipe, sorted by name."""
    return tuple(
        _build_component(root, path) for path in sorted((root / "recipes").glob("com.*.yaml"))
    )


def find_components(names: list[str], root: Path = ROOT) -> tuple[StageableComponent, ...]:
    """Find components named as `com.sightline.Capture`, `Capture` or `capture`; RecipeError if unknown."""
    known = list_components(root)
    by_name = {
        key: part for part in known for key in (part.name.lower(), _short_name(part).lower())
    }
    unknown = [name for name in names if name.lower() not in by_name]
    if unknown:
        listed = ", ".join(_short_name(part) for part in known)
        raise RecipeError(f"unknown component {', '.join(unknown)}; available: {listed}")
    return tuple(by_name[name.lower()] for name in names)


def _short_name(part: StageableComponent) -> str:
    return part.name.removeprefix("com.sightline.")


def find_lock_name(artifact: str) -> str:
    """The lock with an artifact's wheels: `capture.zip` to `capture`, `cap_model.zip` to `model`."""
    return _parse_artifact_kind(artifact)[2]


def find_source_folder(recipe: str) -> str:
    """The folder of a recipe's own files, in the repository: `components/models/cap`; ValueError."""
    folder, package, _ = _parse_artifact_kind(parse_artifact_name(recipe))
    return "/".join(part for part in ("components", folder, package) if part)


def _build_component(root: Path, recipe: Path) -> StageableComponent:
    try:
        artifact = parse_artifact_name(recipe.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecipeError(f"{recipe.name}: {error}") from error
    folder, package, lock = _parse_artifact_kind(artifact)
    sources = root / "components" / folder / package
    return StageableComponent(recipe.stem, recipe, sources, root / REQUIREMENTS / f"{lock}.txt")


def _parse_artifact_kind(artifact: str) -> tuple[str, str, str]:
    """The artifact's kind of folder, its package in it, and its lock."""
    stem = artifact.removesuffix(".zip")
    for suffix, (folder, lock) in ARTIFACT_KINDS.items():
        if stem.endswith(suffix):
            return folder, stem.removesuffix(suffix), lock or stem
    return "", stem, stem
