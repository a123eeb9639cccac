"""A kind's settings component: staged reproducibly, taken by both nuclei, each station finds its own."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sightline.errors import ConfigurationError, RecipeError
from sightline.storage.settings_store import SettingsFile, encode_settings
from tools.check_suite import find_recipe_problems
from tools.stage.layout import StagingOptions
from tools.stage.settings_component import (
    build_settings_archive,
    build_settings_recipe,
    find_settings_component,
    stage_settings,
)


def options(target: Path) -> StagingOptions:
    return StagingOptions("0.1.0", "0.1.0", (), ("3.10",), target, target / "cache")


def settings_of(*things: str) -> dict[str, bytes]:
    return {
        thing: encode_settings(
            SettingsFile(thing=thing, site="site-1", components={"com.sightline.Capture": {}})
        )
        for thing in things
    }


def test_the_same_settings_give_the_same_bytes(tmp_path: Path) -> None:
    things = ("line-1", "line-2")
    first = build_settings_archive(
        stage_settings("Bottles", "0.1.3", settings_of(*things), options(tmp_path / "a"))
    )
    again = build_settings_archive(
        stage_settings("Bottles", "0.1.3", settings_of(*reversed(things)), options(tmp_path / "b"))
    )
    assert first == again


def test_a_station_takes_its_own_file_out_of_the_staged_artifact(tmp_path: Path) -> None:
    folder = stage_settings("Bottles", "0.1.3", settings_of("line-1", "line-2"), options(tmp_path))
    (artifact,) = folder.rglob("settings.zip")
    with zipfile.ZipFile(artifact) as archive:
        archive.extractall(tmp_path / "unpacked" / "settings")
    unpacked = tmp_path / "unpacked" / "settings"
    assert (unpacked / "sightline" / "launch.sh").is_file()
    done = subprocess.run(
        [
            *("sh", unpacked / "sightline" / "launch.sh", "run"),
            *("sightline.storage.settings_store", "put", unpacked / "settings"),
            *("--thing=line-2", "--version=0.1.3", "--store", tmp_path / "station" / "settings"),
        ],
        cwd=tmp_path,
        env={"SIGHTLINE_PYTHON": sys.executable, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    stored = (tmp_path / "station" / "settings" / "station.json").read_text()
    assert '"thing": "line-2"' in stored
    assert '"version": "0.1.3"' in stored


def test_both_nuclei_take_the_recipe() -> None:
    recipe = build_settings_recipe("Bottles", "0.1.3")
    assert list(find_recipe_problems("settings", recipe)) == []


@pytest.mark.parametrize("kind", ["", "bottles", "Bottles-1", "B" * 65, "Bottles\n"])
def test_a_kind_that_no_component_can_be_named_after_is_refused(kind: str) -> None:
    with pytest.raises(RecipeError, match="begin with a capital"):
        find_settings_component(kind)


def test_a_file_that_no_station_would_take_is_not_staged(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"line-1\.json"):
        stage_settings("Bottles", "0.1.3", {"line-1": b"{}"}, options(tmp_path))
    with pytest.raises(RecipeError, match="names another station"):
        stage_settings(
            "Bottles", "0.1.3", {"line-1": settings_of("line-2")["line-2"]}, options(tmp_path)
        )
    with pytest.raises(RecipeError, match="found no station"):
        stage_settings("Bottles", "0.1.3", {}, options(tmp_path))
