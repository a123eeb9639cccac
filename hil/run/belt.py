"""`make belt BELT=stop`: stops the belt of the station that runs on this machine, or starts it again."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from hil.run.arguments import REPOSITORY

Wish = Literal["start", "stop"]
WISHES: tuple[Wish, ...] = ("start", "stop")
WORDS: dict[Wish, str] = {"start": "The belt goes on.", "stop": "The belt stops."}


class BeltWishes:
    """A file in the run's folder; the run takes it, and one from before the run counts for nothing."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "belt.wish"

    def forget(self) -> None:
        """Nobody wishes anything."""
        self._file.unlink(missing_ok=True)

    def put(self, wish: Wish) -> None:
        """Wish something of the run."""
        draft = self._file.with_suffix(".new")
        draft.write_text(wish)
        draft.replace(self._file)

    def take(self) -> Wish | None:
        """What is wished, once."""
        try:
            text = self._file.read_text()
        except FileNotFoundError:
            return None
        self.forget()
        return next((wish for wish in WISHES if wish == text), None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if a station may run there, 3 if none ever did."""
    parser = argparse.ArgumentParser(prog="python -m hil.run.belt", description=__doc__)
    parser.add_argument("wish", choices=WISHES)
    parser.add_argument("--folder", type=Path, default=REPOSITORY / ".station")
    parsed = parser.parse_args(arguments)
    if not (parsed.folder / "plant.json").exists():
        sys.stdout.write(f"No station runs from {parsed.folder}.\n")
        return 3
    BeltWishes(parsed.folder).put(parsed.wish)
    sys.stdout.write(f"{WORDS[parsed.wish]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
