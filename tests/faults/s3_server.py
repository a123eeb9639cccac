"""S3 servers for tests: one that keeps what it is given, one that denies, and who hands credentials."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import boto3
from moto.server import ThreadedMotoServer

BUCKET, PREFIX = "line-1-pictures", "site/line-1/"


class S3Server:
    """An S3 server in this process, on a port of its own, that can go away and come back."""

    def __init__(self) -> None:
        self.port = 0
        self.start()
        self.client = build_client(self.address)
        self.client.create_bucket(Bucket=BUCKET)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()
        _, self.port = self._server.get_host_and_port()

    def stop(self) -> None:
        self._server.stop()

    def names(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [entry["Key"] for entry in found]

    def content(self, key: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=BUCKET, Key=PREFIX + key)["Body"].read()
        return content


def build_client(address: str) -> Any:
    session = boto3.session.Session("test", "test", region_name="us-east-1")
    return session.client("s3", endpoint_url=address)


class TokenExchangeHandler(BaseHTTPRequestHandler):
    """What the nucleus serves at AWS_CONTAINER_CREDENTIALS_FULL_URI."""

    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        body = json.dumps(
            {
                "AccessKeyId": "ASIAEXAMPLE",
                "SecretAccessKey": "of the role",
                "Token": "session",
                "Expiration": "2099-01-01T00:00:00Z",
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep quiet."""


class DenyingHandler(BaseHTTPRequestHandler):
    """An S3 server that fails `failures` times, then denies access."""

    failures = 0
    requests = 0

    def do_PUT(self) -> None:
        cls = type(self)
        cls.requests += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        code, status = ("AccessDenied", 403)
        if cls.requests <= cls.failures:
            code, status = ("InternalError", 500)
        body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep quiet."""


@contextmanager
def serving(server: HTTPServer) -> Iterator[HTTPServer]:
    """Answer requests while the block runs."""
    server.server_activate()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
