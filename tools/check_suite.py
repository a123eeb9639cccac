"""Checks that the suite keeps its own rules: `python -m tools.check_suite`; exit code 1 if not.

The rules are in `tools/suite_rules`, one file for each kind.
"""

import ast
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

from sightline.errors import RecipeError
from sightline.topics import CATALOGUE, COMPONENTS
from tools.fleet.checks import Checker
from tools.iam.rules import broken_files
from tools.recipes import configuration_of, expected_configuration
from tools.suite_rules import (
    arrows,
    covered,
    deployments,
    fleets,
    folders,
    lite,
    recipes,
    requirements,
    sizes,
    streams,
    texts,
    versions,
)
from tools.suite_rules.sources import Source, tracked_sources

ROOT = Path(__file__).resolve().parent.parent
SUITE_RECIPE = "recipe.yaml"


def findings(root: Path = ROOT) -> list[str]:
    """Everything that is wrong, one line each."""
    sources = tracked_sources(root)
    found = [line for source in sources for line in _of_source(source)]
    whole = (_of_recipes, _of_deployments, _of_whole)
    return [*found, *(line for rule in whole for line in rule(sources))]


def _of_source(source: Source) -> Iterator[str]:
    yield from texts.forbidden_texts(source)
    if source.is_python and not (yield from _no_python(source)):
        yield from arrows.broken_arrows(source)
        yield from streams.stray_topics(source)
        yield from sizes.too_long(source)


def _no_python(source: Source) -> Generator[str, None, bool]:
    try:
        ast.parse(source.text)
    except SyntaxError as error:
        yield f"{source.path}:{error.lineno}: no Python: {error.msg}"
        return True
    return False


def _of_whole(sources: tuple[Source, ...]) -> Iterator[str]:
    files = {source.path: source.text for source in sources}
    yield from streams.loose_streams()
    yield from lite.unfit_streams(CATALOGUE)
    yield from covered.silent_streams(sources)
    yield from folders.components_without_tests(files)
    yield from covered.components_without_budget(files.get(covered.BUDGETS_PATH, ""))
    yield from covered.components_without_bench(files)
    yield from sizes.needless_reasons(frozenset(files))
    yield from versions.different_versions(files)
    yield from _of_requirements(sources, files)
    policies = "recipes/policies/"
    yield from broken_files(
        {path.removeprefix(policies): text for path, text in files.items() if policies in path}
    )


def _of_requirements(sources: tuple[Source, ...], files: dict[str, str]) -> Iterator[str]:
    try:
        run = requirements.beginnings(files)
    except RecipeError as error:
        yield str(error)
        return
    yield from requirements.different_requirements(sources, requirements.of_components(files), run)
    yield from requirements.incomplete_locks(files)
    yield from requirements.different_locks(files)


def _of_recipes(sources: tuple[Source, ...]) -> Iterator[str]:
    files = {s.path: s.text for s in sources if s.path.startswith("recipes/com.")}
    for path, text in files.items():
        try:
            yield from _of_recipe(path, text)
        except RecipeError as error:
            yield str(error)
    for component in COMPONENTS:
        if f"recipes/{component}.yaml" not in files:
            yield f"{component}: no recipe"
    for source in (s for s in sources if s.path == SUITE_RECIPE):
        try:
            yield from _of_any_recipe(
                source.path, source.text, recipes.parsed(source.path, source.text)
            )
        except RecipeError as error:
            yield str(error)


def _of_deployments(sources: tuple[Source, ...]) -> Iterator[str]:
    try:
        parsed = {
            Path(s.path).stem: recipes.parsed(s.path, s.text)
            for s in sources
            if s.path.startswith("recipes/com.")
        }
        defaults = {name: recipes.default_configuration(recipe) for name, recipe in parsed.items()}
        in_scripts = {name: recipes.shell_pointers(recipe) for name, recipe in parsed.items()}
        for source in sources:
            if source.path.startswith("recipes/lambda/"):
                defaults |= deployments.defaults_of_lambda(recipes.parsed(source.path, source.text))
        structs = {component: configuration_of(component) for component in COMPONENTS}
        checker = Checker.of_checkout(ROOT)
        for source in sources:
            if source.path.startswith("recipes/deployments/"):
                deployment = recipes.parsed(source.path, source.text)
                yield from fleets.refused_stations(source.path, source.text, checker)
                yield from fleets.unfit_configurations(
                    source.path, source.text, defaults, in_scripts
                )
                if not deployment.get("sites"):
                    yield from deployments.refused_merges(
                        source.path, deployment, defaults, structs
                    )
    except RecipeError as error:
        yield str(error)


def _of_any_recipe(path: str, text: str, recipe: recipes.Recipe) -> Iterator[str]:
    configuration = recipes.default_configuration(recipe)
    yield from recipes.wrong_platform(path, recipe)
    yield from recipes.long_scripts(path, recipe)
    yield from recipes.strange_steps(path, recipe)
    yield from recipes.unsafe_texts(path, recipes.shell_pointers(recipe), configuration)
    yield from lite.large_recipes(path, text, recipe)
    yield from lite.too_many_sub_objects(path, recipe)
    yield from lite.long_values(
        f"{path} at /ComponentConfiguration/DefaultConfiguration", configuration
    )
    yield from lite.incomplete_manifests(path, recipe)
    yield from lite.binding_dependencies(path, recipe)
    yield from lite.strange_keys(path, recipe)
    yield from lite.missing_features(path, recipe)
    yield from lite.numbers_and_depth(path, configuration)


def _of_recipe(path: str, text: str) -> Iterator[str]:
    recipe = recipes.parsed(path, text)
    yield from _of_any_recipe(path, text, recipe)
    component = Path(path).stem
    if recipe.get("ComponentName") != component:
        yield f"{path}: ComponentName is {recipe.get('ComponentName')!r}; expected {component!r}"
    if component in COMPONENTS:
        expected = expected_configuration(component, configuration_of(component))
        yield from recipes.different_access_control(path, recipe, expected["accessControl"])
        yield from recipes.different_defaults(path, recipe, expected)


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    lines = findings()
    for line in lines:
        print(line)
    print(f"{len(lines)} broken rules" if lines else "the suite keeps its rules")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
