"""Model folders and the `model.tar.gz` of SageMaker training jobs."""

import atexit
import shutil
import tarfile
import tempfile
from pathlib import Path

from sightline.errors import ModelError

MODEL_ARCHIVE = "model.tar.gz"
MODEL_FILE = "model.onnx"
MAX_UNPACKED_BYTES = 4 * 1024**3


def find_model_folder(path: Path) -> Path:
    """The folder with model.onnx, unpacked from an archive if needed; ModelError."""
    archive = path / MODEL_ARCHIVE if path.is_dir() else path
    if (path / MODEL_FILE).is_file():
        return path
    if archive.name.endswith((".tar.gz", ".tgz")) and archive.is_file():
        return _unpack_archive(archive)
    raise ModelError(f"{path} has no {MODEL_FILE} and no {MODEL_ARCHIVE}")


def _unpack_archive(archive: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sightline-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    left_bytes = MAX_UNPACKED_BYTES
    try:
        with tarfile.open(archive) as packed:
            for member in packed:
                left_bytes -= member.size
                if left_bytes < 0:
                    raise ModelError(
                        f"{archive} unpacks to more than {MAX_UNPACKED_BYTES:,} bytes; unpack it yourself, "
                        f"and give the folder with {MODEL_FILE}"
                    )
                if member.isfile():
                    _extract_member(packed, member, folder)
    except (OSError, tarfile.TarError) as error:
        raise ModelError(f"Cannot unpack {archive}: {error}") from error
    found = sorted(folder.rglob(MODEL_FILE))
    if not found:
        raise ModelError(f"{archive} has no {MODEL_FILE}")
    return found[0].parent


def _extract_member(packed: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    target = (folder / member.name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise ModelError(f"{member.name} leads out of the archive")
    content = packed.extractfile(member)
    if content is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)  # in pieces: not as a whole in memory
