"""An artifact has the same bytes, whichever Python packs it: a published version is never built anew."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.stage import archive

# of the tree below; another value is another artifact under a published version
GOLDEN = "fc44ddb6590090e3a28971c909f1f35d549bec3b68340babf6cc127e0f83e427"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
PACK = (
    "import pathlib, runpy, sys\n"
    "packer = runpy.run_path(sys.argv[1])\n"
    "packer['pack_folder'](pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))\n"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A component's folder in small."""
    folder = tmp_path / "tree"
    contents = {
        "capture/__init__.py": b"",
        "capture/component.py": b"NAME = 'capture'\n" * 500,
        "sightline/launch.sh": b"#!/bin/sh\nexec python3\n",
        "wheels/plain-1.0-py3-none-any.whl": bytes(range(256)) * 4096,
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def find_python(version: str) -> str:
    """A Python of this version, of the system or of pyenv; the test is skipped if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    found = [str(path) for path in pyenv.glob(f"versions/{version}.*/bin/python3")]
    for python in (shutil.which(f"python{version}"), *found):
        if python and subprocess.run([python, "-c", ""], check=False).returncode == 0:
            return python
    pytest.skip(f"there is no Python {version} here")


def digest(artifact: Path) -> str:
    return hashlib.sha256(artifact.read_bytes()).hexdigest()


def test_the_same_tree_has_the_digest_that_it_always_had(tree: Path, tmp_path: Path) -> None:
    archive.pack_folder(tree, tmp_path / "packed.zip")
    assert digest(tmp_path / "packed.zip") == GOLDEN


@pytest.mark.parametrize("version", PYTHONS)
def test_each_python_on_this_machine_packs_the_same(
    version: str, tree: Path, tmp_path: Path
) -> None:
    target = tmp_path / "packed.zip"
    python = find_python(version)
    subprocess.run([python, "-I", "-c", PACK, archive.__file__, tree, target], check=True)
    assert digest(target) == GOLDEN


def test_this_python_is_one_of_those_tried() -> None:
    assert "{}.{}".format(*sys.version_info) in PYTHONS
