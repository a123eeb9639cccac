"""What stands in no tracked file."""

import re

from tools.suite_rules.source_files import SourceFile

FORBIDDEN: dict[str, re.Pattern[str]] = {
    "a path of one machine": re.compile(r"(?<![\w.}~)*-])/(?:root|work|tmp|home/[a-z]\w*)/"),
    "a package registry": re.compile(r"--(?:extra-)?index-url|\bindex-url\s*=|\bpypi\.org/simple"),
    "an unfinished thought": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"),
    "a key": re.compile(r"\bAKIA[0-9A-Z]{16}\b|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
}
EXAMPLE_FILES = frozenset(
    {
        "tools/suite_rules/forbidden_text.py",
        "tests/unit/tools/test_forbidden_text.py",
    }  # they show what is meant
)


def find_forbidden_texts(source: SourceFile) -> list[str]:
    """One line for each forbidden text."""
    if source.path in EXAMPLE_FILES:
        return []
    return [
        f"{source.path}:{number}: {meaning}: {found.group(0)!r}"
        for number, line in enumerate(source.text.splitlines(), start=1)
        for meaning, pattern in FORBIDDEN.items()
        if (found := pattern.search(line))
    ]
