"""No recipe and no deployment costs more than its size, and each refusal says why in a line."""

import contextlib
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.nucleus.recipe_files.deployment import load_deployment
from hil.nucleus.recipe_files.recipe import load_recipe
from hil.nucleus.recipe_files.typed_yaml import MAX_FILE_BYTES, MAX_VALUES
from sightline.errors import RecipeError
from sightline.strict_yaml import MAX_DEPTH

HEAD = "thingName: t\ncomponents: {}\n"
LETTERS = "abcdefghijkl"
PAIRS = list(pairwise(LETTERS))
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{below}'] * 9)}]\n" for below, name in PAIRS
)
MAP_BOMB = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{x: *{below}, y: *{below}, z: *{below}}}\n" for below, name in PAIRS
)
MERGE_BOMB = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [*{below}, *{below}, *{below}, *{below}]}}\n" for below, name in PAIRS
)
CHAIN = "a:\n- &a0 [x]\n" + "".join(f"- &a{n} [*a{n - 1}]\n" for n in range(1, 190))


def written(folder: Path, text: str) -> Path:
    path = folder / "file.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + BOMB, f"at most {MAX_VALUES} are allowed"),
        (HEAD + "merge: &m {a: 1}\n" + BOMB, f"at most {MAX_VALUES} are allowed"),
        (HEAD + MAP_BOMB, f"at most {MAX_VALUES} are allowed"),
        (HEAD + MERGE_BOMB, f"at most {MAX_VALUES} are allowed"),
        (HEAD + CHAIN, "nested deeper"),
        (HEAD + "a: " + "[" * 20_000, "nested deeper"),
        (HEAD + "a: " + "[" * 120_000 + "]" * 120_000, "nested deeper"),
        (HEAD + "a: " + "{b: " * 20_000, "nested deeper"),
        (HEAD + "a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested deeper"),
        (HEAD + "a: &a [*a]", "an alias contains itself"),
        (HEAD + "a: &a {b: {c: *a}}", "an alias contains itself"),
        (HEAD + "a: " + "9" * 5000, "cannot be read"),
        (HEAD + "a: 2026-13-45", "cannot be read"),
        (HEAD + "a: !!int x", "cannot be read"),
        (HEAD + "a: !!timestamp x", "cannot be read"),
        (HEAD + "a: !!python/object/apply:os.getcwd []", "not valid YAML"),
        (HEAD + "a: .nan", "at /a: found nan"),
        (HEAD + "a: [1, -.inf]", "at /a/1: found -inf"),
        (HEAD + "a: 2026-01-02", "at /a: found 2026-01-02"),
        (HEAD + "a: !!binary aGVsbG8=", "at /a: found b'hello'"),
        (HEAD + "a: !!set {b, c}", "at /a: found {"),
        (HEAD + "a: {1: x}", "at /a: found the key 1; quote it"),
        (HEAD + "a: {true: x}", "found the key True; quote it"),
        (HEAD + "? [a]\n: b", "not valid YAML"),
        (HEAD + "a: 1\nb: 2\na: 3\n", "line 5: the key 'a' is there twice, first in line 3"),
        (HEAD + "a: {b: 1, b: 1}\n", "the key 'b' is there twice"),
        ("", "Expected `object`, got `null`"),
        ("--- 1\n--- 2\n", "not valid YAML"),
        (HEAD + "#" * MAX_FILE_BYTES, f"at most {MAX_FILE_BYTES} are allowed"),
        ("thingName: [" + "x," * 5000 + "]\ncomponents: {}\n", "at /thingName"),
    ],
)
def test_a_file_that_would_cost_too_much_or_holds_what_json_has_not_is_refused(
    tmp_path: Path, text: str, words: str
) -> None:
    for load in (load_deployment, load_recipe):
        with pytest.raises(RecipeError) as refused:
            load(written(tmp_path, text))
        if load is load_deployment:
            assert words in str(refused.value)
        assert str(tmp_path) in str(refused.value)
        assert len(str(refused.value)) < 1000


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_deployment(path)
    with pytest.raises(RecipeError, match="cannot be read"):
        load_deployment(tmp_path)


def test_an_alias_that_is_used_sparingly_is_no_bomb(tmp_path: Path) -> None:
    text = (
        "components:\n"
        '  com.example.A: {version: "1.0.0", configurationUpdate: {merge: &m {a: [1, 2]}}}\n'
        '  com.example.B: {version: "1.0.0", configurationUpdate: {merge: *m}}\n'
    )
    components = load_deployment(written(tmp_path, text)).components
    updates = [one.configuration_update.merge for one in components.values()]
    assert updates == [{"a": [1, 2]}, {"a": [1, 2]}]


@settings(deadline=None)
@given(
    st.binary(max_size=400)
    | st.text(alphabet="ab:&*[]{}-,!#'\" \n|>?%01.", max_size=200).map(str.encode)
)
def test_whatever_a_file_holds_it_is_a_deployment_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("yaml") / "file.yaml"
    path.write_bytes(content)
    with contextlib.suppress(RecipeError):  # and nothing else
        load_deployment(path)


VALUES = st.recursive(
    st.integers() | st.booleans() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
)


@settings(deadline=None)
@given(VALUES)
def test_what_is_taken_of_a_merge_is_what_json_keeps(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    content = {
        "components": {"A": {"version": "1.0.0", "configurationUpdate": {"merge": {"a": value}}}}
    }
    path = written(tmp_path_factory.mktemp("yaml"), yaml.safe_dump(content))
    try:
        merge = load_deployment(path).components["A"].configuration_update.merge
    except RecipeError:
        return
    assert (
        merge == yaml.safe_load(path.read_text())["components"]["A"]["configurationUpdate"]["merge"]
    )
    assert "nan" not in repr(merge).split("'")
