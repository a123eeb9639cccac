"""Whether the components would take what a station is to run, before anything is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.configuration import Configuration, load_configuration
from sightline.errors import ConfigurationError
from sightline.topics import COMPONENTS
from tools.fleet.desired import DesiredComponent, DesiredStation
from tools.fleet.trees import merged
from tools.recipes import ROOT, configuration_of
from tools.suite_rules import deployments, recipes

OURS = "com.sightline."


@dataclass(frozen=True)
class KnownComponent:
    """What this checkout knows of a component; `struct` is None for those without code of their own."""

    version: str
    defaults: Mapping[str, Any]
    struct: type[Configuration] | None = None
    requires: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Verdict:
    """`refused` must not be sent; `unchecked` is of a version that is not this checkout's.

    Neither says of which station, so that what is said of many can be said once.
    """

    refused: tuple[str, ...]
    unchecked: tuple[str, ...]


class Checker:
    """Checks stations against the components' structs, each distinct configuration once."""

    def __init__(self, known: Mapping[str, KnownComponent]) -> None:
        self._known = known
        self._seen: dict[tuple[str, str, str], list[str]] = {}

    @classmethod
    def of_checkout(cls, root: Path = ROOT) -> "Checker":
        """With the recipes, Lambda descriptions and structs of the checkout."""
        return cls(dict(_known(root)))

    def version_of(self, component: str) -> str:
        """The version that this checkout has of a component."""
        return self._known[component].version

    def check(self, station: DesiredStation) -> Verdict:
        """What is wrong with a station, and where."""
        refused: list[str] = []
        unchecked: list[str] = []
        for name, component in station.components.items():
            known = self._known.get(name)
            if known is None:
                if name.startswith(OURS):
                    refused.append(f"at /components/{name}: no such recipe")
                continue
            if component.version != known.version:
                unchecked.append(
                    f"at /components/{name}: pinned to {component.version}; "
                    f"this checkout has {known.version}"
                )
                continue
            refused += [
                f"at /components/{name}: {line}"
                for line in [*self._of_component(name, component, known), *_missing(station, known)]
            ]
        return Verdict(tuple(refused), tuple(unchecked))

    def _of_component(
        self, name: str, component: DesiredComponent, known: KnownComponent
    ) -> list[str]:
        key = (name, component.version, repr(component.merge))
        if key not in self._seen:
            self._seen[key] = list(_refused(component.merge, known))
        return self._seen[key]


def _refused(merge: Mapping[str, Any], known: KnownComponent) -> Iterator[str]:
    if known.struct is None:
        yield from (f"the recipe knows no {key!r}" for key in merge if key not in known.defaults)
        return
    try:
        load_configuration(known.struct, merged(known.defaults, merge))
    except ConfigurationError as error:
        yield str(error)


def _missing(station: DesiredStation, known: KnownComponent) -> Iterator[str]:
    for name, version in (known.requires or {}).items():
        other = station.components.get(name)
        if other is not None and other.version != version:
            yield f"needs {name} {version}; found {other.version}"


def _known(root: Path) -> Iterator[tuple[str, KnownComponent]]:
    for path in sorted((root / "recipes").glob("com.*.yaml")):
        recipe = recipes.parsed(path.name, path.read_text(encoding="utf-8"))
        defaults = recipes.default_configuration(recipe)
        needs = recipe.get("ComponentDependencies") or {}
        pins = {n: d["VersionRequirement"] for n, d in needs.items() if n.startswith(OURS)}
        struct = configuration_of(path.stem) if path.stem in COMPONENTS else None
        yield path.stem, KnownComponent(str(recipe["ComponentVersion"]), defaults, struct, pins)
    for path in sorted((root / "recipes" / "lambda").glob("*.json")):
        description = recipes.parsed(path.name, path.read_text(encoding="utf-8"))
        function = description["createComponentVersion"]["lambdaFunction"]
        name = function["componentName"]
        defaults = deployments.defaults_of_lambda(description)[name]
        yield name, KnownComponent(str(function["componentVersion"]), defaults)
