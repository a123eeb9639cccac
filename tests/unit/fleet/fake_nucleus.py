"""What a nucleus makes of deployments: root components by group, as Nucleus 2.x and Lite keep them.

Read in their sources: a deployment replaces the roots of its own group; roots of groups that the thing has
left are dropped, those of the other groups and of the thing itself stay; one component that two of
them want in different versions fails the deployment; what no group wants any more is removed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
OF_THING = "thing"


@dataclass
class FakeNucleus:
    """One station: `removed` has every component that ever stopped being wanted."""

    is_lite: bool = False
    roots: dict[str, dict[str, str]] = field(default_factory=dict)
    configuration: dict[str, Json] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    @property
    def running(self) -> dict[str, str]:
        """The components that run, with their versions."""
        return {name: version for wanted in self.roots.values() for name, version in wanted.items()}

    def deploy(self, group: str, components: Mapping[str, Json], groups: Collection[str]) -> str:
        """Carry out a deployment of a group (or of the thing); the reason if it is refused."""
        own = {name: str(entry["componentVersion"]) for name, entry in components.items()}
        others = {
            name: wanted
            for name, wanted in self.roots.items()
            if name != group and (name == OF_THING or name in groups)
        }
        for other, wanted in others.items():
            for name in own.keys() & wanted.keys():
                if own[name] != wanted[name]:
                    return f"{name}: {group} wants {own[name]}, {other} wants {wanted[name]}"
        before = self.running
        self.roots = {**others, group: own}
        self.removed += sorted(set(before) - set(self.running))
        return ""
