"""The station's model store: folders named by the digest of their model.onnx, and names that point to them.

    models/<sha256>/{model.onnx, golden.npz, card.json}
    models/names/<name>     holds the digest of the form that is best here; <name>-fp32, <name>-int8 that
                            of a certain form

`python -m sightline.storage.model_store put FOLDER --name NAME --store DIR` is what a model component's
install step runs; `check FOLDER` says whether a folder would be taken. One that is refused changes nothing.
"""

import argparse
import filecmp
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from sightline.command_output import run_command
from sightline.cpu_features import has_fast_int8
from sightline.errors import ModelError, SightlineError
from sightline.storage.journal import DurableText, sync_folder
from sightline.storage.model_folder import (
    MODEL_FILES,
    check_model_folder,
    compute_digest,
    find_model_forms,
)

_DIGEST = re.compile(r"[0-9a-f]{64}")


def store_model(folder: Path, name: str, store: Path) -> str:
    """Copy a model's files into the store and let the name point to them; returns the digest."""
    return store_files(folder, MODEL_FILES, name, store)


def store_files(folder: Path, files: Sequence[str], name: str, store: Path) -> str:
    """Copy the files into a folder named by the digest of the first, which the name then points to."""
    digest = compute_digest(folder / files[0])
    if not _have_same_files(folder, store / digest, files):
        _install_files(folder, store / digest, files)
    point_name_to(store, name, digest)
    return digest


def _have_same_files(folder: Path, other: Path, files: Sequence[str]) -> bool:
    """Whether two folders have the same of these files, to the byte."""
    there = [file for file in files if (folder / file).is_file()]
    return there == [file for file in files if (other / file).is_file()] and all(
        filecmp.cmp(folder / file, other / file, shallow=False) for file in there
    )


def _install_files(folder: Path, target: Path, files: Sequence[str]) -> None:
    """Copy the files to disk; in a folder that is there already each is replaced as a whole."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        for file in files:
            if (folder / file).is_file():
                _copy_to_disk(folder / file, draft / file)
        sync_folder(draft)
        if target.is_dir():
            _replace_files(target, draft, files)
        else:
            draft.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _copy_to_disk(file: Path, copy: Path) -> None:
    with file.open("rb") as source, copy.open("wb") as out:
        shutil.copyfileobj(source, out)
        out.flush()
        os.fsync(out.fileno())


def _replace_files(target: Path, draft: Path, files: Sequence[str]) -> None:
    """Whoever reads meanwhile has each file whole, old or new; what names the folder comes last."""
    for file in reversed(files):
        if (draft / file).is_file():
            (draft / file).replace(target / file)
        else:
            (target / file).unlink(missing_ok=True)
    sync_folder(target)


def store_model_forms(folder: Path, name: str, store: Path, int8_is_best: bool) -> dict[str, str]:
    """Put a model and its forms in other precisions, `surface/int8` as `surface-int8`; the digests.

    The name itself points to the form that is best on this machine: int8 where that is so, else the first.
    """
    forms = find_model_forms(folder)
    best = forms.get("int8", folder) if int8_is_best else folder
    named = {name: best} | {f"{name}-{precision}": form for precision, form in forms.items()}
    return {each: store_model(form, each, store) for each, form in named.items()}


def point_name_to(store: Path, name: str, digest: str) -> None:
    """Let the name point to a model; on disk on return."""
    DurableText(store / "names" / name).store(digest)


def load_named_digest(store: Path, name: str) -> str:
    """What the name points to, unchecked; empty if there is no such name."""
    return (DurableText(store / "names" / name).load() or "").strip()


def is_digest(text: str) -> bool:
    """Whether this can be what a name points to."""
    return _DIGEST.fullmatch(text) is not None


def find_model(store: Path, name: str) -> Path:
    """The folder of the model that the name points to; ModelError if there is none."""
    digest = load_named_digest(store, name)
    if not digest:
        raise ModelError(f"no model named {name!r} in {store}; its model component puts it there")
    return find_model_by_digest(store, digest)


def find_model_by_digest(store: Path, digest: str) -> Path:
    """The folder of the model with this digest; ModelError if there is none or its file is damaged."""
    if not _DIGEST.fullmatch(digest):
        raise ModelError(f"a model of {store}: found {digest!r}; a SHA-256 is expected")
    folder = store / digest
    found = compute_digest(folder / "model.onnx")
    if found != digest:
        raise ModelError(f"{folder / 'model.onnx'} is damaged: its digest is {found}")
    return folder


def main() -> int:
    """The command line of the install step."""
    arguments = _parse_arguments()
    is_put = arguments.action == "put"
    try:
        told = check_model_folder(arguments.folder, runtime_needed=not is_put)
        put = (
            store_model_forms(arguments.folder, arguments.name, arguments.store, has_fast_int8())
            if is_put
            else {}
        )
    except (SightlineError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    (sys.stderr if is_put else sys.stdout).writelines(f"{line}\n" for line in told)
    sys.stdout.write("".join(f"{name} {digest}\n" for name, digest in put.items()))
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Check a model's folder, or put it into the station's model store"
    )
    parser.add_argument(
        "action",
        choices=["check", "put"],
        help="check: files, digests, and the golden frames by the real runtime; put: the same, then store it",
    )
    parser.add_argument("folder", type=Path, help="folder with model.onnx, golden.npz, card.json")
    parser.add_argument("--name", help="the name that inference asks for (put)")
    parser.add_argument("--store", type=Path, help="the model store's folder (put)")
    arguments = parser.parse_args()
    if arguments.action == "put" and (arguments.name is None or arguments.store is None):
        parser.error("put needs --name and --store")
    return arguments


if __name__ == "__main__":
    sys.exit(run_command(main))
