"""What a station writes is not for other users of the machine."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.storage.file_modes import protect_new_files
from sightline.storage.journal import open_journal

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAMS = (
    "shared/sightline/kernel/runtime.py",  # each component
    "cloud/__main__.py",
    "hil/nucleus/__main__.py",
    "hil/run/__main__.py",
)


@pytest.fixture(autouse=True)
def own_mask() -> Iterator[None]:
    before = os.umask(0o002)
    yield
    os.umask(before)


def others_rights(path: Path) -> int:
    return path.stat().st_mode & 0o027


def test_no_other_user_reads_a_new_file_folder_or_database(tmp_path: Path) -> None:
    protect_new_files()
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("x")
    connection = open_journal(tmp_path / "records.sqlite", "CREATE TABLE a (b)")
    connection.execute("INSERT INTO a VALUES (1)")
    written = list(tmp_path.iterdir())
    assert len(written) >= 4  # the database's log, too
    assert not any(others_rights(path) for path in written)
    connection.close()


def test_a_stricter_mask_of_the_user_stays(tmp_path: Path) -> None:
    os.umask(0o077)
    protect_new_files()
    (tmp_path / "text").write_text("x")
    assert (tmp_path / "text").stat().st_mode & 0o777 == 0o600


def test_a_process_that_is_started_inherits_it(tmp_path: Path) -> None:
    protect_new_files()
    path = tmp_path / "text"
    subprocess.run([sys.executable, "-c", f"open({str(path)!r}, 'w')"], check=True)
    assert not others_rights(path)


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_that_keeps_records_protects_what_it_writes(program: str) -> None:
    calls = [
        node.func.id
        for node in ast.walk(ast.parse((REPOSITORY / program).read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert "protect_new_files" in calls
