"""`make belt BELT=stop`: stops the belt of the station that runs on this machine, or starts it again."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from hil.run.run_arguments import REPOSITORY

BeltRequest = Literal["start", "stop"]
BELT_REQUESTS: tuple[BeltRequest, ...] = ("start", "stop")
BELT_REPLIES: dict[BeltRequest, str] = {"start": "The belt goes on.", "stop": "The belt stops."}


class BeltRequests:
    """A file in the run's folder; the run takes it, and one from before the run counts for nothing."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "belt.wish"

    def clear(self) -> None:
        """Nobody wishes anything."""
        self._file.unlink(missing_ok=True)

    def write(self, wish: BeltRequest) -> None:
        """Wish something of the run."""
        draft = self._file.with_suffix(".new")
        draft.write_text(wish)
        draft.replace(self._file)

    def pop(self) -> BeltRequest | None:
        """What is wished, once."""
        try:
            text = self._file.read_text()
        except FileNotFoundError:
            return None
        self.clear()
        return next((wish for wish in BELT_REQUESTS if wish == text), None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if a station may run there, 3 if none ever did."""
    parser = argparse.ArgumentParser(prog="python -m hil.run.belt", description=__doc__)
    parser.add_argument("wish", choices=BELT_REQUESTS)
    parser.add_argument("--folder", type=Path, default=REPOSITORY / ".station")
    parsed = parser.parse_args(arguments)
    if not (parsed.folder / "plant.json").exists():
        sys.stdout.write(f"No station runs from {parsed.folder}.\n")
        return 3
    BeltRequests(parsed.folder).write(parsed.wish)
    sys.stdout.write(f"{BELT_REPLIES[parsed.wish]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
