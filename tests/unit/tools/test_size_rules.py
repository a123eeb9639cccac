"""Long files and functions get a warning, unless a reason stands in the table; warnings fail nothing."""

import pytest

from tools import check_suite
from tools.suite_rules import size_rules
from tools.suite_rules.source_files import SourceFile

BODY = "".join(f"    step_{number} = {number}\n" for number in range(size_rules.MAX_FUNCTION_LINES))
LONG = SourceFile(
    "hil/long.py", f"def everything() -> None:\n{BODY}" + "\n" * size_rules.MAX_FILE_LINES
)


def test_long_files_and_functions_get_a_warning_unless_named_with_a_reason() -> None:
    file, function = size_rules.find_long_code(LONG, {})
    assert file.startswith("hil/long.py: 461 lines, more than 400; if it has two subjects")
    assert function.startswith("hil/long.py:1: everything has 61 lines, more than 60; move its")
    reasons = {"hil/long.py": "one table", "hil/long.py:everything": "one table"}
    assert size_rules.find_long_code(LONG, reasons) == []
    short = SourceFile("hil/short.py", "def one() -> int:\n    return 1\n")
    assert size_rules.find_long_code(short, {}) == []


def test_a_reason_for_a_file_or_function_that_is_gone_is_caught() -> None:
    sources = {"a.py": SourceFile("a.py", "def f() -> None: ...\n")}
    assert size_rules.find_stale_exceptions(sources, {"a.py": "", "a.py:f": ""}) == []
    assert size_rules.find_stale_exceptions(sources, {"b.py": "", "b.py:f": "", "a.py:g": ""}) == [
        "size_rules.py names b.py, which is not there",
        "size_rules.py names b.py:f, which is not there",
        "size_rules.py names a.py:g, which is not there",
    ]


def test_warnings_are_printed_and_fail_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_suite, "find_problems", list)
    monkeypatch.setattr(check_suite, "tracked_sources", lambda root: (LONG,))
    assert check_suite.main() == 0
    printed = capsys.readouterr().out
    assert "warning: hil/long.py: 461 lines" in printed
    assert "the suite keeps its rules" in printed
    monkeypatch.setattr(check_suite, "find_problems", lambda: ["x: wrong"])
    assert check_suite.main() == 1
