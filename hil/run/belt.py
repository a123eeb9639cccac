"""`make belt BELT=stop`: stop or restart the belt of the station that runs on this machine."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from hil.run.run_arguments import REPOSITORY

BeltRequest = Literal["start", "stop"]
BELT_REQUESTS: tuple[BeltRequest, ...] = ("start", "stop")
BELT_REPLIES: dict[BeltRequest, str] = {"start": "Belt started.", "stop": "Belt stopped."}


class BeltRequests:
    """A file in the run's folder with a request; the run reads and removes it, and ignores older ones."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "belt.wish"

    def clear(self) -> None:
        """Remove any pending request."""
        self._file.unlink(missing_ok=True)

    def write(self, request: BeltRequest) -> None:
        """Write a request for the run."""
        draft = self._file.with_suffix(".new")
        draft.write_text(request)
        draft.replace(self._file)

    def pop(self) -> BeltRequest | None:
        """Read and remove the pending request."""
        try:
            text = self._file.read_text()
        except FileNotFoundError:
            return None
        self.clear()
        return next((request for request in BELT_REQUESTS if request == text), None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if the request was written, 3 if no station ran in the folder."""
    parser = argparse.ArgumentParser(prog="python -m hil.run.belt", description=__doc__)
    parser.add_argument("request", choices=BELT_REQUESTS, help="stop or start the belt")
    parser.add_argument(
        "--folder",
        type=Path,
        default=REPOSITORY / ".station",
        help="the run's folder (default: .station)",
    )
    parsed = parser.parse_args(arguments)
    if not (parsed.folder / "plant.json").exists():
        sys.stdout.write(f"No station is running in {parsed.folder}. Start one with `make run`.\n")
        return 3
    BeltRequests(parsed.folder).write(parsed.request)
    sys.stdout.write(f"{BELT_REPLIES[parsed.request]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
