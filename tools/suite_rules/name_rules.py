"""Names of two words or more, each for one thing; limits are MAX_ and MIN_.

A one-word class is allowed where the word is the field's own (`Ledger`, `Outbox`), so their share is
limited, not their existence. `x_of` is for pure look-ups.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from tools.suite_rules.source_files import SourceFile

PRODUCT_FOLDERS = ("components/", "shared/", "cloud/", "training/", "hil/", "tools/")
MAX_ONE_WORD_SHARE = 0.2
MAX_SHARED_CLASSES = 15
MAX_OF_FUNCTIONS = 30
SUPERLATIVE = re.compile(
    r"_?(?:GREATEST|LARGEST|BIGGEST|LONGEST|HIGHEST|MOST|LEAST|SMALLEST|SHORTEST|LOWEST|FEWEST)_"
)
WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z0-9]*|[A-Z]+|[a-z0-9]+")


@dataclass
class NameFigures:
    """The names of the product's code, each with where it stands."""

    classes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    superlatives: list[str] = field(default_factory=list)
    of_functions: list[str] = field(default_factory=list)

    @property
    def class_count(self) -> int:
        """How many classes there are."""
        return sum(len(places) for places in self.classes.values())

    @property
    def one_word_classes(self) -> list[str]:
        """The classes whose name is one word."""
        return [
            f"{place}: {name}"
            for name, places in self.classes.items()
            if len(WORD.findall(name)) == 1
            for place in places
        ]

    @property
    def shared_classes(self) -> list[str]:
        """The classes that share their name with another."""
        return [
            f"{place}: {name}"
            for name, places in self.classes.items()
            if len(places) > 1
            for place in places
        ]


def collect_names(sources: Iterable[SourceFile]) -> NameFigures:
    """The figures of the product's Python files; tests are left out."""
    figures = NameFigures()
    for source in sources:
        if source.is_python and source.path.startswith(PRODUCT_FOLDERS):
            _collect(figures, source)
    return figures


def _collect(figures: NameFigures, source: SourceFile) -> None:
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.ClassDef):
            figures.classes[node.name].append(f"{source.path}:{node.lineno}")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.endswith("_of"):
                figures.of_functions.append(f"{source.path}:{node.lineno}: {node.name}")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            items = (item for target in targets for item in ast.walk(target))
            names = (item.id for item in items if isinstance(item, ast.Name))
            figures.superlatives += [
                f"{source.path}:{node.lineno}: {name}" for name in names if SUPERLATIVE.match(name)
            ]


def find_unclear_names(sources: Iterable[SourceFile]) -> list[str]:
    """One line for each limit that the names break, and for each name that breaks it."""
    figures = collect_names(sources)
    findings = [f"{line}: a limit is called MAX_ or MIN_" for line in figures.superlatives]
    one_word = figures.one_word_classes
    if len(one_word) > MAX_ONE_WORD_SHARE * figures.class_count:
        findings += [
            f"{line}: too many classes have one word; give it a second" for line in one_word
        ]
    if len(figures.shared_classes) > MAX_SHARED_CLASSES:
        findings += [f"{line}: another class is called so, too" for line in figures.shared_classes]
    if len(figures.of_functions) > MAX_OF_FUNCTIONS:
        findings += [f"{line}: name it with a verb" for line in figures.of_functions]
    return findings
