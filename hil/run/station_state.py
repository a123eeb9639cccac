"""What a station on one machine keeps between runs, and the lock against running twice."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import IO

MAX_ROTATED_LOGS = 3
PERSISTENT_FOLDERS = ("nucleus", "cloud", "station", "evidence", "logs")
RUN_FILES = (
    "broker.address",
    "broker.login",
    "cloud.address",
    "summary.json",
    "nucleus/status.json",
)


class AlreadyRunningError(RuntimeError):
    """Another run uses the folder or the station's name."""


class StationLock:
    """Locks a folder and a station's name on this machine for one run."""

    def __init__(self, folder: Path, station: str) -> None:
        self._paths = (folder / "run.lock", Path(f"/dev/shm/sightline-{station}.lock"))
        self._files: list[IO[str]] = []

    def acquire(self) -> None:
        """Acquire both locks; AlreadyRunningError names the owner."""
        for path in self._paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+")
            self._files.append(file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                self.release(remove=False)
                raise AlreadyRunningError(
                    f"a station is already running (process {owner}, lock {path}); "
                    "stop it with Ctrl-C, or start another one with --folder and --station"
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()

    def release(self, remove: bool = True) -> None:
        """Release both locks."""
        for path, file in zip(self._paths, self._files, strict=False):
            if remove:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
            file.close()
        self._files = []


def prepare_run_folder(folder: Path, sources: Iterable[Path]) -> None:
    """Keep parts, records, pictures and models; delete files that only concern the last run's processes.

    The components' configuration is forgotten when the recipes or the deployment changed since.
    """
    for name in PERSISTENT_FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in RUN_FILES:
        _remove_path(folder / name)
    for log in (folder / "logs").glob("*.log"):
        _rotate_log(log)
    digest = _digest_sources(sources)
    known = folder / "nucleus" / "recipes.sha256"
    if not known.is_file() or known.read_bytes() != digest.encode():
        shutil.rmtree(folder / "nucleus" / "configuration", ignore_errors=True)
        for kept in (folder / "nucleus" / "work").glob("*/configuration.last-good.json"):
            _remove_path(kept)
        _remove_path(known)
        known.write_text(digest)


def read_next_part_number(folder: Path) -> int:
    """The next number of the plant's counter, after the last one of the previous run."""
    try:
        plant = json.loads((folder / "plant.json").read_text())
        return int(plant["last_number"]) + 1
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return 1


def _remove_path(path: Path) -> None:
    """Delete a file that the run creates again; a folder in its place is deleted too."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _rotate_log(log: Path) -> None:
    for number in range(MAX_ROTATED_LOGS - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))


def _digest_sources(sources: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        files = sorted(source.rglob("*.yaml")) if source.is_dir() else [source]
        for file in files:
            digest.update(file.read_bytes())
    return digest.hexdigest()
