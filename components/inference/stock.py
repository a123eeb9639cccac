"""Which file of the model store is to serve: what a name points to, what is pinned, what served last."""

import logging
import re
from pathlib import Path

from inference.configuration import ModelConfiguration
from sightline.errors import ModelError
from sightline.journal import DurableText
from sightline.model_store import checked_folder, named_digest, point_name_to

log = logging.getLogger(__name__)
DIGEST_START = re.compile(r"[0-9a-f]{8,64}")


class Stock:
    """The model store as inference sees it; remembers across restarts what served last under a name."""

    def __init__(self, store: Path, memory: Path) -> None:
        self._store = store
        self._memory = memory

    @property
    def built(self) -> Path:
        """Where engines are kept that were built for this machine."""
        return self._memory / "engines"

    def wanted_digest(self, model: ModelConfiguration) -> str:
        """What the configuration pins, else what the name points to; ModelError if that is nothing."""
        try:
            digest = model.digest or named_digest(self._store, model.stored_name)
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(
                f"the name {model.stored_name!r} in {self._store} cannot be read: {error}; "
                "install its model component again"
            ) from error
        if not digest:
            raise ModelError(
                f"no model named {model.stored_name!r} in {self._store}; "
                "its model component puts it there"
            )
        return digest

    def folder(self, digest: str) -> Path:
        """The model's folder; ModelError if it is not there or damaged."""
        return checked_folder(self._store, digest)

    def last_good(self, name: str) -> str:
        """The digest that served last under this name; empty if none did, or nobody can read which."""
        return (DurableText(self._memory / name).load_or_set_aside(log.warning) or "").strip()

    def served(self, name: str, digest: str) -> None:
        """Remember that this one serves."""
        if self.last_good(name) != digest:
            DurableText(self._memory / name).store(digest)

    def choose(self, name: str, digest: str) -> None:
        """Let the name point to this model from now on, also after a restart."""
        point_name_to(self._store, name, digest)

    def find(self, start: str) -> str:
        """The one digest in the store that starts so; ModelError if there is none or several."""
        if not DIGEST_START.fullmatch(start):
            raise ModelError(f"digest: found {start!r}; 8 to 64 hexadecimal digits are expected")
        found = sorted(path.name for path in self._store.glob(f"{start}*") if path.is_dir())
        if len(found) != 1:
            raise ModelError(f"digest {start!r}: {len(found)} models in the store start so")
        return found[0]
