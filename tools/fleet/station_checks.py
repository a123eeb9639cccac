"""Checks that components accept a station's configuration before anything is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.configuration import ConfigurationStruct, load_configuration
from sightline.errors import ConfigurationError
from sightline.messaging.topics import CAPTURE, COMPONENTS, PUBLISHER
from tools.fleet import version_pins
from tools.fleet.desired_state import OURS, DesiredComponent, DesiredStation
from tools.fleet.merge_tree import merge_trees
from tools.recipes import ROOT, find_configuration_type
from tools.stage.settings_component import SETTINGS_PREFIX
from tools.suite_rules import deployment_rules, recipe_rules

STATION_FOLDER = "stationFolder"
LITE_RUNTIME = "aws_nucleus_lite"


@dataclass(frozen=True)
class KnownComponent:
    """A component of this checkout; `struct` is None for components without code.

    `requires` has the versions of our own components, `needs` the version requirements of AWS's;
    `in_scripts` points to the texts that are filled into its scripts; `for_lite`: Nucleus Lite takes it.
    """

    version: str
    defaults: Mapping[str, Any]
    struct: type[ConfigurationStruct] | None = None
    requires: Mapping[str, str] | None = None
    needs: Mapping[str, str] | None = None
    in_scripts: tuple[str, ...] = ()
    for_lite: bool = True


@dataclass(frozen=True)
class StationCheckResult:
    """`refused` must not be sent; `unchecked` concerns versions other than this checkout's.

    Neither names the station, so that the same line for many stations is printed once.
    """

    refused: tuple[str, ...]
    unchecked: tuple[str, ...]


class StationChecker:
    """Checks stations against the components' configuration structs, each distinct one once."""

    def __init__(self, known: Mapping[str, KnownComponent]) -> None:
        self._known = known
        self._seen: dict[tuple[str, str, str], list[str]] = {}

    @classmethod
    def from_checkout(cls, root: Path = ROOT) -> "StationChecker":
        """Build a checker from the checkout's recipes, Lambda descriptions and structs."""
        return cls(dict(_load_known_components(root)))

    def known_version(self, component: str) -> str:
        """A component's version in this checkout."""
        return self._known[component].version

    def check(self, station: DesiredStation) -> StationCheckResult:
        """Check a station; each line names a problem and its place."""
        refused: list[str] = [
            *self._check_pins(station),
            *self._check_drivers(station),
            *self._check_folders(station),
        ]
        unchecked: list[str] = []
        for name, component in station.components.items():
            known = self._known.get(name)
            if name.startswith(SETTINGS_PREFIX):
                refused.append(f"at /components/{name}: the fleet tool adds this one; delete it")
                continue
            if known is None:
                if name.startswith(OURS):
                    refused.append(
                        f"at /components/{name}: no recipe of this name in this checkout"
                    )
                continue
            if component.version != known.version:
                unchecked.append(
                    f"at /components/{name}: pinned to {component.version}; "
                    f"this checkout has {known.version}"
                )
                continue
            refused += [
                f"at /components/{name}: {line}"
                for line in [
                    *self._check_component(name, component, known),
                    *_check_required_versions(station, known),
                ]
            ]
        return StationCheckResult(tuple(refused), tuple(unchecked))

    def _check_pins(self, station: DesiredStation) -> Iterator[str]:
        found = {name: component.version for name, component in station.components.items()}
        known = (self._known[name] for name in found if name in self._known)
        needs = {name: text for entry in known for name, text in (entry.needs or {}).items()}
        yield from version_pins.find_pin_problems(found, needs, station.nucleus)
        if station.nucleus == "lite":
            yield from (
                f"at /components/{name}: Nucleus Lite cannot run it (its recipe has no manifest for "
                "the runtime aws_nucleus_lite)"
                for name in found
                if name in self._known and not self._known[name].for_lite
            )
        yield from version_pins.find_wiping_resets(
            {name: component.reset for name, component in station.components.items()}
        )
        publisher = station.components.get(PUBLISHER)
        yield from version_pins.find_missing_cli(
            found, publisher.merge if publisher else {}, station.nucleus
        )

    def _check_drivers(self, station: DesiredStation) -> list[str]:
        capture = station.components.get(CAPTURE)
        known = self._known.get(CAPTURE)
        if capture is None or known is None:
            return []
        configuration = merge_trees(known.defaults, capture.merge)
        place = f"at /components/{CAPTURE}"
        return deployment_rules.find_missing_drivers(station.components, configuration, place)

    def _check_folders(self, station: DesiredStation) -> Iterator[str]:
        """The station's settings lie in one folder, where each component reads them."""
        found = {
            name: merge_trees(self._known[name].defaults, component.merge).get(STATION_FOLDER)
            for name, component in station.components.items()
            if name in COMPONENTS and name in self._known
        }
        folders = sorted({str(folder) for folder in found.values() if folder})
        if len(folders) > 1:
            yield (
                f"at /components: the components have different folders, /{STATION_FOLDER} = "
                f"{', '.join(folders)}; give the same one to each of {', '.join(found)}"
            )

    def _check_component(
        self, name: str, component: DesiredComponent, known: KnownComponent
    ) -> list[str]:
        key = (name, component.version, repr(component.merge))
        if key not in self._seen:
            self._seen[key] = list(_check_merge(component.merge, known))
        return self._seen[key]


