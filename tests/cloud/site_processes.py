"""A real broker, a real site and a real publisher, each as its own process or connection."""

import contextlib
import http.client
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from awscrt import io, mqtt

from sightline.messaging.codec import encode_of_any_size
from sightline.messaging.topics import INSPECTION_RECORD, MessageStream
from tests.cloud.example_records import THING

TIMEOUT_S = 60.0
POLL_S = 0.02
Json = dict[str, Any]


def wait_for(what: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> Any:
    """Poll until it gives something true, and return that."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(POLL_S)
    raise AssertionError(f"did not come true within {timeout_s:.0f} s")


class LoggedProcess:
    """A Python module as a process that tells its address in a file."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.log_file = folder / f"{name}.log"
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONWARNINGS": "default"},
            )

    def log(self) -> str:
        """What it wrote so far."""
        return self.log_file.read_text()

    def address(self, address_file: Path) -> str:
        """The address once it is told."""

        def told() -> str:
            assert self._process.poll() is None, self.log()
            return address_file.read_text().strip() if address_file.exists() else ""

        return str(wait_for(told))

    def exit_code(self, timeout_s: float = TIMEOUT_S) -> int:
        """Wait for it to end by itself."""
        return self._process.wait(timeout_s)

    def terminate(self) -> tuple[int, float]:
        """SIGTERM; the exit code and the seconds it took."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(TIMEOUT_S), time.monotonic() - began

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it for certain; nothing if it has ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class BrokerProcess(LoggedProcess):
    """The embedded MQTT broker."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        file = folder / "broker.address"
        file.unlink(missing_ok=True)
        super().__init__(
            *(folder, "broker", "hil.nucleus.broker"),
            *("--port", str(port), "--port-file", str(file)),
        )
        self.port = int(self.address(file).rpartition(":")[2])


class SiteProcess(LoggedProcess):
    """`python -m cloud`, with questions to its page."""

    def __init__(self, folder: Path, broker_port: int, port: int = 0) -> None:
        file = folder / "cloud.address"
        file.unlink(missing_ok=True)
        self.evidence = folder / "evidence"
        self.evidence.mkdir(exist_ok=True)
        super().__init__(
            *(folder, "cloud", "cloud", "--broker", f"127.0.0.1:{broker_port}"),
            *("--database", str(folder / "records.sqlite"), "--evidence", str(self.evidence)),
            *("--port", str(port), "--address-file", str(file)),
        )
        self.page = self.address(file)

    def get(self, path: str) -> Json:
        """A path's JSON."""
        with urllib.request.urlopen(self.page + path, timeout=TIMEOUT_S) as response:
            content: Json = json.load(response)
        return content

    def raw(self, path: str, host: str | None = None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a path that is sent exactly as it is."""
        connection = http.client.HTTPConnection(
            self.page.removeprefix("http://"), timeout=TIMEOUT_S
        )
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Host": host} if host else {})
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return response.status, headers, response.read()

    def summary(self, station: str = "") -> Json:
        """`/api/summary`, of one station if it is named."""
        return self.get(f"/api/summary?station={station}" if station else "/api/summary")

    def wait_subscribed(self, times: int = 1) -> None:
        """Wait until the site has told the broker what it wants, so many times in its life."""
        wait_for(lambda: self.log().count('"subscribed"') >= times)

    def wait_received(self, count: int) -> Json:
        """The summary once so many records are stored."""
        wait_for(lambda: self.summary()["records"]["received"] >= count)
        return self.summary()


class RecordPublisher:
    """A station's connection to the broker; each publish returns when the broker has it."""

    def __init__(self, port: int) -> None:
        self._connection = mqtt.Connection(
            mqtt.Client(io.ClientBootstrap.get_or_create_static_default()),
            host_name="127.0.0.1",
            port=port,
            client_id=f"sender-{os.getpid()}-{time.monotonic_ns()}",
            clean_session=True,
        )
        self._connection.connect().result(TIMEOUT_S)

    def send(
        self, message: msgspec.Struct, stream: MessageStream = INSPECTION_RECORD, thing: str = THING
    ) -> None:
        """Publish a message on its stream."""
        self.send_bytes(encode_of_any_size(message), stream.build_topic(thing))

    def send_bytes(self, payload: bytes, topic: str = INSPECTION_RECORD.build_topic(THING)) -> None:
        """Publish any bytes on any topic."""
        future, _ = self._connection.publish(topic, payload, mqtt.QoS.AT_LEAST_ONCE)
        future.result(TIMEOUT_S)

    def listen(self, topic: str, take: Callable[[bytes], None]) -> None:
        """Hand on what is published on a topic; returns when the broker knows it."""
        future, _ = self._connection.subscribe(
            topic, mqtt.QoS.AT_LEAST_ONCE, lambda topic, payload, **_: take(payload)
        )
        future.result(TIMEOUT_S)

    def close(self) -> None:
        """Leave the broker."""
        with contextlib.suppress(RuntimeError):
            self._connection.disconnect().result(TIMEOUT_S)


@contextlib.contextmanager
def ending(child: LoggedProcess) -> Iterator[None]:
    """End a process whatever happens."""
    try:
        yield
    finally:
        child.kill()


@contextlib.contextmanager
def giving_up_after(site: SiteProcess, answers: int) -> Iterator[str]:
    """The address of a way to the site that breaks after so many answers with figures."""
    left = iter(range(answers))

    class Way(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/api/") and next(left, None) is None:
                self.close_connection = True
                return
            status, headers, body = site.raw(self.path)
            self.send_response(status)
            self.send_header("Content-Type", headers["content-type"])
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Way) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
