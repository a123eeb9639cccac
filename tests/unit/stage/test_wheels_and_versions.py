"""Wheels come from the lock, for another machine than this one; versions come from one place."""

import base64
import hashlib
import zipfile
from pathlib import Path

import pytest

from sightline.errors import RecipeError
from tools.stage.stageable_components import REQUIREMENTS, ROOT, list_components
from tools.stage.suite_version import (
    build_requirement,
    fill_recipe_version,
    load_suite_version,
    parse_recipe_version,
    parse_suite_version,
)
from tools.stage.wheels import fetch_wheels, select_lock_entries

LOCK = (ROOT / REQUIREMENTS / "inference.txt").read_text(encoding="utf-8")
RECIPE = """---
ComponentName: com.sightline.Inference
ComponentVersion: "0.1.0"
ComponentDependencies:
  com.sightline.model.Cap:
    VersionRequirement: "0.1.0"
    DependencyType: SOFT
  aws.greengrass.TokenExchangeService:
    VersionRequirement: ">=2.0.3 <3.0.0"
"""


def make_wheel(folder: Path, name: str, tag: str) -> str:
    """A wheel of one module; returns its line in a lock."""
    path = folder / f"{name}-1.0-{tag}.whl"
    information = f"{name}-1.0.dist-info"
    contents = {
        f"{name}.py": "VALUE = 7\n",
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{information}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{file},{_sum(text)},{len(text)}\n" for file, text in contents.items())
    contents[f"{information}/RECORD"] = f"{record}{information}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in contents.items():
            archive.writestr(file, text)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name}==1.0 \\\n    --hash=sha256:{digest}\n"


def _sum(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes all wheels from; it asks no network."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.mark.parametrize(
    ("python", "numpy", "onnxruntime"),
    [("3.10", "2.2.6", "1.23.2"), ("3.11", "2.4.6", "1.31.1"), ("3.12", "2.5.5", "1.31.1")],
)
def test_each_python_gets_its_own_edition_with_hashes_and_no_conditions(
    python: str, numpy: str, onnxruntime: str
) -> None:
    lines = select_lock_entries(LOCK, python, "aarch64")
    heads = [line.split(" ")[0] for line in lines]
    assert f"numpy=={numpy}" in heads
    assert f"onnxruntime=={onnxruntime}" in heads
    assert ("coloredlogs==15.0.1" in heads) is (python == "3.10")
    assert "pyreadline3" not in " ".join(heads)  # Windows only
    assert all("--hash=sha256:" in line and ";" not in line for line in lines)


@pytest.mark.parametrize("part", list_components(), ids=lambda part: part.name)
def test_every_component_has_a_lock(part: object) -> None:
    assert part.lock.is_file()  # type: ignore[attr-defined]


def test_wheels_are_fetched_for_another_machine_and_kept(tmp_path: Path, index: Path) -> None:
    lock = make_wheel(index, "light", "cp310-cp310-manylinux_2_28_aarch64")
    lock += make_wheel(index, "plain", "py3-none-any")
    fetched = fetch_wheels(lock, ("3.10",), "aarch64", tmp_path / "cache")
    assert [wheel.name.split("-")[0] for wheel in fetched] == ["light", "plain"]
    for path in index.iterdir():
        path.unlink()
    assert (
        fetch_wheels(lock, ("3.10",), "aarch64", tmp_path / "cache") == fetched
    )  # pip is not asked again


def test_a_wheel_that_is_not_the_locks_is_refused(tmp_path: Path, index: Path) -> None:
    lock = make_wheel(index, "light", "cp310-cp310-manylinux_2_28_aarch64")
    (index / "light-1.0-cp310-cp310-manylinux_2_28_aarch64.whl").write_bytes(b"another")
    with pytest.raises(RecipeError, match=r"Python 3\.10 on aarch64: pip failed"):
        fetch_wheels(lock, ("3.10",), "aarch64", tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").iterdir() if path.suffix != ".draft"]


def test_the_version_stands_in_one_place() -> None:
    text = '[project]\nname = "x"\nversion = "1.4.2"\n[tool.ruff]\nversion = "9.9.9"\n'
    assert parse_suite_version(text) == "1.4.2"
    assert load_suite_version(ROOT) == parse_suite_version((ROOT / "pyproject.toml").read_text())
    with pytest.raises(RecipeError, match="no version found"):
        parse_suite_version('[tool.x]\nversion = "1.0.0"\n')
    with pytest.raises(RecipeError, match="'1'"):
        parse_suite_version('[project]\nversion = "1"\n')


def test_a_recipe_takes_the_version_and_pins_the_suites_own_parts_to_it() -> None:
    text = fill_recipe_version(RECIPE, "0.3.1", {"com.sightline.model.Cap": "0.3.1"})
    assert parse_recipe_version(text) == "0.3.1"
    assert '    VersionRequirement: "0.3.1"' in text
    assert '">=2.0.3 <3.0.0"' in text
    wanted = build_requirement("NEXT_PATCH", "0.1.0")
    free = fill_recipe_version(RECIPE, "NEXT_PATCH", {"com.sightline.model.Cap": wanted})
    assert parse_recipe_version(free) == parse_recipe_version(RECIPE)
    assert '    VersionRequirement: ">=0.1.0 <0.2.0"' in free
    with pytest.raises(RecipeError, match="0 ComponentVersion lines"):
        fill_recipe_version("ComponentName: x\n", "0.1.0", {})
