"""What is to be written: files and folders with their new content, compared with what is there."""

import filecmp
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class FileChange:
    """A text file with its new content; None: a copy of the file or folder `source`."""

    path: Path
    text: str | None = None
    source: Path | None = None

    @property
    def state(self) -> str:
        """`new`, `changed` or `same`."""
        if not self.path.exists():
            return "new"
        if self.text is not None:
            return "same" if self.path.read_text(encoding="utf-8") == self.text else "changed"
        assert self.source is not None
        return "same" if is_same_tree(self.source, self.path) else "changed"

    def write(self) -> None:
        """Write it; a reader meanwhile has the old content or the new one."""
        if self.state == "same":
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        _remove(draft)
        if self.text is not None:
            draft.write_text(self.text, encoding="utf-8")
        elif self.source is not None and self.source.is_dir():
            shutil.copytree(self.source, draft, ignore=shutil.ignore_patterns(".*"))
            _remove(self.path)  # a folder cannot be replaced as a whole
        elif self.source is not None:
            shutil.copyfile(self.source, draft)
        draft.replace(self.path)


@dataclass
class AddedFiles:
    """The changes in order, and what a person has to do beside them."""

    changes: list[FileChange] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self) -> None:
        """Write all that changes."""
        for change in self.changes:
            change.write()


def is_same_tree(one: Path, other: Path) -> bool:
    """Whether two files, or two folders with all in them, are the same to the byte."""
    if one.is_dir() != other.is_dir():
        return False
    if not one.is_dir():
        return filecmp.cmp(one, other, shallow=False)
    names = {path.relative_to(one) for path in one.rglob("*") if _counts(path, one)}
    others = {path.relative_to(other) for path in other.rglob("*") if _counts(path, other)}
    return names == others and all(
        filecmp.cmp(one / name, other / name, shallow=False) for name in names
    )


def _counts(path: Path, folder: Path) -> bool:
    return path.is_file() and not any(part[0] == "." for part in path.relative_to(folder).parts)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
