"""Fetches wheels for stations from a lock with hashes, for other architectures and Pythons.

pip evaluates the markers of a lock for the Python that runs it, not for the one it downloads for. So
they are evaluated here, and pip gets exact versions with their hashes.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.markers import Marker

from sightline.errors import RecipeError

ARCHITECTURES = ("x86_64", "aarch64")
MAX_GLIBC_MINOR = 35  # 2.35: Ubuntu 22.04, and so JetPack 6; Debian 12 has 2.36
MIN_GLIBC_MINOR = 17
_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)(?: ; (?P<marker>.*?))? \\\n")


def select_lock_entries(lock: str, python: str, architecture: str) -> list[str]:
    """Select the entries that a Linux machine with this Python needs, with hashes, without markers.

    `python` is `3.10`, `architecture` as `uname -m` says it.
    """
    return [
        f"{found['name']}=={found['version']} \\\n{entry[found.end() :].rstrip()}"
        for entry in _split_entries(lock)
        if (found := _ENTRY.match(entry))
        and _applies_to_platform(found["marker"], python, architecture)
    ]


def fetch_wheels(
    lock: str, pythons: tuple[str, ...], architecture: str, cache: Path
) -> tuple[Path, ...]:
    """Fetch the wheels for these Pythons from the cache or by pip; RecipeError has pip's message."""
    return tuple(
        wheel
        for python in pythons
        for wheel in _fetch_for_one_platform(
            select_lock_entries(lock, python, architecture), python, architecture, cache
        )
    )


def _fetch_for_one_platform(
    lines: list[str], python: str, architecture: str, cache: Path
) -> Iterator[Path]:
    digest = hashlib.sha256("\n".join([*lines, python, architecture]).encode()).hexdigest()[:16]
    folder = cache / f"{architecture}-python{python}-{digest}"
    if lines and not folder.is_dir():
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        requirements = draft / "requirements.txt"
        requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
        _download(requirements, python, architecture, draft)
        requirements.unlink()
        draft.rename(folder)  # a folder under its own name is whole
    yield from sorted(folder.glob("*.whl"))


def _download(requirements: Path, python: str, architecture: str, target: Path) -> None:
    platforms = [f"manylinux_2_{minor}_{architecture}" for minor in _glibc_minors()]
    platforms.append(f"manylinux2014_{architecture}")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--dest", str(target), "--implementation", "cp"]
    command += ["--python-version", python, "--abi", f"cp{python.replace('.', '')}"]
    command += ["--abi", "abi3", "--abi", "none", "--requirement", str(requirements)]
    command += [word for platform in platforms for word in ("--platform", platform)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        what = f"wheels for Python {python} on {architecture}"
        raise RecipeError(f"{what}: pip failed: {done.stderr.strip()[-800:]}")


def _glibc_minors() -> range:
    return range(MAX_GLIBC_MINOR, MIN_GLIBC_MINOR - 1, -1)


def _split_entries(lock: str) -> list[str]:
    return re.findall(r"^[A-Za-z0-9].*?\\\n(?:[ \t]+--hash.*\n?)+", lock, re.MULTILINE)


def _applies_to_platform(marker: str | None, python: str, architecture: str) -> bool:
    environment = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": architecture,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
    return marker is None or Marker(marker).evaluate(environment)
