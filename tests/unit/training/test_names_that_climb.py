"""A manifest or a bucket whose names climb out of the cache writes no file anywhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from sightline.errors import EvidenceError
from training.datasets.storage import fetch_file, fetch_folder, open_storage

CLIMBING = (
    "s3://evil/../../../outside.txt",
    "s3://evil/a/../../../../outside.txt",
    "s3://../../outside.txt",
    "s3://evil//outside.txt",
    "s3://evil/a//outside.txt",
    "s3://evil/./outside.txt",
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "deep" / "down" / "cache"
    monkeypatch.setenv("SIGHTLINE_CACHE", str(folder))
    return folder


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket that takes any key, as S3 does."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="evil")
    yield client
    for entry in client.list_objects_v2(Bucket="evil").get("Contents", []):
        client.delete_object(Bucket="evil", Key=entry["Key"])
    client.delete_bucket(Bucket="evil")
    server.stop()


@pytest.mark.parametrize("address", CLIMBING)
def test_an_address_that_leads_out_of_the_cache_is_refused_before_anything_is_asked(
    tmp_path: Path, cache: Path, address: str
) -> None:
    with pytest.raises(EvidenceError, match="leads out of"):
        fetch_file(address, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_link_in_the_cache_leads_nowhere_else(tmp_path: Path, cache: Path) -> None:
    (cache / "evil").mkdir(parents=True)
    (cache / "evil" / "pictures").symlink_to(tmp_path)
    with pytest.raises(EvidenceError, match="leads out of"):
        open_storage("s3://evil").fetch("pictures/outside.txt")


@pytest.mark.parametrize(
    "key", ["../../../outside.txt", "a/../../../../outside.txt", "/outside.txt"]
)
def test_a_listed_key_that_climbs_is_refused(
    tmp_path: Path, cache: Path, bucket: Any, key: str
) -> None:
    bucket.put_object(Bucket="evil", Key=key, Body=b"written")
    with pytest.raises(EvidenceError, match="leads out of"):
        fetch_folder("s3://evil")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_key_that_stays_inside_is_kept_in_the_cache(
    tmp_path: Path, cache: Path, bucket: Any
) -> None:
    bucket.put_object(Bucket="evil", Key="a/..b/c..txt", Body=b"x")
    assert fetch_file("s3://evil/a/..b/c..txt", tmp_path) == cache / "evil" / "a" / "..b" / "c..txt"


def test_keys_that_no_folder_can_hold_together_are_named(
    tmp_path: Path, cache: Path, bucket: Any
) -> None:
    for key in ("a", "a/b", "x" * 300):
        bucket.put_object(Bucket="evil", Key=key, Body=b"x")
    with pytest.raises(EvidenceError, match="cannot be"):
        fetch_folder("s3://evil")
