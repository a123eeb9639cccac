"""Which file of the model store is to serve: what a name points to, what is pinned, what served last."""

import logging
import re
from pathlib import Path

from inference.configuration import ModelConfiguration
from sightline.errors import ModelError
from sightline.storage.journal import DurableText
from sightline.storage.model_store import find_model_by_digest, load_named_digest, point_name_to

log = logging.getLogger(__name__)
DIGEST_START = re.compile(r"[0-9a-f]{8,64}")


class ModelResolver:
    """The model store as inference sees it; remembers across restarts what served last under a name."""

    def __init__(self, store: Path, memory: Path) -> None:
        self._store_folder = store
        self._state_folder = memory

    @property
    def engine_folder(self) -> Path:
        """Where engines are kept that were built for this machine."""
        return self._state_folder / "engines"

    def resolve_digest(self, model: ModelConfiguration) -> str:
        """What the configuration pins, else what the name points to; ModelError if that is nothing."""
        try:
            digest = model.digest or load_named_digest(self._store_folder, model.stored_name)
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(
                f"the name {model.stored_name!r} in {self._store_folder} cannot be read: {error}; "
                "install its model component again"
            ) from error
        if not digest:
            raise ModelError(
                f"no model named {model.stored_name!r} in {self._store_folder}; "
                "its model component puts it there"
            )
        return digest

    def checked_model_folder(self, digest: str) -> Path:
        """The model's folder; ModelError if it is not there or damaged."""
        return find_model_by_digest(self._store_folder, digest)

    def load_last_good(self, name: str) -> str:
        """The digest that served last under this name; empty if none did, or nobody can read which."""
        return (DurableText(self._state_folder / name).load_or_set_aside(log.warning) or "").strip()

    def store_last_good(self, name: str, digest: str) -> None:
        """Remember that this one serves."""
        if self.load_last_good(name) != digest:
            DurableText(self._state_folder / name).store(digest)

    def point_name(self, name: str, digest: str) -> None:
        """Let the name point to this model from now on, also after a restart."""
        point_name_to(self._store_folder, name, digest)

    def find_digest(self, start: str) -> str:
        """The one digest in the store that starts so; ModelError if there is none or several."""
        if not DIGEST_START.fullmatch(start):
            raise ModelError(f"digest: found {start!r}; 8 to 64 hexadecimal digits are expected")
        found = sorted(path.name for path in self._store_folder.glob(f"{start}*") if path.is_dir())
        if len(found) != 1:
            raise ModelError(f"digest {start!r}: {len(found)} models in the store match")
        return found[0]
