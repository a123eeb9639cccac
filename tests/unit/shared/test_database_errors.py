"""What SQLite raises becomes the component's own error, and damage is told from a full disk."""

import sqlite3
from pathlib import Path

import pytest

from sightline.errors import RetryableError
from sightline.storage.database_errors import DatabaseErrors


class BookError(RetryableError):
    """Of the database below."""


class BookDamagedError(BookError):
    """Its content is at fault."""


@pytest.fixture
def errors(tmp_path: Path) -> DatabaseErrors:
    return DatabaseErrors(
        "order book",
        "Nothing is booked until there is room.",
        error=BookError,
        damaged=BookDamagedError,
        path=tmp_path / "book.sqlite",
    )


def test_a_full_disk_is_no_damage(errors: DatabaseErrors) -> None:
    text = r"order book: .*full.* Nothing is booked"
    with pytest.raises(BookError, match=text) as raised, errors.translate_errors():
        raise sqlite3.OperationalError("database or disk is full")
    assert not isinstance(raised.value, BookDamagedError)
    assert errors.damage == ""


def test_damage_is_remembered_and_has_the_whole_file_checked_at_the_next_start(
    errors: DatabaseErrors, tmp_path: Path
) -> None:
    with pytest.raises(BookDamagedError), errors.translate_errors():
        raise sqlite3.DatabaseError("database disk image is malformed")
    assert "malformed" in errors.damage
    assert (tmp_path / "book.sqlite.suspect").exists()


def test_a_value_that_the_database_cannot_hold_is_not_called_damage(errors: DatabaseErrors) -> None:
    with pytest.raises(BookError, match="cannot hold this") as raised, errors.translate_errors():
        raise OverflowError("Python int too large to convert to SQLite INTEGER")
    assert not isinstance(raised.value, BookDamagedError)


@pytest.mark.parametrize("closed_is_damage", [False, True])
def test_a_closed_database_is_damage_only_to_an_owner_that_opens_a_new_one(
    closed_is_damage: bool,
) -> None:
    errors = DatabaseErrors(
        "order book",
        "",
        error=BookError,
        damaged=BookDamagedError,
        closed_is_damage=closed_is_damage,
    )
    connection = sqlite3.connect(":memory:")
    connection.close()
    with pytest.raises(BookError) as raised, errors.translate_errors():
        connection.execute("BEGIN")
    assert isinstance(raised.value, BookDamagedError) is closed_is_damage


def test_other_errors_pass_unchanged(errors: DatabaseErrors) -> None:
    with pytest.raises(KeyError), errors.translate_errors():
        raise KeyError("a mistake of our own")
