"""The desired state of each station: components, versions and merged configuration."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from sightline.errors import RecipeError
from sightline.messaging.topics import PUBLISHER
from tools.fleet.deployment_file import (
    DeploymentFile,
    DeploymentPolicies,
    RolloutSettings,
    StationEntry,
    StationSettings,
)
from tools.fleet.merge_tree import merge_trees
from tools.fleet.station_settings import ComponentMerges, build_merges

Json = dict[str, Any]
DIGEST_CHARACTERS = 16
OURS = "com.sightline."


@dataclass(frozen=True)
class DesiredComponent:
    """A component version, with its resets and the configuration to merge."""

    version: str
    merge: Mapping[str, Any]
    reset: tuple[str, ...] = ()


@dataclass(frozen=True)
class DesiredStation:
    """One station and the components it must run."""

    name: str
    site: str
    canary: bool
    components: Mapping[str, DesiredComponent]
    policies: DeploymentPolicies = field(default_factory=DeploymentPolicies)
    rollout: RolloutSettings = field(default_factory=RolloutSettings)

    @cached_property
    def digest(self) -> str:
        """A digest of components, configuration and policies."""
        content: Json = {
            "components": {n: [c.version, c.merge, c.reset] for n, c in self.components.items()},
            "policies": self.policies,
            "timeout": self.rollout.station_timeout_minutes,
        }
        encoded = msgspec.json.encode(content, order="deterministic")
        return hashlib.sha256(encoded).hexdigest()[:DIGEST_CHARACTERS]


def build_desired_stations(file: DeploymentFile) -> list[DesiredStation]:
    """Build the desired state of every station in a file: canaries first, then in file order."""
    found = list(_generate_stations(file))
    if not found:
        raise RecipeError(
            "at /sites: found no stations; a fleet needs at least one site with a station"
        )
    return sorted(found, key=lambda station: not station.canary)


def _generate_stations(file: DeploymentFile) -> Iterator[DesiredStation]:
    for site_name, site in file.sites.items():
        of_site = merge_trees(
            {PUBLISHER: {"siteId": site_name}}, _build_known_merges(file, site, site_name)
        )
        for name, content in site.stations.items():
            station = content or StationEntry()
            merges = merge_trees(of_site, _build_known_merges(file, station, name))
            components = {
                component: DesiredComponent(
                    version=pinned.version,
                    merge=merge_trees(pinned.configuration_update.merge, merges.get(component, {})),
                    reset=tuple(pinned.configuration_update.reset)
                    or _build_reset_pointers(component, file.policies),
                )
                for component, pinned in file.components.items()
            }
            yield DesiredStation(
                name, site_name, station.canary, components, file.policies, file.rollout
            )


def _build_reset_pointers(component: str, policies: DeploymentPolicies) -> tuple[str, ...]:
    """Reset only our components: the nucleus's role alias and endpoints are in no recipe."""
    return ("",) if policies.reset_first and component.startswith(OURS) else ()


def _build_known_merges(
    file: DeploymentFile, settings: StationSettings, place: str
) -> ComponentMerges:
    merges = build_merges(settings)
    for component in merges:
        if component not in file.components:
            raise RecipeError(f"{place} configures {component}, which is missing from /components")
    return merges
