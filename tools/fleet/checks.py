"""Whether the components would take what a station is to run, before anything is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.configuration import Configuration, load_configuration
from sightline.errors import ConfigurationError
from sightline.topics import CAPTURE, COMPONENTS, PUBLISHER
from tools.fleet import pins
from tools.fleet.desired import OURS, DesiredComponent, DesiredStation
from tools.fleet.trees import merged
from tools.recipes import ROOT, configuration_of
from tools.suite_rules import deployments, recipes


@dataclass(frozen=True)
class KnownComponent:
    """What this checkout knows of a component; `struct` is None for those without code of their own.

    `requires` are our own components in their versions, `needs` those of AWS with what may be their
    version; `in_scripts` points to the texts that its scripts are filled in with.
    """

    version: str
    defaults: Mapping[str, Any]
    struct: type[Configuration] | None = None
    requires: Mapping[str, str] | None = None
    needs: Mapping[str, str] | None = None
    in_scripts: tuple[str, ...] = ()


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
        refused: list[str] = [*self._pins(station), *self._drivers(station)]
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

    def _pins(self, station: DesiredStation) -> Iterator[str]:
        found = {name: component.version for name, component in station.components.items()}
        known = (self._known[name] for name in found if name in self._known)
        needs = {name: text for entry in known for name, text in (entry.needs or {}).items()}
        yield from pins.refused_pins(found, needs)
        yield from pins.wiping_resets(
            {name: component.reset for name, component in station.components.items()}
        )
        publisher = station.components.get(PUBLISHER)
        yield from pins.missing_restarts(found, publisher.merge if publisher else {})

    def _drivers(self, station: DesiredStation) -> list[str]:
        capture = station.components.get(CAPTURE)
        known = self._known.get(CAPTURE)
        if capture is None or known is None:
            return []
        configuration = merged(known.defaults, capture.merge)
        place = f"at /components/{CAPTURE}"
        return deployments.missing_drivers(station.components, configuration, place)

    def _of_component(
        self, name: str, component: DesiredComponent, known: KnownComponent
    ) -> list[str]:
        key = (name, component.version, repr(component.merge))
        if key not in self._seen:
            self._seen[key] = list(_refused(component.merge, known))
        return self._seen[key]


def _refused(merge: Mapping[str, Any], known: KnownComponent) -> Iterator[str]:
    configuration = merged(known.defaults, merge)
    yield from recipes.unsafe_texts("its configuration", known.in_scripts, configuration)
    if known.struct is None:
        yield from (f"the recipe knows no {key!r}" for key in merge if key not in known.defaults)
        return
    try:
        load_configuration(known.struct, configuration)
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
        all_needs = {
            name: str(entry["VersionRequirement"])
            for name, entry in (recipe.get("ComponentDependencies") or {}).items()
        }
        yield (
            path.stem,
            KnownComponent(
                version=str(recipe["ComponentVersion"]),
                defaults=defaults,
                struct=configuration_of(path.stem) if path.stem in COMPONENTS else None,
                requires={n: text for n, text in all_needs.items() if n.startswith(OURS)},
                needs={n: text for n, text in all_needs.items() if not n.startswith(OURS)},
                in_scripts=recipes.shell_pointers(recipe),
            ),
        )
    for path in sorted((root / "recipes" / "lambda").glob("*.json")):
        description = recipes.parsed(path.name, path.read_text(encoding="utf-8"))
        function = description["createComponentVersion"]["lambdaFunction"]
        name = function["componentName"]
        defaults = deployments.defaults_of_lambda(description)[name]
        yield name, KnownComponent(str(function["componentVersion"]), defaults)
