"""What Nucleus Lite 2.6.0 refused of recipes, configurations and requests is refused, in its words."""

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from awsiot.greengrasscoreipc import model
from hypothesis import given
from hypothesis import strategies as st

from hil.nucleus.dialects.dialect import CLASSIC, LITE, Dialect
from hil.nucleus.dialects.lite_limits import (
    MAX_RECIPE_BYTES,
    MAX_SUBOBJECTS,
    count_subobjects,
    find_configuration_violations,
    find_recipe_violations,
)
from tests.unit.nucleus.deployment_kit import QUICK, deploy
from tests.unit.nucleus.ipc_kit import COMPONENT, ServedIpc
from tests.unit.nucleus.running_nucleus import RecipeBuilder, nucleus
from tests.unit.nucleus.test_client_of_the_sdk import client_of

NAME = "com.example.A"
FOREVER = "while :; do sleep 0.05; done"
Json = dict[str, Any]


def recipe(**changes: Any) -> Json:
    """A recipe that Lite takes, changed."""
    content = RecipeBuilder(NAME, run=FOREVER).recipe()
    content.update(changes)
    return content


def refusals(content: Json) -> str:
    """All that is said of a recipe."""
    return "\n".join(find_recipe_violations(NAME, yaml.safe_dump(content)))


def manifest(**changes: Any) -> Json:
    """A manifest that Lite takes, changed; None takes a key away."""
    content = {**recipe()["Manifests"][0], **changes}
    return {key: value for key, value in content.items() if value is not None}


def with_configuration(values: Json) -> Json:
    return recipe(ComponentConfiguration={"DefaultConfiguration": values})


JSON_VALUES = st.recursive(
    st.integers() | st.text(max_size=3) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
)


@given(JSON_VALUES, JSON_VALUES)
def test_subobjects_add_up(one: Any, other: Any) -> None:
    assert count_subobjects([one, other]) == 2 + count_subobjects(one) + count_subobjects(other)
    assert count_subobjects({"a": one}) == 2 + count_subobjects(one)


def test_deep_nesting_is_counted_without_end_of_the_stack() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    assert count_subobjects(value) == 100_000


def test_a_recipe_that_lite_takes_is_not_refused() -> None:
    assert refusals(recipe()) == ""


def test_a_recipe_with_as_many_subobjects_as_lite_counts_is_refused_and_one_fewer_is_not() -> None:
    room = MAX_SUBOBJECTS - count_subobjects(with_configuration({"list": []}))
    assert refusals(with_configuration({"list": [0] * room})) == ""
    words = refusals(with_configuration({"list": [0] * (room + 1)}))
    assert "Visited object's subobjects exceeds maximum." in words
    assert f"Found {MAX_SUBOBJECTS + 1}" in words


def test_the_number_of_subobjects_is_the_measured_one() -> None:
    assert MAX_SUBOBJECTS == 254  # 255 is Lite's GG_MAX_OBJECT_SUBOBJECTS


def test_a_map_counts_twice_and_a_comment_does_not_count() -> None:
    room = (MAX_SUBOBJECTS - count_subobjects(with_configuration({}))) // 2
    many = {f"key{number}": number for number in range(room)}
    assert refusals(with_configuration(many)) == ""
    assert "subobjects exceeds maximum" in refusals(with_configuration({**many, "one": 1}))


def test_a_recipe_longer_than_lite_reads_is_refused() -> None:
    text = yaml.safe_dump(recipe())
    fits = text + "#" * (MAX_RECIPE_BYTES - len(text.encode()))
    assert list(find_recipe_violations(NAME, fits)) == []
    assert "8197 bytes" in "\n".join(find_recipe_violations(NAME, fits + "#"))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (manifest(Platform={"os": "windows", "runtime": "*"}), "No lifecycle was found for linux"),
        (manifest(Platform={"os": "linux"}), "No lifecycle was found for linux"),
        (manifest(Lifecycle=None), "No lifecycle was found for linux"),
        (manifest(Artifacts=None), "Missing required 'Artifacts' key in Manifest"),
        (manifest(Lifecycle={"install": "true"}), f"Failed waiting for {NAME}"),
        (manifest(Lifecycle={}), f"Failed waiting for {NAME}"),
    ],
)
def test_a_manifest_that_fails_a_deployment_there_is_refused(changed: Json, words: str) -> None:
    assert words in refusals(recipe(Manifests=[changed]))


