"""Built engines on disk, each good for one model, TensorRT version, GPU and precision only."""

import hashlib
import logging
from pathlib import Path

import msgspec

from sightline.vision.detector import Precision

log = logging.getLogger(__name__)
MAX_CACHED_ENGINES = 16


class EngineKey(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine was built for; `tensorrt` is the library's name and version."""

    model_digest: str
    tensorrt: str
    gpu: str
    precision: Precision


class _EngineHeader(msgspec.Struct, frozen=True):
    """The first line of a cached engine."""

    key: EngineKey
    sha256: str


class EngineCache:
    """A folder of engines: a line of JSON, then the engine's bytes. Only whole, matching ones are given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: EngineKey) -> bytes | None:
        """The engine for this key, or None: there is none, it is damaged, or it was built for another."""
        file = self._file(key)
        try:
            head, _, engine = file.read_bytes().partition(b"\n")
            header = msgspec.json.decode(head, type=_EngineHeader)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            log.warning("engine unreadable", extra={"file": str(file), "error": str(error)})
            return None
        if header.key != key:
            log.warning(
                "engine is of another model, GPU or version",
                extra={"file": str(file), "found": repr(header.key)},
            )
            return None
        if hashlib.sha256(engine).hexdigest() != header.sha256:
            log.warning("engine damaged", extra={"file": str(file), "bytes": len(engine)})
            return None
        return engine

    def store(self, key: EngineKey, engine: bytes) -> None:
        """Keep an engine; the oldest beyond `MAX_CACHED_ENGINES` go."""
        self._folder.mkdir(parents=True, exist_ok=True)
        header = _EngineHeader(key, hashlib.sha256(engine).hexdigest())
        file = self._file(key)
        draft = file.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(header) + b"\n" + engine)
        draft.replace(file)
        kept = sorted(self._folder.glob("*.engine"), key=lambda path: path.stat().st_mtime_ns)
        for old in kept[:-MAX_CACHED_ENGINES]:
            old.unlink(missing_ok=True)

    def remove(self, key: EngineKey) -> None:
        """Forget an engine that TensorRT would not take."""
        self._file(key).unlink(missing_ok=True)

    def _file(self, key: EngineKey) -> Path:
        name = hashlib.sha256(msgspec.json.encode(key)).hexdigest()[:32]
        return self._folder / f"{name}.engine"