def _check_merge(merge: Mapping[str, Any], known: KnownComponent) -> Iterator[str]:
    configuration = merge_trees(known.defaults, merge)
    yield from recipe_rules.find_unsafe_texts("its configuration", known.in_scripts, configuration)
    if known.struct is None:
        yield from (f"the recipe has no key {key!r}" for key in merge if key not in known.defaults)
        return
    try:
        load_configuration(known.struct, configuration)
    except ConfigurationError as error:
        yield str(error)


def _check_required_versions(station: DesiredStation, known: KnownComponent) -> Iterator[str]:
    for name, version in (known.requires or {}).items():
        other = station.components.get(name)
        if other is not None and other.version != version:
            yield f"needs {name} {version}; found {other.version}"


def _load_known_components(root: Path) -> Iterator[tuple[str, KnownComponent]]:
    for path in sorted((root / "recipes").glob("com.*.yaml")):
        recipe = recipe_rules.parse_recipe(path.name, path.read_text(encoding="utf-8"))
        defaults = recipe_rules.recipe_configuration(recipe)
        all_needs = {
            name: str(entry["VersionRequirement"])
            for name, entry in (recipe.get("ComponentDependencies") or {}).items()
        }
        yield (
            path.stem,
            KnownComponent(
                version=str(recipe["ComponentVersion"]),
                defaults=defaults,
                struct=find_configuration_type(path.stem) if path.stem in COMPONENTS else None,
                requires={n: text for n, text in all_needs.items() if n.startswith(OURS)},
                needs={n: text for n, text in all_needs.items() if not n.startswith(OURS)},
                in_scripts=recipe_rules.find_shell_pointers(recipe),
                for_lite=_is_for_lite(recipe),
            ),
        )
    for path in sorted((root / "recipes" / "lambda").glob("*.json")):
        description = recipe_rules.parse_recipe(path.name, path.read_text(encoding="utf-8"))
        function = description["createComponentVersion"]["lambdaFunction"]
        name = function["componentName"]
        defaults = deployment_rules.lambda_defaults(description)[name]
        yield name, KnownComponent(str(function["componentVersion"]), defaults, for_lite=False)


def _is_for_lite(recipe: Mapping[str, Any]) -> bool:
    platforms = (manifest.get("Platform") or {} for manifest in recipe.get("Manifests") or ())
    return any(platform.get("runtime") in ("*", LITE_RUNTIME) for platform in platforms)
