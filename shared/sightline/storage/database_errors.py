"""SQLite's errors in the house's own tree, the same for every database of a station."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sightline.errors import RetryableError
from sightline.storage.journal import is_damage, mark_suspect


class DatabaseErrors:
    """Translates what SQLite raises for one database, and remembers when it says that the file is damaged.

    `name` and `meaning` make the text that a technician reads: what cannot be written or read, and what
    follows from it. Damage is raised as `damaged`, where a component has an error of its own for it; with
    `closed_is_damage` a closed connection is, too: its owner closed a damaged file and could not open a
    new one.
    """

    def __init__(
        self,
        name: str,
        meaning: str,
        *,
        error: type[RetryableError],
        damaged: type[RetryableError] | None = None,
        path: Path | None = None,
        closed_is_damage: bool = False,
    ) -> None:
        self._name = name
        self._meaning = meaning
        self._error = error
        self._damaged = damaged or error
        self._path = path
        self._closed_is_damage = closed_is_damage
        self.damage = ""  # the text, once the file was found to be damaged

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """SQLite's errors, and those of values that it has no room for, as the component's own."""
        try:
            yield
        except sqlite3.Error as error:
            kind = self._error
            if is_damage(error) or (self._closed_is_damage and _is_closed(error)):
                kind = self._damaged
                self._remember_damage(error)
            text = f"Cannot write or read the {self._name}: {error}. {self._meaning}"
            raise kind(text) from error
        except (OverflowError, ValueError) as error:
            raise self._error(f"The {self._name} cannot hold this: {error}.") from error

    def _remember_damage(self, error: sqlite3.Error) -> None:
        if self._path is None:
            self.damage = f"The {self._name} is damaged: {error}"
        else:
            self.damage = f"The {self._name} {self._path.name} is damaged: {error}"
            mark_suspect(self._path)


def _is_closed(error: sqlite3.Error) -> bool:
    return isinstance(error, sqlite3.ProgrammingError) and "closed database" in str(error)
