"""Checks that the suite keeps its own rules: `python -m tools.check_suite`; exit code 1 if not.

The rules are in `tools/suite_rules`, one file for each kind. Warnings are printed, and fail nothing.
"""

import ast
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

from sightline.command_output import run_command
from sightline.errors import RecipeError
from sightline.messaging.topics import CATALOGUE, COMPONENTS
from tools.fleet.station_checks import StationChecker
from tools.iam.policy_checks import find_policy_file_problems
from tools.recipes import build_expected_configuration, find_configuration_type
from tools.stage.settings_component import build_settings_recipe
from tools.suite_rules import (
    commit_subjects,
    coverage_map,
    deployment_rules,
    fleet_rules,
    forbidden_text,
    import_rules,
    name_rules,
    nucleus_lite_rules,
    plain_words,
    recipe_rules,
    rename_record,
    requirement_rules,
    size_rules,
    stream_rules,
    test_presence,
    untracked_files,
    version_rules,
)
from tools.suite_rules.source_files import SourceFile, tracked_sources

ROOT = Path(__file__).resolve().parent.parent
SUITE_RECIPE = "recipe.yaml"


def find_problems(root: Path = ROOT) -> list[str]:
    """Everything that is wrong, one line each."""
    sources = tracked_sources(root)
    found = [line for source in sources for line in _check_source(source)]
    whole = (_check_recipes, _check_deployments, _check_whole_suite)
    found += [line for rule in whole for line in rule(sources)]
    return [*found, *commit_subjects.find_long_subjects(root)]


def find_warnings(root: Path = ROOT) -> list[str]:
    """What is worth a look and no error, one line each; only while all Python can be read."""
    sources = tracked_sources(root)
    python = (source for source in sources if source.is_python)
    return [
        *(line for source in python for line in size_rules.find_long_code(source)),
        *untracked_files.find_unchecked_recipes({s.path: s.text for s in sources}, root),
    ]


def _check_source(source: SourceFile) -> Iterator[str]:
    yield from forbidden_text.find_forbidden_texts(source)
    if source.is_python and (yield from _check_syntax(source)):
        return
    yield from plain_words.find_dialect(source)
    if source.is_python:
        yield from import_rules.find_forbidden_imports(source)
        yield from import_rules.find_forbidden_room_imports(source)
        yield from stream_rules.find_stray_topics(source)


def _check_syntax(source: SourceFile) -> Generator[str, None, bool]:
    try:
        ast.parse(source.text)
    except SyntaxError as error:
        yield f"{source.path}:{error.lineno}: no Python: {error.msg}"
        return True
    return False


def _check_whole_suite(sources: tuple[SourceFile, ...]) -> Iterator[str]:
    files = {source.path: source.text for source in sources}
    yield from import_rules.find_misplaced_rows()
    yield from import_rules.find_import_circle(sources)
    yield from stream_rules.find_unconnected_streams()
    yield from nucleus_lite_rules.find_unfit_streams(CATALOGUE)
    yield from coverage_map.find_silent_streams(sources)
    yield from test_presence.find_components_without_tests(files)
    yield from coverage_map.find_components_without_budget(files.get(coverage_map.BUDGETS_PATH, ""))
    yield from coverage_map.find_components_without_benchmark(files)
    yield from size_rules.find_stale_exceptions({source.path: source for source in sources})
    yield from name_rules.find_unclear_names(sources)
    yield from rename_record.find_wrong_renames(sources)
    yield from version_rules.find_different_versions(files)
    yield from untracked_files.find_untracked_sources(files, ROOT)
    yield from _check_requirements(sources, files)
    policies = "recipes/policies/"
    yield from find_policy_file_problems(
        {path.removeprefix(policies): text for path, text in files.items() if policies in path}
    )


def _check_requirements(sources: tuple[SourceFile, ...], files: dict[str, str]) -> Iterator[str]:
    try:
        run = requirement_rules.find_entry_modules(files)
    except RecipeError as error:
        yield str(error)
        return
    yield from requirement_rules.find_different_requirements(
        sources, requirement_rules.find_component_requirements(files), run
    )
    yield from requirement_rules.find_incomplete_locks(files)
    yield from requirement_rules.find_different_locks(files)
    yield from requirement_rules.find_unhashed_requirements(files)


