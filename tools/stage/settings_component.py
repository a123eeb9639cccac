"""The settings component of a kind of station: its recipe, and its folder staged for publishing.

    stage_settings("Bottles", "0.1.7", {"line-7": content, ...}, options)

gives `options.target`/com.sightline.settings.Bottles, as `python -m tools.stage` gives other components.
`content` is a THING.json as `sightline.storage.settings_store.encode_settings` writes it.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sightline.errors import RecipeError
from sightline.storage.settings_store import decode_settings
from tools.stage import archive
from tools.stage.layout import StagingOptions, lay_out_folder
from tools.stage.stageable_components import REQUIREMENTS, ROOT

SETTINGS_PREFIX = "com.sightline.settings."
LOCK = "product"  # msgspec is all that the store needs, too
_KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
_RECIPE = """\
---
RecipeFormatVersion: "2020-01-25"
ComponentName: {name}
ComponentVersion: "{version}"
ComponentDescription: "What each station of the kind {kind} has of its own"
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
          sh "{{artifacts:decompressedPath}}/settings/sightline/launch.sh" install &&
          sh "{{artifacts:decompressedPath}}/settings/sightline/launch.sh" run
          sightline.storage.settings_store put "{{artifacts:decompressedPath}}/settings/settings"
          "--thing={{iot:thingName}}" --version={version}
          --store "{{configuration:/stationFolder}}/settings"
        RequiresPrivilege: false
        Timeout: 600
      run:
        Script: exit 0
        RequiresPrivilege: false
    Artifacts:
      - Uri: s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/settings.zip
        Unarchive: ZIP
"""


def find_settings_component(kind: str) -> str:
    """The name of a kind's settings component; RecipeError if no component can have it."""
    if not _KIND.fullmatch(kind):
        raise RecipeError(
            f"found the kind {kind!r}; at most 64 letters and digits that begin with a capital are allowed"
        )
    return SETTINGS_PREFIX + kind


def build_settings_recipe(kind: str, version: str) -> str:
    """Build the recipe of a kind's settings component, its artifact's place still to be filled in."""
    return _RECIPE.format(name=find_settings_component(kind), kind=kind, version=version)


def stage_settings(
    kind: str,
    version: str,
    settings: Mapping[str, bytes],
    options: StagingOptions,
    root: Path = ROOT,
) -> Path:
    """Stage a kind's settings by thing and pack them; returns the folder, which `publish` takes.

    The same settings give the same bytes. RecipeError or ConfigurationError if a station would refuse them.
    """
    if not settings:
        raise RecipeError(f"the settings of {kind}: found no station")
    for thing, content in settings.items():
        if decode_settings(content, f"{thing}.json").thing != thing:
            raise RecipeError(f"the settings of {kind}: {thing}.json names another station")
    name = find_settings_component(kind)
    own = replace(options, version=version)
    lock = root / REQUIREMENTS / f"{LOCK}.txt"
    folder = lay_out_folder(name, build_settings_recipe(kind, version), lock, own, root)
    for thing, content in settings.items():
        file = folder / "settings" / f"{thing}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    archive.build_artifact(folder)
    return folder


def build_settings_archive(folder: Path) -> bytes:
    """The bytes of the artifact in a folder that was staged."""
    (artifact,) = (folder / archive.OUTPUT / "artifacts").rglob("settings.zip")
    return artifact.read_bytes()
