"""The lock of PyTorch's CPU build has hashes of that build, and nothing of CUDA."""

from pathlib import Path

import pytest

from sightline.errors import ConfigurationError
from tools.cpu_torch_lock import build_cpu_lock
from tools.suite_rules.requirement_rules import find_unhashed_requirements

REQUIREMENTS = Path(__file__).parents[3] / "requirements"
HASH = "a" * 64
CUDA_LOCK = """filelock==4.1.0 \\
    --hash=sha256:11
nvidia-cublas==13.1 ; sys_platform == 'linux' \\
    --hash=sha256:22
cuda-toolkit==13.0 \\
    --hash=sha256:33
torch==2.13.0 \\
    --hash=sha256:44
triton==3.7.1 \\
    --hash=sha256:55
"""


def test_cuda_is_left_out_and_the_cpu_build_is_pinned() -> None:
    hashes = f"{HASH}  torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl\n"
    assert build_cpu_lock(CUDA_LOCK, hashes, "3.11") == (
        "filelock==4.1.0 \\\n    --hash=sha256:11\n"
        f"torch==2.13.0+cpu \\\n    --hash=sha256:{HASH}\n"
    )


def test_hashes_of_another_version_are_refused_with_what_is_there() -> None:
    hashes = f"{HASH}  torch-2.12.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl\n"
    with pytest.raises(
        ConfigurationError, match=r"no hash of torch 2\.13\.0\+cpu for Python 3\.11"
    ):
        build_cpu_lock(CUDA_LOCK, hashes, "3.11")


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_the_locks_here_are_made_of_one_another(python: str) -> None:
    found = build_cpu_lock(
        (REQUIREMENTS / f"training-cuda-python{python}.txt").read_text(),
        (REQUIREMENTS / "torch-cpu.sha256").read_text(),
        python,
    )
    assert found == (REQUIREMENTS / f"training-python{python}.txt").read_text()


def test_pins_without_a_hash_and_installs_that_ask_for_none_are_caught() -> None:
    lock = "one==1 \\\n    --hash=sha256:11\ntwo==2\n"
    files = {"requirements/x.txt": lock, "Makefile": "\tpython -m pip install torch\n"}
    assert find_unhashed_requirements(files) == [
        "requirements/x.txt: two==2 has no hash; run make lock",
        "Makefile:1: pip install without --require-hashes",
    ]
