"""What a station knows of its parts, taken from one machine to the next: verdicts and unsent records.

    python -m sightline.storage.station_memory save --work WORK --to FOLDER      also while it runs
    python -m sightline.storage.station_memory restore --work WORK --from FOLDER before the first start

WORK is the folder with the components' work folders. Capture's number is left out on purpose: the new
machine begins an epoch of its own, so that no part gets the record of another.
"""

import argparse
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from sightline.errors import ConfigurationError, SightlineError
from sightline.messaging.topics import INFERENCE, PUBLISHER
from sightline.storage.journal import sync_folder

# The outbox comes first: verdicts that the ledger has beyond it are handed over once more at the start.
MEMORY_FILES = {PUBLISHER: "outbox.sqlite", INFERENCE: "ledger.sqlite"}
LOCK_WAIT_S = 30.0


def save_memory(work: Path, target: Path) -> list[Path]:
    """Copy each database as it stands at one moment; ConfigurationError if one is missing or damaged."""
    sources = [work / component / file for component, file in MEMORY_FILES.items()]
    missing = [str(source) for source in sources if not source.is_file()]
    if missing:
        raise ConfigurationError(f"not there: {', '.join(missing)}; --work is not a station's")
    return [_copy_database(source, target / source.parent.name / source.name) for source in sources]


def restore_memory(work: Path, source: Path) -> list[Path]:
    """Put the copies where the components look for them; nothing where a component has begun already."""
    pairs = [(source / name / file, work / name / file) for name, file in MEMORY_FILES.items()]
    for copy, place in pairs:
        if not copy.is_file():
            raise ConfigurationError(f"{copy} is not there; nothing was restored")
        if place.exists():
            raise ConfigurationError(
                f"{place} is there already: this station has a memory of its own, which stays. Restore "
                "before the components' first start"
            )
        _check_database(copy)
    return [_copy_database(copy, place) for copy, place in pairs]


def _copy_database(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + ".new")
    draft.unlink(missing_ok=True)
    try:
        with closing(_open_to_read(source)) as found, closing(sqlite3.connect(draft)) as copy:
            found.backup(copy)
        _check_database(draft)
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(target)
    except sqlite3.Error as error:
        raise ConfigurationError(f"{source} cannot be copied: {error}") from error
    finally:
        for suffix in ("", "-wal", "-shm"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    sync_folder(target.parent)
    return target


def _open_to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=LOCK_WAIT_S)


def _check_database(path: Path) -> None:
    try:
        with closing(_open_to_read(path)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise ConfigurationError(f"{path} is damaged: {found}")


def main(arguments: list[str] | None = None) -> int:
    """Print the files that were written; 1 with a sentence if it cannot be done."""
    given = _build_parser().parse_args(arguments)
    try:
        if given.action == "save":
            written = save_memory(given.work, given.target)
        else:
            written = restore_memory(given.work, given.source)
    except (SightlineError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{path}\n" for path in written))
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Take a station's memory of its parts along")
    actions = parser.add_subparsers(dest="action", required=True)
    save = actions.add_parser("save", help="copy verdicts and unsent records, also while it runs")
    save.add_argument("--to", dest="target", type=Path, required=True, help="where to put them")
    restore = actions.add_parser("restore", help="put them into a new machine's work folders")
    restore.add_argument("--from", dest="source", type=Path, required=True, help="what was saved")
    for action in (save, restore):
        action.add_argument("--work", type=Path, required=True, help="such as /greengrass/v2/work")
    return parser


if __name__ == "__main__":
    sys.exit(main())
