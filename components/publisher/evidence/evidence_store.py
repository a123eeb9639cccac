"""The seam between the uploader and the places that keep pictures."""

from pathlib import Path
from typing import Protocol


class EvidenceStore(Protocol):
    """Keeps pictures by key; used by one thread."""

    def put(self, key: str, path: Path) -> None:
        """Keep a copy of the file under the key, whole or not at all; EvidenceError."""
