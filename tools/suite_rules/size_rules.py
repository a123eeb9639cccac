"""A file has one subject, a function fits a screen: `make check` warns about long ones.

A file has one subject and is as long as that needs. Past 400 lines it often has two: then split it by
subject, not by length. A function past 60 lines often does several things: then name its steps. These are
warnings, which fail nothing. What is meant to be long stands in `LENGTH_EXCEPTIONS` with the reason, and
gets no warning; an entry that names nothing any more is an error.
"""

import ast
from collections.abc import Iterator, Mapping

from tools.suite_rules.source_files import SourceFile

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

LENGTH_EXCEPTIONS: dict[str, str] = {  # a path, or path:function
    "shared/sightline/messaging/messages.py": "all messages of a station on one page, as a reader wants them",
    "hil/faults/checker.py": "one file that runs by hand and shares no code with what it checks",
}
FILE_ADVICE = "if it has two subjects, split it; if not, give the reason in size_rules.py"
FUNCTION_ADVICE = "move its steps into functions with names, or give the reason in size_rules.py"


def find_long_code(source: SourceFile, allowed: Mapping[str, str] = LENGTH_EXCEPTIONS) -> list[str]:
    """One line for each file or function that is long and not named with a reason."""
    lines = len(source.text.splitlines())
    findings = []
    if lines > MAX_FILE_LINES and source.path not in allowed:
        findings.append(f"{source.path}: {lines} lines, more than {MAX_FILE_LINES}; {FILE_ADVICE}")
    for node in _find_functions(source):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > MAX_FUNCTION_LINES and f"{source.path}:{node.name}" not in allowed:
            findings.append(
                f"{source.path}:{node.lineno}: {node.name} has {length} lines, "
                f"more than {MAX_FUNCTION_LINES}; {FUNCTION_ADVICE}"
            )
    return findings


def find_stale_exceptions(
    sources: Mapping[str, SourceFile], allowed: Mapping[str, str] = LENGTH_EXCEPTIONS
) -> list[str]:
    """One line for each named file or function that is not there; `sources` by path."""
    return [
        f"size_rules.py names {name}, which is not there"
        for name in allowed
        if not _is_defined(*name.partition(":")[::2], sources)
    ]


def _is_defined(path: str, function: str, sources: Mapping[str, SourceFile]) -> bool:
    if path not in sources:
        return False
    return not function or function in {node.name for node in _find_functions(sources[path])}


def _find_functions(source: SourceFile) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
