"""Deployment files: components, sites and their stations.

All keys are defined here. `components` has the versions and what all stations share; `sites` and their
`stations` add their own settings. The inner one wins, map by map, as in a merge.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sightline import __version__
from sightline.configuration import json_pointer
from sightline.errors import RecipeError, TextError
from sightline.old_component_keys import OLD_COMPONENT_KEYS, place_components_below
from sightline.old_keys import OldKey, find_as_written, place_below, rename_old_keys
from sightline.strict_text import read_text
from sightline.strict_yaml import decode_yaml

Json = dict[str, Any]
Name = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9:_-]{1,128}$")
]  # what IoT takes for things and groups
Version = Annotated[str, Meta(pattern=r"^\d+\.\d+\.\d+$")]
Nucleus = Literal["classic", "lite"]  # as in `provision.sh --nucleus`; classic is Nucleus 2.x
Canary = bool | Literal["site"]
Minutes = Annotated[float, Meta(ge=0, le=10_080)]
PerMinute = Annotated[int, Meta(ge=1, le=1000)]  # what an IoT job takes
OLD_ROLLOUT_KEYS = {"/rollout/greatestPerMinute": "maxPerMinute"}


class _DeploymentStruct(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Base: camelCase keys; unknown keys are refused."""


class PinnedConfigurationUpdate(_DeploymentStruct, frozen=True, kw_only=True):
    """Changes to a component's configuration: first reset (JSON pointers), then merge."""

    merge: Json = {}
    reset: list[str] = []


class PinnedComponent(_DeploymentStruct, frozen=True, kw_only=True):
    """A component pinned to one version."""

    version: Version
    configuration_update: PinnedConfigurationUpdate = PinnedConfigurationUpdate()


class StationSettings(_DeploymentStruct, frozen=True, kw_only=True):
    """A station's settings in terms of the production line; `merge` is for everything else, by component.

    `plc` is an address, `opc.tcp://...` or `modbus-tcp://...`; `cameras` has the device node of each;
    `models` are names in the model store; `product` is what runs until PLC or command change it, and
    `products` says what the PLC calls each, mostly a number. `nucleus` is what the machine runs.
    """

    nucleus: Nucleus | None = None
    line: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    plc: Annotated[str, Meta(pattern=r"^(opc\.tcp|modbus-tcp)://\S+$")] | None = None
    cameras: Annotated[dict[str, str], Meta(min_length=1, max_length=8)] | None = None
    product: Annotated[str, Meta(max_length=64)] | None = None
    products: Annotated[dict[str, str], Meta(max_length=1000)] | None = None
    models: Annotated[list[str], Meta(min_length=1)] | None = None
    merge: dict[str, Json] = {}


class StationEntry(StationSettings, frozen=True, kw_only=True):
    """One station, by thing name; `canary`: it gets changes first, of all (true) or of its site ("site")."""

    canary: Canary = False


class SiteEntry(StationSettings, frozen=True, kw_only=True):
    """One site: settings shared by its stations, and each station."""

    stations: dict[Name, StationEntry | None] = {}


class RolloutSettings(_DeploymentStruct, frozen=True, kw_only=True):
    """How fast a change is rolled out, and when the rollout stops.

    First the canaries, then a pause, then the sites in the order of the file. In each thing group at most
    `stationsPerMinute` are notified, and by `growthFactor` more each time as many have succeeded. It stops
    when `stopAtFailedShare` of the stations that have ended, at least `stopAfterStations`, have failed.
    """

    canary_pause_minutes: Minutes = 30.0
    stations_per_minute: PerMinute = 10
    growth_factor: Annotated[float, Meta(ge=1, le=5)] = 1.5
    max_per_minute: PerMinute = 100
    stop_at_failed_share: Annotated[float, Meta(ge=0, le=1)] = 0.05
    stop_after_stations: Annotated[int, Meta(ge=1)] = 5
    station_timeout_minutes: Annotated[int, Meta(ge=1, le=10_080)] = 60


class DeploymentPolicies(_DeploymentStruct, frozen=True, kw_only=True):
    """Deployment policies, as in the Greengrass API.

    Components are told before an update and may settle the part in hand for `notifyTimeoutS`.
    """

    on_failure: Literal["ROLLBACK", "DO_NOTHING"] = "ROLLBACK"
    notify_components: bool = True
    notify_timeout_s: Annotated[int, Meta(ge=1, le=2_147_483_647)] = 60
    validate_timeout_s: Annotated[int, Meta(ge=1, le=2_147_483_647)] = 20
    reset_first: bool = True  # so that what a station had before cannot linger


class DeploymentFile(_DeploymentStruct, frozen=True, kw_only=True):
    """One deployment file; without `sites` it describes one machine, as used by `make run`."""

    thing_group: Name
    components: dict[str, PinnedComponent]
    thing_name: str = ""
    rollout: RolloutSettings = RolloutSettings()
    policies: DeploymentPolicies = DeploymentPolicies()
    sites: dict[Name, SiteEntry] = {}


def parse_deployment_file(name: str, text: str) -> DeploymentFile:
    """Parse a deployment file; RecipeError names the JSON pointer, what was found, what is allowed.

    Old keys are renamed, so that stations get new ones only, which is said on stderr.
    """
    try:
        values = decode_yaml(text)
    except TextError as error:
        raise RecipeError(f"{name}: {error}") from error
    old_keys: list[OldKey] = []
    if isinstance(values, dict):
        values, old_keys = rename_old_keys(values, _build_old_keys(values))
    try:
        found = msgspec.convert(values, type=DeploymentFile)
    except msgspec.ValidationError as error:
        problem = str(error).split(" - at ")[0]
        pointer = find_as_written(json_pointer(str(error)), old_keys)
        raise RecipeError(f"{name} at {pointer or '/'}: {problem}") from error
    _refuse_duplicates(name, found)
    for key in old_keys:
        print(f"{name}: {key}; only this release reads the old key", file=sys.stderr)
    return found


def _build_old_keys(values: Json) -> dict[str, str]:
    """What may have old keys: the file itself, and merges for components of this version."""
    pinned = values.get("components")
    found = dict(OLD_ROLLOUT_KEYS)
    for component, entry in pinned.items() if isinstance(pinned, dict) else ():
        if not isinstance(entry, dict) or entry.get("version") != __version__:
            continue  # an older version wants them
        old_keys = OLD_COMPONENT_KEYS.get(component, {})
        found |= place_below(f"/components/{component}/configurationUpdate/merge", old_keys)
        for place in ("/sites/*/merge", "/sites/*/stations/*/merge"):
            found |= place_components_below(place, (component,))
    return found


def load_deployment_file(path: Path) -> DeploymentFile:
    """Load a deployment file."""
    try:
        text = read_text(path)
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
    except TextError as error:
        raise RecipeError(f"{path}: {error}") from error
    return parse_deployment_file(str(path), text)


def _refuse_duplicates(name: str, file: DeploymentFile) -> None:
    places: dict[str, str] = {}
    for site, content in file.sites.items():
        for station in content.stations:
            if station in places:
                raise RecipeError(
                    f"{name} at /sites/{site}/stations/{station}: "
                    f"site {places[station]} already has this station; a thing belongs to one site"
                )
            places[station] = site
