"""Damages files as a failing disk does, after copying them for the checker."""

import contextlib
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

WORK = "nucleus/work/com.sightline."
DAMAGEABLE_FILES = {
    "inference/ledger.sqlite": f"{WORK}Inference/ledger.sqlite",
    "publisher/outbox.sqlite": f"{WORK}Publisher/outbox.sqlite",
    "publisher/commands.sqlite": f"{WORK}Publisher/commands.sqlite",
    "capture/numbering.record": f"{WORK}Capture/numbering.record",
    "capture/chosen.json": f"{WORK}Capture/chosen.json",
    "equipment/mode.txt": f"{WORK}Equipment/mode.txt",
    "inference/models-in-force/surface": f"{WORK}Inference/models-in-force/surface",
    "nucleus/configuration of capture": "nucleus/configuration/com.sightline.Capture.json",
    "products/names/bottle": "station/products/names/bottle",
    "models/names/surface": "station/models/names/surface",
    "cloud/records.sqlite": "cloud/records.sqlite",
}
GARBAGE = b"\xff\xfe\x00damaged\xc3\x28" * 400


def copy_databases(station: Path, number: int) -> None:
    """Copy the current databases into FOLDER/before."""
    before = station / "before"
    before.mkdir(exist_ok=True)
    for name in ("inference/ledger.sqlite", "cloud/records.sqlite"):
        source = station / DAMAGEABLE_FILES[name]
        if source.is_file():
            stem = Path(name).stem
            _copy_database(source, before / f"{stem}-{number:02d}.sqlite")


def _copy_database(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")  # one file, which a reader leaves as it is
    except sqlite3.Error:
        target.unlink(missing_ok=True)
        shutil.copy2(source, target)


def damage_file(station: Path, place: str) -> list[tuple[int, int]]:
    """Damage `HOW of FILE` or FILE; returns the parts whose verdict is now unreadable."""
    how, _, name = ("all", "", place) if place in DAMAGEABLE_FILES else place.rpartition(" of ")
    if place.startswith("emptied "):
        how, name = "emptied", place.removeprefix("emptied ")
    path = station / DAMAGEABLE_FILES[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    if how == "row":
        with contextlib.suppress(sqlite3.Error):  # there is no whole ledger since an earlier damage
            return _damage_last_row(path)
        return []
    _remove_database_log(path)
    if how == "emptied":
        path.write_bytes(b"")
    elif how == "head" and path.is_file():
        with path.open("r+b") as file:
            file.write(GARBAGE[: min(4096, len(GARBAGE))])
    else:
        path.write_bytes(GARBAGE)
    return []


def _damage_last_row(path: Path) -> list[tuple[int, int]]:
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute(
            "SELECT epoch, part_number FROM verdicts ORDER BY settled, epoch DESC, part_number DESC"
        ).fetchone()
        if row is None:
            return []
        connection.execute(
            "UPDATE verdicts SET settled = 0, message = x'c328007bfffe'"
            " WHERE (epoch, part_number) = (?, ?)",
            row,
        )
        connection.commit()
    return [(int(row[0]), int(row[1]))]


def _remove_database_log(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def write_json(path: Path, content: object) -> None:
    """Replace a file atomically."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.replace(path)
