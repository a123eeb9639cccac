"""A station takes its own settings whole or not at all, and says what is wrong with what it cannot take."""

import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import ConfigurationError
from sightline.storage.settings_store import (
    MAX_FILE_BYTES,
    STATION_FILE,
    SettingsFile,
    decode_settings,
    encode_settings,
    load_settings,
    main,
    store_settings,
)

GOLDEN = Path(__file__).resolve().parents[2] / "contract" / "settings" / "settings.v1.json"
EXAMPLE = SettingsFile(
    thing="line-7",
    site="site-1",
    version="0.1.7",
    components={
        "com.sightline.Capture": {"source": {"kind": "v4l2", "cameras": {"cam1": {"node": "a"}}}},
        "com.sightline.Equipment": {"link": {"kind": "opcua"}, "lineId": "7"},
    },
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """What the settings component of a kind with two stations brings."""
    folder = tmp_path / "artifact"
    folder.mkdir()
    for thing in ("line-7", "line-8"):
        own = msgspec.structs.replace(EXAMPLE, thing=thing, version="")
        (folder / f"{thing}.json").write_bytes(encode_settings(own))
    return folder


def put(artifact: Path, store: Path, thing: str, *words: str) -> int:
    return main(["put", str(artifact), f"--thing={thing}", "--store", str(store), *words])


def test_the_file_of_version_1_stays_as_it_is(renew_golden: bool) -> None:
    if renew_golden:
        GOLDEN.write_bytes(encode_settings(EXAMPLE))
    assert encode_settings(EXAMPLE) == GOLDEN.read_bytes()
    assert decode_settings(GOLDEN.read_bytes(), "golden") == EXAMPLE


def test_a_field_of_a_later_version_is_no_obstacle() -> None:
    content = json.loads(encode_settings(EXAMPLE)) | {"later": [1]}
    assert decode_settings(json.dumps(content).encode(), "file") == EXAMPLE


@given(
    components=st.dictionaries(st.text(), st.dictionaries(st.text(), JSON, max_size=3), max_size=3)
)
def test_what_is_written_is_read_as_it_was(components: dict[str, dict[str, Any]]) -> None:
    settings = SettingsFile(thing="t", components=components)
    assert decode_settings(encode_settings(settings), "file") == settings


@given(content=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_settings_of_a_thing_or_refused_by_a_sentence(content: bytes) -> None:
    with contextlib.suppress(ConfigurationError):
        assert decode_settings(content, "file").thing


@given(cut=st.integers(0, len(encode_settings(EXAMPLE)) - 3))
def test_a_file_that_was_cut_is_refused(cut: int) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read as settings"):
        decode_settings(encode_settings(EXAMPLE)[:cut], "file")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 100_000, "cannot be read as settings"),
        (b'{"thing": "a", "schema_version": 2}', "found schema version 2; known is 1"),
        (b'{"thing": "../../etc"}', "at /thing"),
        (b'{"thing": ""}', "at /thing"),
        (b'{"thing": "a", "components": {"com.sightline.Capture": {"lot": 1, "lot": 2}}}', "twice"),
        (b'{"thing": "a", "components": {"com.sightline.Capture": 3}}', "Expected `object`"),
        (b" " * (MAX_FILE_BYTES + 1), "bytes; at most"),
    ],
)
def test_what_no_station_can_use_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        decode_settings(content, "file")


def test_a_station_takes_its_own_file_with_its_version(artifact: Path, tmp_path: Path) -> None:
    store = tmp_path / "station" / "settings"
    assert put(artifact, store, "line-8", "--version=0.1.7") == 0
    assert load_settings(store / STATION_FILE, "line-8").version == "0.1.7"


def test_a_station_that_is_not_in_it_keeps_what_it_had_and_says_which_are(
    artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(artifact, tmp_path, "line-7")
    before = (tmp_path / STATION_FILE).read_bytes()
    assert put(artifact, tmp_path, "line-9") == 1
    words = capsys.readouterr().err
    assert "no settings of the station 'line-9', only of: line-7, line-8" in words
    assert "Add the station to its kind's deployment file" in words
    assert (tmp_path / STATION_FILE).read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b'{"thing": "line-8"}'])
def test_a_file_that_is_damaged_or_anothers_replaces_nothing(
    content: bytes, artifact: Path, tmp_path: Path
) -> None:
    put(artifact, tmp_path, "line-7")
    before = (tmp_path / STATION_FILE).read_bytes()
    (artifact / "line-7.json").write_bytes(content)
    assert put(artifact, tmp_path, "line-7") == 1
    assert (tmp_path / STATION_FILE).read_bytes() == before


@pytest.mark.parametrize("thing", ["", "../line-7", "a/b", "a\n", "x" * 129])
def test_a_name_that_no_thing_has_is_refused(thing: str, artifact: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--thing"):
        store_settings(artifact, thing, tmp_path)


def test_show_prints_what_is_in_force(
    artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(artifact, tmp_path, "line-7")
    capsys.readouterr()
    assert main(["show", "--store", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["thing"] == "line-7"
    assert main(["show", "--store", str(tmp_path / "nowhere")]) == 1
