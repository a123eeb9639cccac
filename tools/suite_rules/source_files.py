"""The files that the rules look at."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

COMPONENT_PACKAGES = ("capture", "inference", "equipment", "telemetry", "publisher")
TOP_FOLDERS = ("cloud", "training", "hil", "tools", "tests")


@dataclass(frozen=True)
class SourceFile:
    """One text file: its path relative to the project, and its text."""

    path: str
    text: str

    @property
    def is_python(self) -> bool:
        """Whether it is Python."""
        return self.path.endswith(".py")


def tracked_sources(root: Path) -> tuple[SourceFile, ...]:
    """All text files that git tracks and that are there; others (pictures, models) are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True
    )
    found = (_read_source(root, path) for path in listed.stdout.split("\0") if path)
    return tuple(source for source in found if source is not None)


def area_of(path: str) -> str:
    """The package that a file belongs to: a component's name, `sightline`, or a top folder."""
    parts = path.split("/")
    if parts[0] == "components" and len(parts) > 2:
        return parts[1]
    if parts[0] == "shared":
        return "sightline"
    return parts[0] if parts[0] in TOP_FOLDERS else ""


def module_name(path: str) -> str:
    """The full name by which the module in this file is imported."""
    inside = path.removeprefix("shared/").removeprefix("components/").removesuffix(".py")
    return inside.removesuffix("/__init__").replace("/", ".")


def _read_source(root: Path, path: str) -> SourceFile | None:
    try:
        return SourceFile(path, (root / path).read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
        return None
