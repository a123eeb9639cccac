"""What the page's paths allow: pictures of the folder only, whole numbers within limits only."""

from pathlib import Path

import pytest

from cloud.store.record_store import PartsQuery
from cloud.web.evidence_files import find_picture_path
from cloud.web.query_string import QueryError, parse_parts_query

VERDICTS = ("ok", "defect")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "evidence"
    (folder / "station-1" / "7").mkdir(parents=True)
    (folder / "station-1" / "7" / "cam1.jpg").write_bytes(b"picture")
    (folder / "notes.txt").write_bytes(b"text")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (folder / "way-out.jpg").symlink_to(tmp_path / "secret.jpg")
    return folder


def test_a_kept_picture_is_found_by_its_key(folder: Path) -> None:
    path = find_picture_path(folder, "station-1/7/cam1.jpg")
    assert path is not None
    assert path.read_bytes() == b"picture"


@pytest.mark.parametrize(
    "key",
    [
        "../secret.jpg",
        "station-1/../../secret.jpg",
        "/etc/passwd",
        "way-out.jpg",
        "notes.txt",
        "station-1",
        "station-1/7/cam2.jpg",
        "",
        "a\0.jpg",
        "x" * 5000 + ".jpg",
    ],
)
def test_nothing_else_is_given_out(folder: Path, key: str) -> None:
    assert find_picture_path(folder, key) is None
    assert find_picture_path(folder, str(folder.parent / "secret.jpg")) is None


def test_a_query_says_which_parts() -> None:
    wanted = parse_parts_query(
        {"limit": "500", "before": "12", "part": "4711", "verdict": "ok", "station": "st-2"},
        VERDICTS,
    )
    assert wanted == PartsQuery(500, before=12, part_number=4711, verdict="ok", station="st-2")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("limit", "0"),
        ("limit", "501"),
        ("limit", "-1"),
        ("limit", "5.0"),
        ("limit", "٣"),
        ("before", "x"),
        ("before", "9" * 20),
        ("part", str(2**63)),
        ("verdict", "good"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(QueryError, match=name):
        parse_parts_query({name: text}, VERDICTS)
