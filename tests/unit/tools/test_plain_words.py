"""Turns of a dialect in what people read are caught, with what to write instead; code is left alone."""

import pytest

from tools.suite_rules.plain_words import PLAIN_WORDS, find_dialect
from tools.suite_rules.source_files import SourceFile


@pytest.mark.parametrize(
    "text",
    [
        "The mode is told each second",
        "the verdict after part 7, which is not told again",
        "all of it is told again",
        "Nobody tells the station of it",
        "how the fleet fares, as a table",
        "split anew by groups",
        "deployments with a way back",
        "the fault says why in words",
        "waiting for the publisher's word",
        "the components' word on an update",
        "too large for the word of it",
        "challenge parts stand beside it",
        "wait for what comes of it",
        "parts that were taken into hands",
        "number of threads of the CPU (all)",
        "bring it out, canaries first",
        "the request that brings them out",
        "parts since then are held back",
        "it was to be carried out 3 s ago",
        "the others follow by and by",
        "the camera is had again",
    ],
)
def test_a_turn_of_the_dialect_is_caught(text: str) -> None:
    assert find_dialect(SourceFile("docs/page.md", text)) != []


def test_every_row_says_what_to_write_instead() -> None:
    assert all(PLAIN_WORDS.values())
    assert find_dialect(SourceFile("README.md", "# Title\n\nHow it\nfares.\n")) == [
        "README.md:4: 'fares' is not plain; write: status, state"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "two kinds of drift are told apart by their figures",
        "the PLC's word order, high word first",
        "registers are read in words of 16 bits",
        "welfares, untold and anewly are other words",
        "always back up the folder before an update",
    ],
)
def test_plain_english_passes(text: str) -> None:
    assert find_dialect(SourceFile("docs/page.md", text)) == []


@pytest.mark.parametrize(
    ("path", "code", "line"),
    [
        ("components/capture/loop.py", 'log.info(\n    "it"\n    "begins anew now"\n)\n', 3),
        ("hil/run/run.py", 'X = f"part {number} is told {times} times"\n', 1),
        ("training/predict.py", '"""One line.\n\nBegins anew.\n"""\nprint(__doc__)\n', 3),
        ("cloud/web/static/page.js", '// a line\nshow("it begins anew");\n', 2),
        ("cloud/web/static/page.html", "<p>\nHow it\n  fares\n</p>", 3),
        ("Makefile", "help:  ## this list\nstatus: ready  ## how it fares\n", 2),
        ("recipes/com.sightline.X.yaml", "---\nComponentDescription: how it fares\n", 2),
        ("recipe.yaml", "---\nComponentDescription: >-\n  how it\n  fares\nX: y\n", 4),
    ],
)
def test_what_people_read_is_found_with_its_line(path: str, code: str, line: int) -> None:
    (found,) = find_dialect(SourceFile(path, code))
    assert found.startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("components/capture/loop.py", '"""It begins anew."""\n# it fares well, and is told\n'),
        ("components/capture/loop.py", 'def f() -> None:\n    """It begins anew."""\n'),
        ("components/capture/loop.py", 'SQL = "UPDATE parts SET anew = 1 WHERE part = ?"\n'),
        ("components/capture/loop.py", 're.compile("it (fares|is) told again")\n'),
        ("components/capture/loop.py", 'KEY = "is told"\n'),
        ("tests/unit/capture/test_loop.py", 'X = "it begins anew here"\n'),
        ("cloud/web/static/page.js", "// it begins anew\n/* it fares\nwell */\n"),
        ("cloud/web/static/page.html", "<!-- how it fares -->\n<p>Status</p>\n"),
        ("Makefile", "# how it fares\nstatus: ready  ## the station's status\n"),
        ("recipe.yaml", "# how it fares\nComponentDescription: a station\n"),
        ("docs/decisions/gaps.md", "it begins anew\n"),
        ("docs/benchmarks/station.md", "it begins anew\n"),
        ("docs/renames.json", '{"begins anew": "is told again"}\n'),
    ],
)
def test_what_people_do_not_read_is_left_alone(path: str, code: str) -> None:
    assert find_dialect(SourceFile(path, code)) == []
