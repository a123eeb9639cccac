"""The lock of PyTorch's CPU build, from the one with CUDA: `python -m tools.cpu_torch_lock PYTHON` (3.11).

`make lock` runs it. It leaves out what only CUDA needs, and pins the hashes of requirements/torch-cpu.sha256.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from sightline.errors import ConfigurationError, SightlineError

FOLDER = Path(__file__).parents[1] / "requirements"
HASHES_FILE = "torch-cpu.sha256"
_ENTRY = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+).*(?:\n[ \t]+.*)*\n?", re.MULTILINE
)
_CUDA_ONLY = re.compile(r"nvidia-.*|cuda-.*|triton")
_WHEEL = re.compile(
    r"^(?P<hash>[0-9a-f]{64})  torch-(?P<version>[^-]+)-cp(?P<python>\d+)-", re.MULTILINE
)


def build_cpu_lock(cuda_lock: str, hashes: str, python: str) -> str:
    """The lock's text; ConfigurationError if the hashes are of another version of PyTorch."""
    parts = []
    for entry in _ENTRY.finditer(cuda_lock):
        if entry["name"] == "torch":
            parts.append(_build_torch_entry(f"{entry['version']}+cpu", hashes, python))
        elif not _CUDA_ONLY.fullmatch(entry["name"]):
            parts.append(entry[0])
    return "".join(parts)


def _build_torch_entry(version: str, hashes: str, python: str) -> str:
    tag = python.replace(".", "")
    wheels = list(_WHEEL.finditer(hashes))
    fitting = [one["hash"] for one in wheels if (one["version"], one["python"]) == (version, tag)]
    if not fitting:
        known = ", ".join(sorted({f"{one['version']} for {one['python']}" for one in wheels}))
        raise ConfigurationError(
            f"requirements/{HASHES_FILE}: no hash of torch {version} for Python {python}; found are {known}. "
            "Add those of PyTorch's index of CPU builds."
        )
    lines = [f"torch=={version}", *(f"    --hash=sha256:{one}" for one in sorted(fitting))]
    return " \\\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    (python,) = sys.argv[1:] if arguments is None else arguments
    try:
        text = build_cpu_lock(
            (FOLDER / f"training-cuda-python{python}.txt").read_text(encoding="utf-8"),
            (FOLDER / HASHES_FILE).read_text(encoding="utf-8"),
            python,
        )
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    (FOLDER / f"training-python{python}.txt").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
