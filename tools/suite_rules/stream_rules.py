"""The catalogue of streams is whole, and its topics stand nowhere else."""

import ast
import re
from collections.abc import Iterable, Iterator

from sightline.messaging.topics import CATALOGUE, MessageStream
from tools.suite_rules.source_files import SourceFile, area_of

CATALOGUE_PATH = "shared/sightline/messaging/topics.py"


def find_unconnected_streams(catalogue: Iterable[MessageStream] = CATALOGUE) -> list[str]:
    """One line for each stream that nobody sends or nobody reads."""
    rows = tuple(catalogue)
    unsent = [f"stream {row.name}: no sender" for row in rows if not row.senders]
    unread = [f"stream {row.name}: no reader" for row in rows if not row.readers]
    return unsent + unread


def find_stray_topics(
    source: SourceFile, catalogue: Iterable[MessageStream] = CATALOGUE
) -> list[str]:
    """One line for each topic that is written out instead of taken from the catalogue."""
    if source.path == CATALOGUE_PATH or area_of(source.path) in ("", "tests"):
        return []
    topic = _build_topic_pattern(catalogue)
    return [
        f"{source.path}:{line}: topic {text!r}; take it from sightline.messaging.topics"
        for text, line in _find_text_constants(ast.parse(source.text))
        if topic.match(text)
    ]


def _build_topic_pattern(catalogue: Iterable[MessageStream]) -> re.Pattern[str]:
    levels = {row.topic.split("/")[1] for row in catalogue if row.route == "local"}
    words = "|".join(sorted(re.escape(level) for level in levels))
    return re.compile(rf"sightline/(?:$|[+#{{*]|(?:{words})(?:/|$))")


def _find_text_constants(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno
