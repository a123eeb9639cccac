"""The page's server answers at once, also what is small."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from cloud.web.page_server import PageServer, TimedRequests, bind_socket
from tests.unit.cloud.test_message_intake import wait_until


def test_no_answer_waits_for_the_other_ends_acknowledgement(tmp_path: Path) -> None:
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("small"))])
    server = PageServer(app, bind_socket(0), tmp_path / "address")
    thread = threading.Thread(target=server.serve_until_stopped)
    thread.start()
    wait_until((tmp_path / "address").exists)
    address = (tmp_path / "address").read_text().removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"small"
    accepted = [each.transport for each in server.server_state.connections]
    options = [
        transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        for transport in accepted
        if transport is not None
    ]
    connection.close()
    server.stop()
    thread.join(20)
    assert options == [1]


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server with a short limit on how long a request may take, and its address."""

    async def read_all(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    app = Starlette(routes=[Route("/", read_all, methods=["GET", "POST"])])
    server = PageServer(app, bind_socket(0), folder / "address")
    server.config.load()
    server.config.http_protocol_class = type("Hasty", (TimedRequests,), {"max_request_s": 0.5})
    thread = threading.Thread(target=server.serve_until_stopped)
    thread.start()
    wait_until((folder / "address").exists)
    try:
        yield (folder / "address").read_text().removeprefix("http://")
    finally:
        server.stop()
        thread.join(20)


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    ],
    ids=["nothing", "half a head", "half a body", "half a second head"],
)
def test_a_request_that_does_not_arrive_is_not_held_open(tmp_path: Path, begun: bytes) -> None:
    with serving(tmp_path) as address:
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(begun)
            while connection.recv(4096):
                pass  # an end, not a timeout of this test


def test_a_connection_whose_requests_arrive_stays_open(tmp_path: Path) -> None:
    with serving(tmp_path) as address:
        connection = http.client.HTTPConnection(address, timeout=20)
        for _ in range(4):
            connection.request("POST", "/", body=b"whole")
            assert connection.getresponse().read() == b"5"
            time.sleep(0.2)  # together longer than one request may take
        connection.close()
