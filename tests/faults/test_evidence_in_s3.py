"""Pictures to a real S3 server over HTTP: stored, in parts, while it is away, and refused."""

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest

from publisher.configuration import EvidenceStoreConfiguration, S3Configuration
from publisher.evidence.evidence_store import EvidenceStore
from publisher.evidence.registry import open_evidence_store
from publisher.evidence.uploader import DEFAULT_RULES, NOT_STORED_FAULT, EvidenceUploader
from sightline.backoff import Backoff
from sightline.errors import EvidenceError
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import Part
from sightline.messaging.topics import PUBLISHER
from sightline.storage.station_folder import StationFolder, evidence_key
from tests.faults.s3_server import (
    BUCKET,
    PREFIX,
    DenyingHandler,
    S3Server,
    TokenExchangeHandler,
    serving,
)
from tests.unit.nucleus.running_nucleus import RecipeBuilder, nucleus
from tests.unit.publisher.publisher_kit import STATION, StandingClock, wait_until
from tools.access_control import build_access_control

EXCHANGE_PATH = "/2016-11-01/credentialprovider/"
KEYS = [evidence_key(STATION, Part(7, number), "cam1") for number in range(1, 4)]


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """None of the machine's AWS settings."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.fixture
def credentials(own_environment: pytest.MonkeyPatch) -> None:
    """Some credentials that a server of moto's takes."""
    own_environment.setenv("AWS_ACCESS_KEY_ID", "test")
    own_environment.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    """A server with the bucket."""
    server = S3Server()
    yield server
    server.client.close()
    server.stop()


@pytest.fixture
def server(running: S3Server, credentials: None) -> S3Server:
    """The server with an empty bucket."""
    for key in running.names():
        running.client.delete_object(Bucket=BUCKET, Key=key)
    return running


def store_at(address: str, folder: Path, **changes: Any) -> EvidenceStore:
    s3 = S3Configuration(
        bucket=changes.pop("bucket", BUCKET),
        prefix=PREFIX,
        region="us-east-1",
        endpoint_url=address,
        connect_timeout_s=1.0,
        read_timeout_s=changes.pop("read_timeout_s", 5.0),
        attempts=changes.pop("attempts", 1),
        multipart_mib=5,
    )
    return open_evidence_store(EvidenceStoreConfiguration(kind="s3", s3=s3), folder, 1)


def a_picture(folder: Path, key: str, content: bytes) -> Path:
    path = folder / "spool" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_picture_is_stored_under_prefix_and_key_as_what_it_is(
    server: S3Server, tmp_path: Path
) -> None:
    store_at(server.address, tmp_path).put(KEYS[0], a_picture(tmp_path, KEYS[0], b"picture"))
    stored = server.client.get_object(Bucket=BUCKET, Key=PREFIX + KEYS[0])
    assert stored["Body"].read() == b"picture"
    assert stored["ContentType"] == "image/jpeg"


def test_a_large_picture_goes_in_parts_and_is_whole(server: S3Server, tmp_path: Path) -> None:
    content = os.urandom(11 * 1024 * 1024)
    store_at(server.address, tmp_path).put(KEYS[0], a_picture(tmp_path, KEYS[0], content))
    assert server.content(KEYS[0]) == content
    tag = server.client.head_object(Bucket=BUCKET, Key=PREFIX + KEYS[0])["ETag"]
    assert tag.strip('"').endswith("-3")


def test_pictures_wait_while_the_server_is_away_and_all_are_stored_when_it_is_back(
    server: S3Server, tmp_path: Path
) -> None:
    health = ComponentHealth(PUBLISHER, "0", STATION, StandingClock())
    server.stop()
    for key in KEYS:
        a_picture(tmp_path, key, key.encode())
    store = store_at(server.address, tmp_path)
    uploader = EvidenceUploader(tmp_path / "spool", store, health, Backoff(0.01, 0.05))
    uploader.start()
    wait_until(lambda: health.build_report().counters.get("evidence_failed", 0) >= 2)
    (fault,) = health.build_report().faults
    assert fault.code == NOT_STORED_FAULT
    assert "Could not connect" in fault.text
    assert all((tmp_path / "spool" / key).exists() for key in KEYS)
    server.start()
    server.client.create_bucket(Bucket=BUCKET)
    wait_until(lambda: health.build_report().counters.get("evidence_stored", 0) == len(KEYS))
    wait_until(lambda: not health.build_report().faults)
    assert [server.content(key) for key in KEYS] == [key.encode() for key in KEYS]
    assert uploader.close(10.0)


def test_an_address_that_the_sdk_does_not_take_is_a_fault_and_the_spool_keeps_its_limits(
    credentials: None, tmp_path: Path
) -> None:
    for key in KEYS:
        a_picture(tmp_path, key, b"x" * 1000)
    health = ComponentHealth(PUBLISHER, "0", STATION, StandingClock())
    store = store_at("http://minio_s3:9000", tmp_path)
    rules = replace(DEFAULT_RULES, max_bytes=1500)
    uploader = EvidenceUploader(tmp_path / "spool", store, health, Backoff(0.01, 0.05), rules)
    uploader.start()
    wait_until(lambda: health.build_report().counters.get("evidence_failed", 0) >= 2)
    texts = {fault.code: fault.text for fault in health.build_report().faults}
    assert texts[NOT_STORED_FAULT].startswith("s3://")
    assert "Invalid endpoint: http://minio_s3:9000" in texts[NOT_STORED_FAULT]
    a_picture(tmp_path, KEYS[0], b"y" * 1000)
    wait_until(lambda: health.build_report().counters.get("evidence_dropped_size", 0) == 3)
    assert uploader.close(10.0)


