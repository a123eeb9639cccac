"""Pictures go to no bucket of another account, whoever took its name first."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from publisher.configuration import S3Configuration
from publisher.evidence.s3_store import S3EvidenceStore

OWNER = "123456789012"


class RecordingServer(HTTPServer):
    """Takes every object, and keeps whom the bucket was expected to belong to."""

    owners: list[str | None]


class ObjectHandler(BaseHTTPRequestHandler):
    server: RecordingServer

    def do_PUT(self) -> None:
        self.server.owners.append(self.headers.get("x-amz-expected-bucket-owner"))
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("ETag", '"tag"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    running = RecordingServer(("127.0.0.1", 0), ObjectHandler)
    running.owners = []
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.mark.parametrize("owner", [OWNER, None])
def test_each_upload_names_the_account_that_must_own_the_bucket(
    owner: str | None, server: RecordingServer, tmp_path: Path
) -> None:
    (tmp_path / "cam1.jpg").write_bytes(b"picture")
    address = f"http://127.0.0.1:{server.server_port}"
    store = S3EvidenceStore(
        S3Configuration(bucket="pictures", bucket_owner=owner, endpoint_url=address)
    )
    store.put("1/cam1.jpg", tmp_path / "cam1.jpg")
    assert server.owners == [owner]


@pytest.mark.parametrize("owner", ["1234", "12345678901x", ""])
def test_an_owner_that_is_no_account_is_refused(owner: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="bucketOwner"):
        msgspec.convert({"bucket": "pictures", "bucketOwner": owner}, S3Configuration)
