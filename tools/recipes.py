"""Generate the recipes' DefaultConfiguration from the components' structs and the catalogue.

`python -m tools.recipes` prints what would change; `python -m tools.recipes --write` writes it.
"""

import argparse
import difflib
import importlib
import re
import sys
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from sightline.command_output import run_command
from sightline.configuration import ConfigurationStruct, default_configuration
from sightline.errors import RecipeError
from sightline.messaging.topics import COMPONENTS, EQUIPMENT, TELEMETRY
from tools.access_control import build_access_control

ROOT = Path(__file__).resolve().parent.parent
FLOW_CHARACTERS = 84
KEYS_LEFT_TO_STRUCT: dict[
    str, tuple[str, ...]
] = {  # what the struct alone has, see docs/nucleus.md
    EQUIPMENT: ("/tags", "/link/modbus"),
    TELEMETRY: ("/profiles",),
}
_SECTION = re.compile(r"^ComponentConfiguration:\n(?:[ \t]+.*\n|\n)*", re.MULTILINE)


class _RecipeDumper(yaml.SafeDumper):
    """Short leaves on one line, everything else as indented blocks; no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        return super().represent_sequence(tag, sequence, _is_short_leaf(list(sequence)))

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        return super().represent_mapping(tag, mapping, _is_short_leaf(dict(mapping)))


def find_configuration_type(component: str) -> type[ConfigurationStruct]:
    """`com.sightline.Capture` to `capture.configuration.CaptureConfiguration`; else RecipeError."""
    name = component.rsplit(".", 1)[-1]
    place = f"{name.lower()}.configuration"
    try:
        found: type[ConfigurationStruct] = getattr(
            importlib.import_module(place), f"{name}Configuration"
        )
    except (ImportError, AttributeError) as error:
        raise RecipeError(f"{component}: no {place}.{name}Configuration: {error}") from error
    return found


def build_expected_configuration(
    component: str, struct_type: type[ConfigurationStruct]
) -> dict[str, Any]:
    """Build a recipe's DefaultConfiguration: the struct's defaults and accessControl.

    Without what is left to the struct, for Nucleus Lite has no room for it.
    """
    defaults: dict[str, Any] = drop_nulls(default_configuration(struct_type))
    for pointer in KEYS_LEFT_TO_STRUCT.get(component, ()):
        *above, key = pointer.split("/")[1:]
        del reduce(lambda tree, step: tree[step], above, defaults)[key]
    return {**defaults, "accessControl": build_access_control(component)}


def drop_nulls(value: Any) -> Any:
    """Drop keys whose value is None: a nucleus stores no null, the struct supplies it."""
    if isinstance(value, dict):
        return {key: drop_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [drop_nulls(item) for item in value]
    return value


def fill_recipe(recipe: str, configuration: dict[str, Any]) -> str:
    """Replace the configuration in a recipe's text; every other line stays as it is."""
    content = {"ComponentConfiguration": {"DefaultConfiguration": configuration}}
    section = yaml.dump(content, Dumper=_RecipeDumper, sort_keys=False, width=100)
    if len(_SECTION.findall(recipe)) != 1:
        raise RecipeError("a recipe needs one top-level ComponentConfiguration to fill")
    return _SECTION.sub(lambda _: section, recipe)


def recipe_path(component: str, root: Path = ROOT) -> Path:
    """The path of a component's recipe."""
    return root / "recipes" / f"{component}.yaml"


def _is_short_leaf(value: Any) -> bool:
    items = list(value.values()) if isinstance(value, dict) else value
    if any(isinstance(item, dict | list | tuple) for item in items):
        return False
    return len(str(value)) <= FLOW_CHARACTERS and len(items) <= 6


def _update_recipe(component: str, write: bool) -> bool:
    path = recipe_path(component)
    before = path.read_text(encoding="utf-8")
    after = fill_recipe(
        before, build_expected_configuration(component, find_configuration_type(component))
    )
    if before == after:
        return False
    if write:
        path.write_text(after, encoding="utf-8")
        print(f"wrote {path.name}")
    else:
        lines = (before.splitlines(keepends=True), after.splitlines(keepends=True))
        sys.stdout.writelines(difflib.unified_diff(*lines, path.name, f"{path.name} (generated)"))
    return True


def main() -> int:
    """Exit code 0 if all recipes are up to date or were written; 1 if some would change."""
    parser = argparse.ArgumentParser(
        description="Generate the recipes' DefaultConfiguration from the code"
    )
    parser.add_argument(
        "--write", action="store_true", help="write the recipes (default: show the differences)"
    )
    parser.add_argument("components", nargs="*", help="components to update (default: all five)")
    arguments = parser.parse_args()
    try:
        changed = [
            _update_recipe(name, arguments.write) for name in arguments.components or COMPONENTS
        ]
    except (RecipeError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    return int(any(changed) and not arguments.write)


if __name__ == "__main__":
    sys.exit(run_command(main))
