"""The hands of `make faults`: the wire that can be cut, files that are damaged, mutants, the command line."""

import ast
import fcntl
import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hil.faults.__main__ import main
from hil.faults.broker_proxy import BrokerProxy, MqttPacketReader
from hil.faults.fault_plan import build_fault_plan
from hil.faults.fault_report import format_scenario_table
from hil.faults.file_damage import DAMAGEABLE_FILES, copy_databases, damage_file
from hil.faults.mutants import build_mutants, write_mutant
from hil.run.run_arguments import REPOSITORY

TIMEOUT_S = 10.0


class Echo(threading.Thread):
    """Answers each byte with itself."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            while content := connection.recv(1024):
                connection.sendall(content)


@pytest.fixture
def wire() -> Iterator[BrokerProxy]:
    """A wire to an echo."""
    echo = Echo()
    echo.start()
    proxy = BrokerProxy("127.0.0.1", echo.listener.getsockname()[1])
    proxy.start()
    yield proxy
    proxy.close()
    echo.listener.close()


def connect(wire: BrokerProxy) -> socket.socket:
    host, port = wire.address.split(":")
    return socket.create_connection((host, int(port)), timeout=TIMEOUT_S)


def test_an_open_wire_carries_all(wire: BrokerProxy) -> None:
    with connect(wire) as connection:
        connection.sendall(b"hello")
        assert connection.recv(16) == b"hello"


def test_a_wire_that_refuses_closes_what_is_there_and_lets_none_through(wire: BrokerProxy) -> None:
    with connect(wire) as connection:
        connection.sendall(b"hello")
        assert connection.recv(16) == b"hello"
        wire.set_state("refuse")
        assert connection.recv(16) == b""
    with connect(wire) as connection:
        assert connection.recv(16) == b""
    wire.set_state("open")
    with connect(wire) as connection:
        connection.sendall(b"again")
        assert connection.recv(16) == b"again"


@pytest.mark.parametrize("state", ["swallow_sent", "swallow_received"])
def test_what_is_swallowed_does_not_come_later_and_the_connection_ends(
    wire: BrokerProxy, state: str
) -> None:
    with connect(wire) as connection:
        connection.sendall(b"hello")
        assert connection.recv(16) == b"hello"
        wire.set_state(state)  # type: ignore[arg-type]
        connection.sendall(b"lost")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(16)
        connection.settimeout(TIMEOUT_S)
        wire.set_state("open")
        assert connection.recv(16) == b""


@pytest.mark.parametrize("piece", [1, 7, 10_000])
@pytest.mark.parametrize("middle", [b"", b"\x00\x07", b"\x00\x07\x00"])
def test_records_are_found_in_what_a_client_sends_in_any_pieces(piece: int, middle: bytes) -> None:
    def packet(kind: int, body: bytes) -> bytes:
        length, size = len(body), b""
        while length >= 0x80:
            size, length = size + bytes([length & 0x7F | 0x80]), length >> 7
        return bytes([kind << 4]) + size + bytes([length]) + body

    records = [b'{"recordId": "a"}', b'{"recordId": "b", "more": "' + b"x" * 300 + b'"}']
    sent = packet(1, b"\x00\x04MQTT") + b"".join(
        packet(3, b"\x00\x05a/b/c" + middle + record) for record in records
    )
    reader = MqttPacketReader()
    found = [m for at in range(0, len(sent), piece) for m in reader.feed(sent[at : at + piece])]
    assert found == records


def ledger(folder: Path) -> Path:
    path = folder / DAMAGEABLE_FILES["inference/ledger.sqlite"]
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE verdicts (epoch, part_number, message BLOB, settled)")
        connection.execute("INSERT INTO verdicts VALUES (7, 1, '{}', 1), (7, 2, '{}', 0)")
        connection.commit()
    return path


def test_a_copy_is_kept_of_what_is_damaged(tmp_path: Path) -> None:
    path = ledger(tmp_path)
    copy_databases(tmp_path, 0)
    assert damage_file(tmp_path, "head of inference/ledger.sqlite") == []
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.DatabaseError):
        connection.execute("SELECT * FROM verdicts")
    with closing(sqlite3.connect(tmp_path / "before" / "ledger-00.sqlite")) as connection:
        assert len(connection.execute("SELECT * FROM verdicts").fetchall()) == 2


def test_the_row_of_a_verdict_that_is_not_settled_is_damaged_and_named(tmp_path: Path) -> None:
    path = ledger(tmp_path)
    assert damage_file(tmp_path, "row of inference/ledger.sqlite") == [(7, 2)]
    with closing(sqlite3.connect(path)) as connection:
        (message,) = connection.execute(
            "SELECT message FROM verdicts WHERE part_number = 2"
        ).fetchone()
    with pytest.raises(ValueError, match="utf-8"):
        json.loads(message)


@pytest.mark.parametrize("seed", range(5))
def test_each_place_that_a_plan_damages_is_known(tmp_path: Path, seed: int) -> None:
    ledger(tmp_path)
    for step in build_fault_plan("damaged_files", seed).steps:
        for place in step.victim.split(" and "):
            damage_file(tmp_path, place)


@pytest.mark.parametrize("mutant", build_mutants(1), ids=lambda mutant: mutant.plan.name)
def test_a_mutant_breaks_what_is_there_in_a_copy_only(mutant: object, tmp_path: Path) -> None:
    (found,) = [known for known in build_mutants(1) if known == mutant]
    sound = (REPOSITORY / found.module).read_text()
    names = {
        node.name
        for node in ast.parse(sound).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    assert found.replaced_name in names
    write_mutant(found, tmp_path / "source")
    broken = (tmp_path / "source" / found.module).read_text()
    assert broken == sound + found.code
    ast.parse(broken)
    assert (REPOSITORY / found.module).read_text() == sound


def test_a_scenario_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--scenarios", "kills,earthquake"])
    assert "earthquake" in capsys.readouterr().err


def test_two_runs_do_not_share_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faults").mkdir()
    monkeypatch.setattr("hil.faults.__main__.ensure_pool", lambda *_: tmp_path)
    monkeypatch.setattr("hil.faults.__main__.InterruptSignals", lambda: None)
    with (tmp_path / "faults" / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["--folder", str(tmp_path)]) == 2
    assert "another run uses" in capsys.readouterr().out


def test_the_table_shows_what_passed_failed_and_was_skipped() -> None:
    shown = format_scenario_table(
        {
            "scenarios": {"kills": {"lost": 3, "passed": False}, "stalls": {"passed": True}},
            "skipped": {"disk_full": "mounting a small disk needs root"},
        }
    ).splitlines()
    assert [line.split()[-1] for line in shown[1:]] == ["FAILED", "passed", "skipped"]
