"""Text in the encodings that programs write, and JSON that is refused where it could mean two things."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import TextError
from sightline.strict_text import decode_json, decode_text, read_text

TEXT = '{"größe": "Ø 5 mm",\r\n "name": "bottle"}\n'


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_a_file_saved_by_any_editor_reads_as_the_same_text(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "product.json"
    file.write_bytes(TEXT.encode(encoding))
    assert read_text(file) == TEXT


def test_a_file_in_another_encoding_is_refused_with_its_line_and_what_to_do() -> None:
    with pytest.raises(
        TextError, match=r"line 2: the byte 0xfc is no UTF-8.*save the file as"
    ) as at:
        decode_text("{\n'für': 1}".encode("latin-1"))
    assert at.value.line == 2


@pytest.mark.parametrize(
    ("text", "problem", "line", "column"),
    [
        ('{"a": 1,\n "b": 2,\n "a": 3}', "the key 'a' is there twice", 3, 2),
        ('{"x": [1, {"a": {}, "a" : 2}]}', "the key 'a' is there twice", 1, 21),
        (r'{"a": "{\"a\": 1}", "\u0061": 2}', "the key 'a' is there twice", 1, 21),
        ('{"a": 1,}', "not JSON", 1, 0),
        ("{a: 1}", "not JSON", 1, 2),
        ('{"a": NaN}', "NaN is no number", 0, 0),
        ('{"a": -Infinity}', "-Infinity is no number", 0, 0),
        ('{"a": 1e999}', "1e999 is no number", 0, 0),
        ("[" * 100_000, "nested too deeply", 0, 0),
        ("1" * 5_000, "not JSON", 0, 0),
        ("", "not JSON", 1, 1),
    ],
)
def test_text_that_is_no_json_or_means_two_things_is_refused_with_its_place(
    text: str, problem: str, line: int, column: int
) -> None:
    with pytest.raises(TextError) as refused:
        decode_json(text)
    assert problem in str(refused.value)
    assert refused.value.line == line
    assert not column or refused.value.column == column


def test_who_judges_numbers_can_read_those_that_are_none() -> None:
    assert decode_json('{"a": NaN, "b": 1e999, "c": -Infinity}', allow_nan=True)["b"] == float(
        "inf"
    )
    with pytest.raises(TextError, match="twice"):
        decode_json('{"a": NaN, "a": 1}', allow_nan=True)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(VALUES, st.booleans())
def test_all_other_json_reads_as_it_was_written(value: object, ascii_only: bool) -> None:
    assert decode_json(json.dumps(value, ensure_ascii=ascii_only)) == value


@given(st.binary(max_size=40))
def test_any_bytes_are_a_text_or_a_text_error(content: bytes) -> None:
    try:
        decode_json(decode_text(content))
    except TextError:
        return