def test_a_server_that_never_answers_is_given_up_in_time(credentials: None, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        store = store_at(address, tmp_path, read_timeout_s=0.2)
        with pytest.raises(EvidenceError, match="Read timeout"):
            store.put(KEYS[0], a_picture(tmp_path, KEYS[0], b"x"))


def test_a_bucket_that_is_not_there_is_named(server: S3Server, tmp_path: Path) -> None:
    store = store_at(server.address, tmp_path, bucket="another-bucket")
    with pytest.raises(EvidenceError, match="there is no such bucket: s3://another-bucket/"):
        store.put(KEYS[0], a_picture(tmp_path, KEYS[0], b"x"))


@pytest.fixture
def role_only(server: S3Server, own_environment: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """No credentials but those of the token-exchange service, which does not answer yet."""
    exchange = HTTPServer(("127.0.0.1", 0), TokenExchangeHandler, bind_and_activate=False)
    exchange.server_bind()
    address = f"http://127.0.0.1:{exchange.server_address[1]}{EXCHANGE_PATH}"
    own_environment.delenv("AWS_ACCESS_KEY_ID")
    own_environment.delenv("AWS_SECRET_ACCESS_KEY")
    own_environment.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
    own_environment.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of the component")
    TokenExchangeHandler.asked.clear()
    yield exchange
    exchange.server_close()


def test_credentials_are_those_of_the_role_once_asked_for_and_waited_for_where_they_are_away(
    server: S3Server, role_only: HTTPServer, tmp_path: Path
) -> None:
    store = store_at(server.address, tmp_path)
    picture = a_picture(tmp_path, KEYS[0], b"x")
    with pytest.raises(EvidenceError, match="CredentialRetrievalError"):
        store.put(KEYS[0], picture)
    with serving(role_only):
        for key in KEYS:
            store.put(key, a_picture(tmp_path, key, b"x"))
    assert TokenExchangeHandler.asked == [(EXCHANGE_PATH, "of the component")]
    assert server.content(KEYS[2]) == b"x"


def test_a_station_without_credentials_looks_for_them_again(
    server: S3Server, tmp_path: Path, own_environment: pytest.MonkeyPatch
) -> None:
    own_environment.delenv("AWS_ACCESS_KEY_ID")
    store = store_at(server.address, tmp_path)
    picture = a_picture(tmp_path, KEYS[0], b"x")
    with pytest.raises(EvidenceError, match="redentials"):
        store.put(KEYS[0], picture)
    own_environment.setenv("AWS_ACCESS_KEY_ID", "test")
    store.put(KEYS[0], picture)
    assert server.content(KEYS[0]) == b"x"


def test_errors_of_the_server_are_tried_again_and_denied_access_is_said_in_words(
    credentials: None, tmp_path: Path
) -> None:
    DenyingHandler.requests, DenyingHandler.failures = 0, 1
    with serving(HTTPServer(("127.0.0.1", 0), DenyingHandler)) as denying:
        store = store_at(f"http://127.0.0.1:{denying.server_port}", tmp_path, attempts=3)
        with pytest.raises(EvidenceError) as caught:
            store.put(KEYS[0], a_picture(tmp_path, KEYS[0], b"x"))
    assert DenyingHandler.requests == 2
    assert "access is denied: the station's role needs s3:PutObject on s3://" in str(caught.value)


@pytest.mark.parametrize("dialect", ["classic", "lite"])
def test_a_publisher_under_its_nucleus_stores_with_the_credentials_that_it_is_handed(
    server: S3Server, tmp_path: Path, own_environment: pytest.MonkeyPatch, dialect: str
) -> None:
    own_environment.delenv("AWS_ACCESS_KEY_ID")
    own_environment.delenv("AWS_SECRET_ACCESS_KEY")
    role = tmp_path / "role.json"
    role.write_text(json.dumps({"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "of the role"}))
    publisher = RecipeBuilder(PUBLISHER, run='exec "$SIGHTLINE_PYTHON" -m publisher')
    s3 = {"bucket": BUCKET, "prefix": PREFIX, "endpointUrl": server.address}
    publisher.configuration = {
        "stationFolder": str(tmp_path / "station"),
        "evidence": {"kind": "s3", "s3": s3},
        "accessControl": build_access_control(PUBLISHER),
    }
    a_picture(tmp_path, KEYS[0], b"picture")
    (tmp_path / "station").mkdir()
    (tmp_path / "spool").rename(StationFolder(tmp_path / "station").evidence_spool)
    with nucleus(tmp_path, [publisher], dialect=dialect, more=("--credentials", str(role))):
        wait_until(lambda: server.names() == [PREFIX + KEYS[0]])
    assert server.content(KEYS[0]) == b"picture"
