"""Which version of a kind's settings component has the file's settings, and its publication.

The same content keeps its version; new content gets the patch after the highest in the account. All
groups of the kind share the component, but a group keeps the version it has until its own stations'
settings change.
"""

import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.fleet import settings_artifact
from tools.fleet.component_bucket import ComponentBucket
from tools.fleet.deployment_requests import PREFIX, hash_token
from tools.fleet.desired_state import DesiredComponent, DesiredStation, settings_component
from tools.fleet.fleet_client import FleetClient
from tools.fleet.rollout_clock import RolloutClock
from tools.fleet.rollout_groups import compute_digest
from tools.fleet.service_calls import ExistingResourceError, FleetError
from tools.stage.stageable_components import ROOT
from tools.stage.suite_version import load_suite_version

Json = dict[str, Any]
SettingsByThing = Mapping[str, Json]
FIRST_VERSION = "1.0.0"
DIGEST_TAG = f"{PREFIX}:digest"
SCHEMA_VERSION = 1
MAX_COMPARED_VERSIONS = 20
MAX_WAIT_S, POLL_INTERVAL_S = 300.0, 2.0
_ENTRY = re.compile(r"(?:.*/)?settings/([A-Za-z0-9:_-]+)\.json")


@dataclass(frozen=True)
class SettingsVersion:
    """The settings component in the version that a roll-out deploys; `is_new`: not published yet."""

    component: str
    version: str
    settings: SettingsByThing
    station_folder: str
    is_new: bool

    @property
    def digest(self) -> str:
        """The digest of the content."""
        return _compute_settings_digest(self.settings)

    @property
    def key(self) -> str:
        """The artifact's key in the components' bucket."""
        return settings_key(self.component, self.version)

    def build_components(self) -> dict[str, DesiredComponent]:
        """The component as a group's deployment names it."""
        merge = {"stationFolder": self.station_folder} if self.station_folder else {}
        return {self.component: DesiredComponent(self.version, merge, ("",))}

    def build_creation(self, bucket: str) -> Json:
        """The CreateComponentVersion request."""
        recipe = settings_artifact.build_recipe(self.component, self.version, bucket)
        return {
            "inlineRecipe": recipe.encode(),
            "tags": {DIGEST_TAG: self.digest},
            "clientToken": hash_token(f"{self.component} {self.version} {self.digest}"),
        }


def plan_settings_version(
    kind: str, stations: Sequence[DesiredStation], station_folder: str, cloud: FleetClient | None
) -> SettingsVersion:
    """The version that has these stations' settings, or the next one."""
    component = settings_component(kind)
    settings = {station.name: build_settings_file(station) for station in stations}
    versions = cloud.list_component_versions(component) if cloud else []
    newest_first = sorted(versions, key=_parse_numbers, reverse=True)
    digest = _compute_settings_digest(settings)
    for version in newest_first[:MAX_COMPARED_VERSIONS] if cloud else ():
        found = cloud.describe_component(component, version) if cloud else None
        if found and (found.get("tags") or {}).get(DIGEST_TAG) == digest:
            return SettingsVersion(component, version, settings, station_folder, is_new=False)
    following = _raise_patch(newest_first[0]) if newest_first else FIRST_VERSION
    return SettingsVersion(component, following, settings, station_folder, is_new=True)


def build_settings_file(station: DesiredStation) -> Json:
    """What a station's `settings/station.json` has."""
    return {
        "schema_version": SCHEMA_VERSION,
        "thing": station.name,
        "site": station.site,
        "components": station.settings,
    }


def settings_key(component: str, version: str) -> str:
    """The key of a version's artifact."""
    return f"{component}/{version}/{settings_artifact.ARTIFACT_NAME}"


def publish_settings(wanted: SettingsVersion, cloud: FleetClient, clock: RolloutClock) -> None:
    """Upload and create the version, and wait until it can be deployed; published is no error."""
    archive = settings_artifact.build_archive(wanted.component, wanted.version, wanted.settings)
    cloud.bucket.put(cloud.bucket.build_put(wanted.key, archive))
    try:
        cloud.create_component(wanted.build_creation(cloud.bucket.name))
    except ExistingResourceError as error:
        found = cloud.describe_component(wanted.component, wanted.version) or {}
        if (found.get("tags") or {}).get(DIGEST_TAG) != wanted.digest:
            raise FleetError(
                f"{wanted.component} {wanted.version} was just published with other content; "
                "run the same command again"
            ) from error
    _wait_until_deployable(wanted, cloud, clock)


def read_settings(component: str, version: str, bucket: ComponentBucket) -> SettingsByThing | None:
    """A published version's settings by thing; None if its artifact cannot be read."""
    stored = bucket.read(settings_key(component, version))
    if stored is None:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(stored.content)) as archive:
            names = {m.group(1): m.group(0) for m in map(_ENTRY.fullmatch, archive.namelist()) if m}
            return {thing: json.loads(archive.read(name)) for thing, name in names.items()}
    except (zipfile.BadZipFile, ValueError):
        return None


def _wait_until_deployable(
    wanted: SettingsVersion, cloud: FleetClient, clock: RolloutClock
) -> None:
    end_s = clock.now_s() + MAX_WAIT_S
    while True:
        found = cloud.describe_component(wanted.component, wanted.version) or {}
        status = found.get("status") or {}
        state = status.get("componentState", "")
        if state == "DEPLOYABLE":
            return
        if state in ("FAILED", "DEPRECATED") or clock.now_s() >= end_s:
            raise FleetError(
                f"{wanted.component} {wanted.version} is {state or 'unknown'}, not DEPLOYABLE: "
                f"{status.get('message') or 'no reason given'}; nothing was deployed"
            )
        clock.wait(POLL_INTERVAL_S)


def _compute_settings_digest(settings: SettingsByThing) -> str:
    """The artifact also has the suite's own code, so a digest is of one version of the suite."""
    return compute_digest({"settings": settings, "suite": load_suite_version(ROOT)})


def _parse_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split("."))


def _raise_patch(version: str) -> str:
    major, minor, patch = _parse_numbers(version)
    return f"{major}.{minor}.{patch + 1}"
