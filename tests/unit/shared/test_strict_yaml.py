"""YAML means one thing, however a program saved it; else a sentence says where it is wrong."""

import codecs
import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import TextError
from sightline.strict_yaml import MAX_DEPTH, decode_yaml, read_yaml

TEXT = "station: Prüfstand 3\nlines: [1, 2]\n"


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("utf-16"),  # what PowerShell's > writes
        TEXT.encode("utf-16-be"),
        TEXT.replace("\n", "\r\n").encode(),
    ],
)
def test_the_encodings_that_editors_write_are_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fleet.yaml").write_bytes(content)
    assert read_yaml(tmp_path / "fleet.yaml") == {"station": "Prüfstand 3", "lines": [1, 2]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is there twice, first in line 1"),
        ("a: {b: 1, 'b': 2}", "the key 'b' is there twice"),
        ("a: [1\nb: 2\n", "line 2: not valid YAML"),
        ("\ta: 1", "line 1: not valid YAML"),
        ("a: 2026-13-45", "a value that cannot be read"),
        ("a: &a [*a]", "an alias contains itself"),
        ("a: " + "[" * 200_000 + "]" * 200_000, f"nested deeper than {MAX_DEPTH} levels"),
        ("a: !!python/object:os.system x", "not valid YAML"),
    ],
)
def test_what_could_mean_two_things_or_nothing_is_refused_with_its_line(
    text: str, problem: str
) -> None:
    with pytest.raises(TextError) as refused:
        decode_yaml(text)
    assert problem in str(refused.value)


def test_few_lines_of_aliases_cost_nothing() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{below}'] * 9)}]\n"
        for below, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(TextError, match="counting each use of an alias; at most"):
        decode_yaml(bomb)


def test_a_key_that_a_merge_brings_may_be_given_again() -> None:
    text = "kind: &kind {a: 1, b: 1}\nstation:\n  <<: *kind\n  b: 2\n"
    assert decode_yaml(text)["station"] == {"a": 1, "b": 2}
    assert decode_yaml("1: a\n'1': b\n") == {1: "a", "1": "b"}
    assert decode_yaml("a: 1.0", "texts") == {"a": "1.0"}
    assert decode_yaml("") is None


@settings(deadline=None)
@given(st.text(alphabet="ab:&*[]{}-,!#'\" \n|>?%01.", max_size=200))
def test_any_text_is_a_value_or_refused(text: str) -> None:
    with contextlib.suppress(TextError):  # and nothing else
        decode_yaml(text)
