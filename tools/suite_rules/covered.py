"""Every component has a budget and a benchmark, and every stream is spoken of by those it names."""

import ast
import re
from collections.abc import Iterable, Mapping

from sightline.messages import Beat
from sightline.topics import CATALOGUE, CLOUD, COMPONENTS, Stream
from tools.suite_rules.sources import Source, area_of
from tools.suite_rules.streams import CATALOGUE_PATH

BUDGETS_PATH = "hil/budgets.py"
WHOLE_STATION = "tests/benchmarks/bench_station.py:test_parts_for_a_minute"
BENCHES: dict[str, str] = {  # where each component's cost is measured: file:function
    "com.sightline.Capture": WHOLE_STATION,
    "com.sightline.Inference": (
        "tests/benchmarks/bench_inference.py:test_a_part_from_the_ring_to_its_detections"
    ),
    "com.sightline.Equipment": WHOLE_STATION,
    "com.sightline.Telemetry": WHOLE_STATION,
    "com.sightline.Publisher": WHOLE_STATION,
}


def components_without_budget(budgets: str, components: Iterable[str] = COMPONENTS) -> list[str]:
    """One line for each component that the table in the text of hil/budgets.py does not have."""
    named = _keys_of("BUDGETS", ast.parse(budgets))
    return [
        f"{BUDGETS_PATH}: no budget for {component}"
        for component in components
        if component.rsplit(".", 1)[-1].upper() not in named
    ]


def components_without_bench(
    sources: Mapping[str, str],
    components: Iterable[str] = COMPONENTS,
    benches: Mapping[str, str] = BENCHES,
) -> list[str]:
    """One line for each component without an entry, or whose entry names no test that is there."""
    found = [f"covered.py: no bench entry for {name}" for name in components if name not in benches]
    for component, place in benches.items():
        path, function = place.split(":")
        if not re.search(rf"^def {re.escape(function)}\(", sources.get(path, ""), re.MULTILINE):
            found.append(f"covered.py: the bench of {component}, {place}, is not there")
    return found


def silent_streams(sources: Iterable[Source], catalogue: Iterable[Stream] = CATALOGUE) -> list[str]:
    """One line for each sender or reader in the catalogue whose code does not know the stream.

    Who sends names the row, itself or in shared code; who reads is handed all its rows by the bus, and
    names the message. Beats are sent and heard by the kernel, for each component.
    """
    named: dict[str, set[str]] = {}
    for source in sources:
        if source.path == CATALOGUE_PATH or not source.is_python:
            continue
        if area_of(source.path) not in ("", "tests", "tools"):
            named.setdefault(area_of(source.path), set()).update(_names(source.text))
    shared = named.get("sightline", set())
    rows = tuple(row for row in catalogue if row.message is not Beat)
    return [
        *(
            f"stream {row.name}: {party} sends it by the catalogue, but its code never names the row"
            for row in rows
            for party in row.senders
            if _constant(row.name) not in named.get(_area(party), set()) | shared
        ),
        *(
            f"stream {row.name}: {party} reads it by the catalogue, but its code never names "
            f"{row.message.__name__}"
            for row in rows
            for party in row.readers
            if not {_constant(row.name), row.message.__name__} & named.get(_area(party), set())
        ),
    ]


def _area(party: str) -> str:
    return party if party == CLOUD else party.rsplit(".", 1)[-1].lower()


def _constant(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


def _names(text: str) -> set[str]:
    tree = ast.parse(text)
    return {
        *(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)),
        *(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)),
    }


def _keys_of(name: str, tree: ast.Module) -> set[str]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if name in (getattr(target, "id", "") for target in targets):
            keys = getattr(getattr(node, "value", None), "keys", [])
            return {getattr(key, "id", "") for key in keys}
    return set()
