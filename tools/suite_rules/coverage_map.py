"""Every component has a budget and a benchmark, and every stream is spoken of by those it names."""

import ast
import re
from collections.abc import Iterable, Mapping

from sightline.messaging.messages import Beat, CommandAccepted
from sightline.messaging.topics import CATALOGUE, CLOUD, COMPONENTS, MessageStream
from tools.suite_rules.source_files import SourceFile, area_of
from tools.suite_rules.stream_rules import CATALOGUE_PATH

BUDGETS_PATH = "hil/run/budgets.py"
WHOLE_STATION = "tests/benchmarks/bench_station.py:test_parts_for_a_minute"
BENCHMARKS: dict[str, str] = {  # where each component's cost is measured: file:function
    "com.sightline.Capture": WHOLE_STATION,
    "com.sightline.Inference": (
        "tests/benchmarks/bench_inference.py:test_a_part_from_the_ring_to_its_detections"
    ),
    "com.sightline.Equipment": WHOLE_STATION,
    "com.sightline.Telemetry": WHOLE_STATION,
    "com.sightline.Publisher": WHOLE_STATION,
}


def find_components_without_budget(
    budgets: str, components: Iterable[str] = COMPONENTS
) -> list[str]:
    """One line for each component that the table in the text of hil/run/budgets.py does not have."""
    named = _find_dict_keys("BUDGETS", ast.parse(budgets))
    return [
        f"{BUDGETS_PATH}: no budget for {component}"
        for component in components
        if component.rsplit(".", 1)[-1].upper() not in named
    ]


def find_components_without_benchmark(
    sources: Mapping[str, str],
    components: Iterable[str] = COMPONENTS,
    benchmarks: Mapping[str, str] = BENCHMARKS,
) -> list[str]:
    """One line for each component without an entry, or whose entry names no test that is there."""
    found = [
        f"coverage_map.py: no bench entry for {name}"
        for name in components
        if name not in benchmarks
    ]
    for component, place in benchmarks.items():
        path, function = place.split(":")
        if not re.search(rf"^def {re.escape(function)}\(", sources.get(path, ""), re.MULTILINE):
            found.append(f"coverage_map.py: the bench of {component}, {place}, is not there")
    return found


def find_silent_streams(
    sources: Iterable[SourceFile], catalogue: Iterable[MessageStream] = CATALOGUE
) -> list[str]:
    """One line for each sender or reader in the catalogue whose code does not know the stream.

    Who sends names the row, itself or in shared code; who reads is handed all its rows by the bus, and
    names the message. Beats are sent and heard by the kernel, for each component, and accepted commands
    come to the methods that it marks with `@command`.
    """
    named: dict[str, set[str]] = {}
    for source in sources:
        if source.path == CATALOGUE_PATH or not source.is_python:
            continue
        if area_of(source.path) not in ("", "tests", "tools"):
            named.setdefault(area_of(source.path), set()).update(_find_names(source.text))
    shared = named.get("sightline", set())
    rows = tuple(row for row in catalogue if row.message is not Beat)
    return [
        *(
            f"stream {row.name}: {party} sends it by the catalogue, but its code never names the row"
            for row in rows
            for party in row.senders
            if _derive_constant_name(row.name) not in named.get(_derive_area(party), set()) | shared
        ),
        *(
            f"stream {row.name}: {party} reads it by the catalogue, but its code never names "
            f"{row.message.__name__}"
            for row in rows
            for party in row.readers
            if not {_derive_constant_name(row.name), row.message.__name__}
            & named.get(_derive_area(party), set())
        ),
    ]


def _derive_area(party: str) -> str:
    return party if party == CLOUD else party.rsplit(".", 1)[-1].lower()


def _derive_constant_name(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


def _find_names(text: str) -> set[str]:
    tree = ast.parse(text)
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    marks = {
        mark.func.id
        for function in functions
        for mark in function.decorator_list
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name)
    }
    return {
        *(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)),
        *(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)),
        *([CommandAccepted.__name__] if "command" in marks else []),
    }


def _find_dict_keys(name: str, tree: ast.Module) -> set[str]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if name in (getattr(target, "id", "") for target in targets):
            keys = getattr(getattr(node, "value", None), "keys", [])
            return {getattr(key, "id", "") for key in keys}
    return set()
