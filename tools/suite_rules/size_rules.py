"""Files of one subject, functions that fit a screen."""

import ast
from collections.abc import Mapping

from tools.suite_rules.source_files import SourceFile

MAX_FILE_LINES = 600  # one subject a file; past this it surely has two
MAX_FUNCTION_LINES = 60

LENGTH_EXCEPTIONS: dict[str, str] = {
    "shared/sightline/messaging/messages.py": "all messages of a station on one page, as a reader wants them",
    "hil/faults/checker.py": "one file that runs by hand and shares no code with what it checks",
    "components/publisher/inspection_record.py:record_of": "one constructor, a line for each field",
    "tests/unit/inference/conftest.py:capture": "one constructor, a line for each field",
}


def oversized_code(source: SourceFile, allowed: Mapping[str, str] = LENGTH_EXCEPTIONS) -> list[str]:
    """One line for each file or function that is too long and not named with a reason.

    `allowed` has paths, or `path:function`.
    """
    lines = len(source.text.splitlines())
    findings = []
    if lines > MAX_FILE_LINES and source.path not in allowed:
        findings.append(f"{source.path}: {lines} lines; at most {MAX_FILE_LINES} are allowed")
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES and f"{source.path}:{node.name}" not in allowed:
                findings.append(
                    f"{source.path}:{node.lineno}: {node.name} has {length} lines; "
                    f"at most {MAX_FUNCTION_LINES} are allowed"
                )
    return findings


def stale_exceptions(
    paths: frozenset[str], allowed: Mapping[str, str] = LENGTH_EXCEPTIONS
) -> list[str]:
    """One line for each named file that is no more."""
    return [
        f"sizes.py names {name}, which is not there"
        for name in allowed
        if name.split(":")[0] not in paths
    ]