def _check_recipes(sources: tuple[SourceFile, ...]) -> Iterator[str]:
    files = {s.path: s.text for s in sources if s.path.startswith("recipes/com.")}
    for path, text in files.items():
        try:
            yield from _check_recipe(path, text)
        except RecipeError as error:
            yield str(error)
    yield from find_recipe_problems(
        "the recipe of settings", build_settings_recipe("Example", "0.1.0")
    )
    for component in COMPONENTS:
        if f"recipes/{component}.yaml" not in files:
            yield f"{component}: no recipe"
    for source in (s for s in sources if s.path == SUITE_RECIPE):
        try:
            yield from find_recipe_problems(source.path, source.text)
        except RecipeError as error:
            yield str(error)


def _check_deployments(sources: tuple[SourceFile, ...]) -> Iterator[str]:
    try:
        parsed = {
            Path(s.path).stem: recipe_rules.parse_recipe(s.path, s.text)
            for s in sources
            if s.path.startswith("recipes/com.")
        }
        defaults = {
            name: recipe_rules.recipe_configuration(recipe) for name, recipe in parsed.items()
        }
        in_scripts = {
            name: recipe_rules.find_shell_pointers(recipe) for name, recipe in parsed.items()
        }
        for source in sources:
            if source.path.startswith("recipes/lambda/"):
                defaults |= deployment_rules.lambda_defaults(
                    recipe_rules.parse_recipe(source.path, source.text)
                )
        structs = {component: find_configuration_type(component) for component in COMPONENTS}
        checker = StationChecker.from_checkout(ROOT)
        files = {source.path: source.text for source in sources}
        untracked = untracked_files.find_untracked_components(files, ROOT)
        for source in sources:
            if source.path.startswith("recipes/deployments/"):
                deployment = recipe_rules.parse_recipe(source.path, source.text)
                yield from fleet_rules.find_refused_stations(source.path, source.text, checker)
                yield from fleet_rules.find_unfit_configurations(
                    source.path, source.text, defaults, in_scripts
                )
                if not deployment.get("sites"):
                    yield from deployment_rules.find_refused_merges(
                        source.path, deployment, defaults, structs, untracked
                    )
    except RecipeError as error:
        yield str(error)


def find_recipe_problems(path: str, text: str) -> Iterator[str]:
    """One line for each thing in a recipe that one of the two nuclei would not take."""
    yield from _check_any_recipe(path, text, recipe_rules.parse_recipe(path, text))


def _check_any_recipe(path: str, text: str, recipe: recipe_rules.Recipe) -> Iterator[str]:
    configuration = recipe_rules.recipe_configuration(recipe)
    yield from recipe_rules.find_wrong_platforms(path, recipe)
    yield from recipe_rules.find_unquoted_paths(path, recipe)
    yield from recipe_rules.find_long_scripts(path, recipe)
    yield from recipe_rules.find_unknown_steps(path, recipe)
    yield from recipe_rules.find_unsafe_texts(
        path, recipe_rules.find_shell_pointers(recipe), configuration
    )
    yield from nucleus_lite_rules.find_large_recipes(path, text, recipe)
    yield from nucleus_lite_rules.find_too_many_sub_objects(path, recipe)
    yield from nucleus_lite_rules.find_long_values(
        f"{path} at /ComponentConfiguration/DefaultConfiguration", configuration
    )
    yield from nucleus_lite_rules.find_incomplete_manifests(path, recipe)
    yield from nucleus_lite_rules.find_binding_dependencies(path, recipe)
    yield from nucleus_lite_rules.find_unknown_keys(path, recipe)
    yield from nucleus_lite_rules.find_missing_features(path, recipe)
    yield from nucleus_lite_rules.find_unfit_numbers_and_depth(path, configuration)


def _check_recipe(path: str, text: str) -> Iterator[str]:
    recipe = recipe_rules.parse_recipe(path, text)
    yield from _check_any_recipe(path, text, recipe)
    component = Path(path).stem
    if recipe.get("ComponentName") != component:
        yield f"{path}: ComponentName is {recipe.get('ComponentName')!r}; expected {component!r}"
    if component in COMPONENTS:
        expected = build_expected_configuration(component, find_configuration_type(component))
        yield from recipe_rules.find_different_access_control(
            path, recipe, expected["accessControl"]
        )
        yield from recipe_rules.find_different_defaults(path, recipe, expected)


def main() -> int:
    """Print what is wrong, and warnings; 1 if anything is wrong."""
    lines = find_problems()
    for line in lines:
        print(line)
    warnings = [] if lines else find_warnings()  # a file with an error may not be readable
    for line in warnings:
        print(f"warning: {line}")
    print(f"{len(lines)} broken rules" if lines else "the suite keeps its rules")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(run_command(main))
