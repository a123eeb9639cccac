"""Where a model's files are: a folder, or the `model.tar.gz` that a SageMaker training job leaves."""

import atexit
import shutil
import tarfile
import tempfile
from pathlib import Path

from sightline.errors import ModelError

MODEL_ARCHIVE = "model.tar.gz"
MODEL_FILE = "model.onnx"


def find_model_folder(given: Path) -> Path:
    """The folder with model.onnx, unpacked if need be; ModelError says what was looked for."""
    archive = given / MODEL_ARCHIVE if given.is_dir() else given
    if (given / MODEL_FILE).is_file():
        return given
    if archive.name.endswith((".tar.gz", ".tgz")) and archive.is_file():
        return _unpack_archive(archive)
    raise ModelError(f"{given} has no {MODEL_FILE} and no {MODEL_ARCHIVE}")


def _unpack_archive(archive: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sightline-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        with tarfile.open(archive) as packed:
            for member in packed.getmembers():
                if member.isfile():
                    _extract_member(packed, member, folder)
    except (OSError, tarfile.TarError) as error:
        raise ModelError(f"{archive} cannot be unpacked: {error}") from error
    found = sorted(folder.rglob(MODEL_FILE))
    if not found:
        raise ModelError(f"{archive} holds no {MODEL_FILE}")
    return found[0].parent


def _extract_member(packed: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    target = (folder / member.name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise ModelError(f"{member.name} leads out of the archive")
    content = packed.extractfile(member)
    if content is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.read())
