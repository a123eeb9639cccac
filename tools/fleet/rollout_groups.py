"""Thing groups of a kind of station: who gets a change together, and in which order.

A station is in exactly one of them, so that no component is named by two deployments of one station:
`KIND-canary`, then for each site in the order of the file `KIND-SITE-canary` and `KIND-SITE`. Stations
under Nucleus Lite have groups of their own (`...-lite`), because some components differ.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from sightline.errors import RecipeError
from tools.fleet.deployment_file import (
    DeploymentFile,
    DeploymentPolicies,
    Nucleus,
    RolloutSettings,
)
from tools.fleet.desired_state import (
    DesiredComponent,
    DesiredStation,
    build_desired_stations,
    build_kind_components,
)

Json = dict[str, Any]
DIGEST_CHARACTERS = 16
MAX_GROUP_NAME = 128
NEW = "new"  # as in provision.sh
ALL_SITES = ""  # the site of the kind's canaries


@dataclass(frozen=True)
class DesiredGroup:
    """One thing group: its stations, and what its deployment gives all of them."""

    name: str
    kind: str
    site: str
    canary: bool
    nucleus: Nucleus
    components: Mapping[str, DesiredComponent]
    stations: tuple[DesiredStation, ...]
    policies: DeploymentPolicies
    rollout: RolloutSettings

    @cached_property
    def digest(self) -> str:
        """A digest of versions, configuration, policies, pace, and of each station's own settings.

        The version of the settings component is not in it: another group's change raises it, too.
        """
        return compute_digest(
            {
                "components": {
                    n: [c.version, c.merge, c.reset] for n, c in self.components.items()
                },
                "policies": self.policies,
                "rollout": self.rollout,
                "stations": {station.name: station.settings for station in self.stations},
            }
        )

    @property
    def things(self) -> frozenset[str]:
        """The names of its stations."""
        return frozenset(station.name for station in self.stations)


@dataclass(frozen=True)
class GroupWave:
    """Groups that get a change together; after canaries there is a pause, and one failure stops it all."""

    title: str
    groups: tuple[DesiredGroup, ...]

    @property
    def is_canary(self) -> bool:
        """Whether its stations are canaries."""
        return self.groups[0].canary

    @property
    def site(self) -> str:
        """The site, empty for the canaries of all sites."""
        return self.groups[0].site


def build_group_waves(file: DeploymentFile) -> list[GroupWave]:
    """The kind's canaries, then site by site: its own canaries and the others."""
    stations = build_desired_stations(file)
    waves = [
        wave
        for site, canary in _list_turns(file)
        if (wave := _build_wave(file, stations, site, canary)).groups
    ]
    _refuse_equal_names(file, [group for wave in waves for group in wave.groups])
    return waves


def compute_rollout_digest(waves: Sequence[GroupWave]) -> str:
    """A digest of all that a file wants: it names the roll-out in each of its deployments."""
    return compute_digest({group.name: group.digest for wave in waves for group in wave.groups})


def compute_digest(content: Any) -> str:
    """A short digest of values as JSON."""
    encoded = msgspec.json.encode(content, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()[:DIGEST_CHARACTERS]


def group_name(kind: str, site: str, canary: bool, nucleus: Nucleus) -> str:
    """The name of a thing group."""
    words = [kind, site, "canary" if canary else "", "lite" if nucleus == "lite" else ""]
    return "-".join(word for word in words if word)


def _list_turns(file: DeploymentFile) -> Iterator[tuple[str, bool]]:
    yield ALL_SITES, True
    for site in file.sites:
        yield site, True
        yield site, False


def _build_wave(
    file: DeploymentFile, stations: Sequence[DesiredStation], site: str, canary: bool
) -> GroupWave:
    groups = []
    for nucleus in ("classic", "lite"):
        own = group_name(file.thing_group, site, canary, nucleus)
        members = [s for s in stations if s.nucleus == nucleus and _has_turn(s, site, canary)]
        if members:
            groups.append(
                DesiredGroup(
                    own,
                    file.thing_group,
                    site,
                    canary,
                    nucleus,
                    build_kind_components(file, nucleus),
                    tuple(members),
                    file.policies,
                    file.rollout,
                )
            )
    return GroupWave(
        f"canaries of {site}" if canary and site else site or "canaries", tuple(groups)
    )


def _has_turn(station: DesiredStation, site: str, canary: bool) -> bool:
    if site == ALL_SITES:
        return station.canary is True
    return station.site == site and station.canary == ("site" if canary else False)


def _refuse_equal_names(file: DeploymentFile, groups: Sequence[DesiredGroup]) -> None:
    seen: dict[str, DesiredGroup] = {}
    for group in groups:
        if len(group.name) > MAX_GROUP_NAME:
            raise RecipeError(
                f"at /sites/{group.site}: the thing group {group.name!r} has {len(group.name)} "
                f"characters; at most {MAX_GROUP_NAME}: shorten the names of thingGroup or site"
            )
        other = seen.setdefault(group.name, group)
        if other is not group:
            raise RecipeError(
                f"at /sites: {_describe(other)} and {_describe(group)} would both be the thing group "
                f"{group.name}; rename the site (-canary and -lite end the names of other groups)"
            )
    waiting = f"{file.thing_group}-{NEW}"
    if waiting in seen:
        raise RecipeError(
            f"at /sites/{seen[waiting].site}: {waiting} is where newly provisioned stations wait; "
            "rename the site"
        )


def _describe(group: DesiredGroup) -> str:
    who = f"site {group.site}" if group.site else "all sites"
    return f"{'the canaries of ' if group.canary else ''}{who} ({group.nucleus})"
