"""The page's server answers at once, also what is small."""

import http.client
import socket
import threading
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from cloud.web.page_server import PageServer, bind_socket
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
