"""The desired state of each station: components, versions and merged configuration."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sightline.errors import RecipeError
from sightline.messaging.topics import COMPONENTS, PUBLISHER
from tools.fleet.deployment_file import (
    Canary,
    DeploymentFile,
    DeploymentPolicies,
    Nucleus,
    PinnedComponent,
    RolloutSettings,
    StationEntry,
    StationSettings,
)
from tools.fleet.merge_tree import merge_trees
from tools.fleet.station_settings import ComponentMerges, build_merges
from tools.fleet.version_pins import is_for_nucleus
from tools.stage.settings_component import find_settings_component

Json = dict[str, Any]
OURS = "com.sightline."
NOT_A_STATIONS_OWN = (
    "accessControl",
    "stationFolder",
    "settingsVersion",
)  # what nucleus and scripts read themselves


@dataclass(frozen=True)
class DesiredComponent:
    """A component version, with its resets and the configuration to merge."""

    version: str
    merge: Mapping[str, Any]
    reset: tuple[str, ...] = ()


@dataclass(frozen=True)
class DesiredStation:
    """One station and what it must run.

    `components` has the configuration in force: the kind's, the site's and the station's own merged.
    `settings` has the site's and the station's own alone, by component: what the settings component carries.
    """

    name: str
    site: str
    canary: Canary
    components: Mapping[str, DesiredComponent]
    settings: Mapping[str, Json] = field(default_factory=dict)
    nucleus: Nucleus = "classic"
    policies: DeploymentPolicies = field(default_factory=DeploymentPolicies)
    rollout: RolloutSettings = field(default_factory=RolloutSettings)


def build_desired_stations(file: DeploymentFile) -> list[DesiredStation]:
    """Build the desired state of every station in a file, in its order."""
    found = list(_generate_stations(file))
    if not found:
        raise RecipeError(
            "at /sites: found no stations; a fleet needs at least one site with a station"
        )
    return found


def build_kind_components(file: DeploymentFile, nucleus: Nucleus) -> dict[str, DesiredComponent]:
    """What all stations of the kind with this nucleus share: versions and the kind's configuration."""
    return {
        name: DesiredComponent(
            version=pinned.version,
            merge=pinned.configuration_update.merge,
            reset=_build_reset_pointers(name, pinned, file.policies),
        )
        for name, pinned in file.components.items()
        if is_for_nucleus(name, nucleus)
    }


def settings_component(thing_group: str) -> str:
    """The name of a kind's settings component: com.sightline.settings.JetsonOrin for jetson-orin."""
    words = re.split("[:_-]+", thing_group)
    kind = "".join(word[:1].upper() + word[1:] for word in words)
    try:
        return find_settings_component(kind)
    except RecipeError as error:
        raise RecipeError(f"at /thingGroup: {thing_group}: {error}") from error


def _generate_stations(file: DeploymentFile) -> Iterator[DesiredStation]:
    for site_name, site in file.sites.items():
        own_site = {PUBLISHER: {"siteId": site_name}} if PUBLISHER in file.components else {}
        of_site = merge_trees(own_site, _build_own_merges(file, site, site_name))
        for name, content in site.stations.items():
            station = content or StationEntry()
            nucleus = station.nucleus or site.nucleus or "classic"
            settings = merge_trees(of_site, _build_own_merges(file, station, name))
            yield DesiredStation(
                name,
                site_name,
                station.canary,
                _merge_settings(build_kind_components(file, nucleus), settings),
                settings,
                nucleus,
                file.policies,
                file.rollout,
            )


def _merge_settings(
    kind: Mapping[str, DesiredComponent], settings: Mapping[str, Json]
) -> dict[str, DesiredComponent]:
    return {
        name: DesiredComponent(
            one.version, merge_trees(one.merge, settings.get(name, {})), one.reset
        )
        for name, one in kind.items()
    }


def _build_reset_pointers(
    component: str, pinned: PinnedComponent, policies: DeploymentPolicies
) -> tuple[str, ...]:
    """Reset only our components: the nucleus's role alias and endpoints are in no recipe."""
    if pinned.configuration_update.reset:
        return tuple(pinned.configuration_update.reset)
    return ("",) if policies.reset_first and component.startswith(OURS) else ()


def _build_own_merges(
    file: DeploymentFile, settings: StationSettings, place: str
) -> ComponentMerges:
    merges = build_merges(settings)
    for component, merge in merges.items():
        if component not in file.components:
            raise RecipeError(f"{place} configures {component}, which is missing from /components")
        if component not in COMPONENTS:
            raise RecipeError(
                f"{place} configures {component}, which reads no settings of a station; write it in "
                f"/components/{component}/configurationUpdate/merge, for all stations of the kind"
            )
        for key in NOT_A_STATIONS_OWN:
            if key in merge:
                raise RecipeError(
                    f"{place} sets {key} of {component}, which the nucleus reads and no setting of a "
                    f"station changes; write it in /components/{component}/configurationUpdate/merge"
                )
    return merges