def test_no_manifest_at_all_is_refused() -> None:
    assert "No lifecycle was found for linux" in refusals(recipe(Manifests=[]))


@pytest.mark.parametrize("value", [["x" * 9] * 85 + [""], "x" * 1022])
def test_a_value_of_1024_bytes_of_json_is_stored_and_a_longer_one_is_not(value: Any) -> None:
    longer = [*value, ""] if isinstance(value, list) else value + "x"
    assert list(find_configuration_violations(NAME, {"map": {"at": value}})) == []
    words = "\n".join(find_configuration_violations(NAME, {"map": {"at": longer}}))
    assert f"Json encode failed for key services/{NAME}/configuration/map/at." in words


def test_a_long_map_of_short_values_is_stored() -> None:
    assert (
        list(find_configuration_violations(NAME, {"map": {f"k{n}": "x" * 30 for n in range(60)}}))
        == []
    )


def test_a_configuration_that_lite_cannot_hand_out_whole_is_refused() -> None:
    values = {f"key{number}": number for number in range(200)}
    assert "subobjects exceeds maximum" in "\n".join(find_configuration_violations(NAME, values))


@pytest.mark.parametrize(("dialect", "refused"), [(CLASSIC, False), (LITE, True)])
def test_a_request_or_an_answer_with_too_much_in_it_is_refused(
    tmp_path: Path, dialect: Dialect, refused: bool
) -> None:
    many = {f"key{number}": 1 for number in range(130)}
    configuration = {"many": many, "few": {"a": 1}}
    with (
        ServedIpc(tmp_path, dialect, {COMPONENT: configuration}).running() as serving,
        client_of(serving) as client,
    ):
        assert client.get_configuration(key_path=["few"]).value == {"a": 1}
        update = {"key_path": ["few"], "value_to_merge": many}
        now = datetime.now(timezone.utc)
        asks: list[Callable[[], object]] = [
            lambda: client.get_configuration(key_path=["many"]),
            lambda: client.update_configuration(**update, timestamp=now),
        ]
        for ask in asks:
            if refused:
                with pytest.raises(model.ServiceError):
                    ask()
            else:
                ask()
        assert client.get_configuration(key_path=["few", "a"]).value == {"a": 1}


def refused_start(folder: Path, component: RecipeBuilder, merge: Json | None = None) -> str:
    """What a nucleus says that does not start with a component."""
    with nucleus(folder, [component], merge, dialect="lite") as running:
        assert running.process.wait(30) == 1
        assert running.process.stderr is not None
        return running.process.stderr.read().decode()


def test_nucleus_lite_does_not_start_with_what_it_would_refuse(tmp_path: Path) -> None:
    only_installs = RecipeBuilder(NAME, install="true")
    words = refused_start(tmp_path, only_installs)
    assert f"Failed waiting for {NAME}" in words
    assert "Traceback" not in words


def test_a_list_that_a_merge_makes_too_long_is_refused_with_its_place(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME, run=FOREVER)
    component.configuration = {"tags": []}
    words = refused_start(tmp_path, component, {NAME: {"tags": ["x" * 100] * 11}})
    assert f"{NAME} at /tags: Json encode failed" in words


@pytest.mark.parametrize("dialect", ["classic", "lite"])
def test_a_deployment_of_what_lite_refuses_changes_nothing(tmp_path: Path, dialect: str) -> None:
    runs = RecipeBuilder(NAME, run=FOREVER)
    runs.configuration = {"list": []}
    installs = RecipeBuilder("com.example.B", install="true")
    with nucleus(tmp_path, [runs], dialect=dialect, more=QUICK) as running:
        before = running.wait_for_state(NAME, "RUNNING")
        merge = {NAME: {"list": ["x" * 100] * 11}}
        for components, merges in (([runs, installs], None), ([runs], merge)):
            code, words = deploy(tmp_path, components, merges)
            assert (code == 0) == (dialect == "classic"), words
            if dialect == "lite":
                assert "FAILED_NO_STATE_CHANGE" in words
        assert running.component(NAME)["pid"] == before["pid"]
        stored = json.loads((running.root / "configuration" / f"{NAME}.json").read_text())
    assert (stored["values"]["list"] == []) == (dialect == "lite")
