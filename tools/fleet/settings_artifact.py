"""The settings component's artifact and recipe: one file a station, beside what puts it in its place."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.stage.__main__ import PYTHONS
from tools.stage.archive import pack_folder
from tools.stage.stageable_components import REQUIREMENTS, ROOT, SHARED
from tools.stage.wheels import ARCHITECTURES, fetch_wheels

Json = dict[str, Any]
ARTIFACT_NAME = "settings.zip"
RECIPE_TEMPLATE = """\
---
RecipeFormatVersion: "2020-01-25"
ComponentName: {component}
ComponentVersion: "{version}"
ComponentDescription: "Settings of the stations of one kind"
ComponentPublisher: Sightline
ComponentConfiguration:
  DefaultConfiguration:
    stationFolder: /var/lib/sightline
Manifests:
  - Platform:
      os: linux
      runtime: "*"
    Lifecycle:
      install:
        Script: >-
          sh {{artifacts:decompressedPath}}/settings/sightline/launch.sh install &&
          sh {{artifacts:decompressedPath}}/settings/sightline/launch.sh run sightline.storage.settings_store
          put {{artifacts:decompressedPath}}/settings/settings --thing {{iot:thingName}}
          --store "{{configuration:/stationFolder}}/settings"
        RequiresPrivilege: false
        Timeout: 600
      run:
        Script: exit 0
        RequiresPrivilege: false
    Artifacts:
      - Uri: s3://{bucket}/{component}/{version}/{artifact}
        Unarchive: ZIP
"""
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def build_settings_recipe(component: str, version: str, bucket: str) -> str:
    """The recipe of one version of a kind's settings component."""
    return RECIPE_TEMPLATE.format(
        component=component, version=version, bucket=bucket, artifact=ARTIFACT_NAME
    )


def build_settings_archive(settings: Mapping[str, Json], root: Path = ROOT) -> bytes:
    """The artifact: `settings/THING.json` for each station, the shared package and its wheels."""
    lock = root / REQUIREMENTS / "product.txt"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "content"
        shutil.copytree(root / SHARED, folder / SHARED.name, ignore=_LEFT_OUT)
        shutil.copyfile(lock, folder / "requirements.txt")
        _add_wheels(lock.read_text(encoding="utf-8"), folder / "wheels", root / ".cache" / "wheels")
        (folder / "settings").mkdir()
        for thing, content in settings.items():
            text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
            (folder / "settings" / f"{thing}.json").write_text(text, encoding="utf-8")
        target = Path(place) / ARTIFACT_NAME
        pack_folder(folder, target)
        return target.read_bytes()


def _add_wheels(lock: str, folder: Path, cache: Path) -> None:
    folder.mkdir()
    for architecture in ARCHITECTURES:
        for wheel in fetch_wheels(lock, PYTHONS, architecture, cache):
            shutil.copyfile(wheel, folder / wheel.name)
