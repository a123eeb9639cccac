"""IoT Core by mutual TLS, against a Mosquitto that asks each client for its certificate."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.nucleus.certificates import CertificateAuthority, CertificatePair
from tests.unit.nucleus.running_nucleus import RecipeBuilder, RunningNucleus, nucleus, wait_until
from tests.unit.nucleus.test_whole_nucleus import PING, ping

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@contextmanager
def mosquitto(
    folder: Path, authority: CertificateAuthority, server: CertificatePair
) -> Iterator[int]:
    """A broker that lets in who has a certificate of the authority; gives its port."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\ncafile {authority.pair.certificate}\n"
        f"certfile {server.certificate}\nkeyfile {server.key}\n"
        "require_certificate true\nuse_identity_as_username true\nuser root\n"
    )
    log = folder / "mosquitto.log"
    with log.open("wb") as out:
        broker = subprocess.Popen([MOSQUITTO, "-c", configuration, "-v"], stdout=out, stderr=out)
    try:
        wait_until(lambda: " running" in log.read_text() or broker.poll() is not None)
        assert broker.poll() is None, log.read_text()
        yield port
    finally:
        broker.terminate()
        broker.wait(10)


def tls(thing: CertificatePair, authority: CertificateAuthority) -> tuple[str, ...]:
    """The nucleus's arguments."""
    return (
        *("--certificate", str(thing.certificate), "--private-key", str(thing.key)),
        *("--root-ca", str(authority.pair.certificate)),
    )


def test_a_thing_with_a_certificate_delivers_under_its_name(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path, "authority")
    server, thing = authority.issue("server"), authority.issue("test-thing")
    with (
        mosquitto(tmp_path, authority, server) as port,
        nucleus(tmp_path, [ping(tmp_path)], port=port, more=tls(thing, authority)) as running,
    ):
        wait_until(lambda: "delivered" in running.log(PING))
        log = tmp_path / "mosquitto.log"
        wait_until(lambda: "'cloud/ping'" in log.read_text())
    assert "u'test-thing'" in log.read_text()


def test_a_certificate_of_another_authority_delivers_nothing(tmp_path: Path) -> None:
    authority, other = (
        CertificateAuthority(tmp_path, "authority"),
        CertificateAuthority(tmp_path, "other"),
    )
    server, stranger = authority.issue("server"), other.issue("test-thing")
    with (
        mosquitto(tmp_path, authority, server) as port,
        nucleus(tmp_path, [ping(tmp_path)], port=port, more=tls(stranger, authority)) as running,
    ):
        _is_not_let_in(tmp_path, running)


def test_a_broker_that_is_not_of_the_trusted_authority_is_told_nothing(tmp_path: Path) -> None:
    authority, other = (
        CertificateAuthority(tmp_path, "authority"),
        CertificateAuthority(tmp_path, "other"),
    )
    server, thing = other.issue("server"), authority.issue("test-thing")
    with (
        mosquitto(tmp_path, other, server) as port,
        nucleus(tmp_path, [ping(tmp_path)], port=port, more=tls(thing, authority)) as running,
    ):
        _is_not_let_in(tmp_path, running)


def _is_not_let_in(folder: Path, running: RunningNucleus) -> None:
    # what a broker says of it, and when, is its own: a refused client waits up to 30 s on purpose
    wait_until(lambda: "New connection" in (folder / "mosquitto.log").read_text())
    tried = running.log(PING).count("refused")
    wait_until(lambda: running.log(PING).count("refused") > tried + 20)
    assert "delivered" not in running.log(PING)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--certificate", "thing.pem"), "--certificate and --private-key must be given together"),
        (("--certificate", "no.pem", "--private-key", "no.key"), "no.pem: no such file"),
    ],
)
def test_files_that_are_not_there_are_named(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    with nucleus(tmp_path, [RecipeBuilder(PING, run="true")], more=arguments) as running:
        assert running.process.wait(30) == 1
        assert running.process.stderr is not None
        assert words in running.process.stderr.read().decode()
