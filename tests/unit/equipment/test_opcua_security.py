"""A protected connection against a real server: trusted, untrusted, unknown and missing certificates."""

import hashlib
import shutil
import stat
import time
from collections.abc import Iterator

import pytest

from equipment.links.opcua_configuration import OpcuaSecurity
from sightline.clock import SystemClock
from tests.faults.plc_and_equipment import RunningEquipment, running_equipment, wait_for
from tests.unit.equipment.secure_plc import SecurePlc, make_station_pair, secure_plc


@pytest.fixture(scope="module")
def plc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecurePlc]:
    folder = tmp_path_factory.mktemp("secure")
    make_station_pair(folder, "station")
    make_station_pair(folder, "stranger")
    make_station_pair(folder, "namesake", uri="urn:another:application")
    with secure_plc(folder) as plc:
        for name in ("station", "namesake"):
            shutil.copy(folder / f"{name}.der", plc.trusted)
        yield plc


def of(plc: SecurePlc, name: str, **more: object) -> dict[str, object]:
    values = {
        "policy": "Basic256Sha256",
        "certificate": str(plc.folder / f"{name}.der"),
        "private_key": str(plc.folder / f"{name}.pem"),
        "server_certificate": str(plc.folder / "plc.der"),
        **more,
    }
    return {"security": OpcuaSecurity(**values)}  # type: ignore[arg-type]


def fault_of(equipment: RunningEquipment) -> str:
    return equipment.faults().get("plc-away", "")


@pytest.mark.parametrize("mode", ["SignAndEncrypt", "Sign"])
def test_a_station_that_the_plc_trusts_connects_and_its_verdict_arrives(
    plc: SecurePlc, mode: str
) -> None:
    plc.begin_anew()
    with running_equipment(plc.endpoint, link=of(plc, "station", mode=mode)) as equipment:
        equipment.wait_until_ready()
        equipment.judge(7, "ok")
        wait_for("the verdict", lambda: bool(plc.writes("Verdict.Strobe")))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "stranger",
            ["refuses this station's certificate", "stranger.der", "let the PLC trust it"],
        ),
        ("namesake", ["refuses this station's certificate", "urn:sightline:station"]),
    ],
)
def test_a_station_that_the_plc_does_not_trust_is_refused_in_words(
    plc: SecurePlc, name: str, words: list[str]
) -> None:
    with running_equipment(plc.endpoint, link=of(plc, name)) as equipment:
        wait_for(
            f"a fault with {words}", lambda: all(word in fault_of(equipment) for word in words)
        )
        assert not equipment.ready


def test_a_station_without_protection_is_refused_in_words(plc: SecurePlc) -> None:
    with running_equipment(plc.endpoint) as equipment:
        wait_for("the fault", lambda: "security/policy" in fault_of(equipment))
        offers = "it offers Basic256Sha256 with Sign, Basic256Sha256 with SignAndEncrypt."
        assert offers in fault_of(equipment)


def test_a_policy_that_the_server_lacks_is_refused_with_those_that_it_has(plc: SecurePlc) -> None:
    link = of(plc, "station", policy="Aes256_Sha256_RsaPss")
    with running_equipment(plc.endpoint, link=link) as equipment:
        wait_for("the fault", lambda: "policy Aes256_Sha256_RsaPss and mode" in fault_of(equipment))
        assert "it offers Basic256Sha256 with Sign, " in fault_of(equipment)


def test_a_server_of_which_nobody_said_what_it_must_show_is_refused_and_its_certificate_kept(
    plc: SecurePlc,
) -> None:
    link = of(plc, "station", server_certificate="")
    shown = plc.folder / "opcua-server-shown.der"
    with running_equipment(plc.endpoint, link=link) as equipment:
        wait_for("the fault", lambda: "nobody said which certificate" in fault_of(equipment))
        digest = hashlib.sha256((plc.folder / "plc.der").read_bytes()).hexdigest().upper()
        for words in (digest, str(shown), "not for 127.0.0.1", "serverCertificate", "trustAny"):
            assert words in fault_of(equipment)
        assert not equipment.ready
    assert shown.read_bytes() == (plc.folder / "plc.der").read_bytes()
    link = of(plc, "station", server_certificate=str(shown))  # as the sentence says
    with running_equipment(plc.endpoint, link=link) as equipment:
        equipment.wait_until_ready()


def test_any_server_is_taken_where_the_configuration_says_so(plc: SecurePlc) -> None:
    link = of(plc, "station", server_certificate="", trust_any=True)
    with running_equipment(plc.endpoint, link=link) as equipment:
        equipment.wait_until_ready()
        assert equipment.faults() == {}


def test_a_server_certificate_that_is_none_is_refused_with_its_file(plc: SecurePlc) -> None:
    wrong = plc.folder / "wrong.der"
    wrong.write_bytes(b"no certificate")
    link = of(plc, "station", server_certificate=str(wrong))
    with running_equipment(plc.endpoint, link=link) as equipment:
        wait_for("the fault", lambda: "wrong.der is no certificate" in fault_of(equipment))


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (100, ""),
        (350, "expires on"),
        (400, "expired on"),
        (-2, "is not valid before"),
    ],
)
def test_a_certificate_that_ends_soon_or_has_ended_is_told_and_the_station_stays_connected(
    plc: SecurePlc, days: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = time.time_ns() + days * 86_400 * 1_000_000_000
    monkeypatch.setattr(SystemClock, "utc_ns", lambda self: now_ns)
    with running_equipment(plc.endpoint, link=of(plc, "station")) as equipment:
        equipment.wait_until_ready()
        if words:
            wait_for("the fault", lambda: words in equipment.faults().get("plc-certificate", ""))
        assert "plc-away" not in equipment.faults()
        assert ("plc-certificate" in equipment.faults()) == bool(words)


def test_a_server_that_is_not_the_expected_one_is_refused_in_words(plc: SecurePlc) -> None:
    link = of(plc, "station", server_certificate=str(plc.folder / "stranger.der"))
    with running_equipment(plc.endpoint, link=link) as equipment:
        wait_for("the fault", lambda: "security/serverCertificate" in fault_of(equipment))


def test_a_certificate_that_is_not_there_is_a_fault_that_says_what_to_do(plc: SecurePlc) -> None:
    with running_equipment(plc.endpoint, link=of(plc, "nobody")) as equipment:
        wait_for("the fault", lambda: "makeCertificate" in fault_of(equipment))
        assert "security/certificate: found no file at " in fault_of(equipment)
        assert "nobody.der" in fault_of(equipment)


def test_a_certificate_is_made_once_if_configured_and_its_key_is_the_stations_alone(
    plc: SecurePlc,
) -> None:
    link = of(plc, "made", make_certificate=True)
    certificate, key = plc.folder / "made.der", plc.folder / "made.pem"
    with running_equipment(plc.endpoint, link=link) as equipment:
        wait_for("the refusal", lambda: "made.der" in fault_of(equipment))
        made = certificate.read_bytes()
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        shutil.copy(certificate, plc.trusted)  # as an engineer does at the PLC
        equipment.wait_until_ready()
    with running_equipment(plc.endpoint, link=link) as equipment:
        equipment.wait_until_ready()
    assert certificate.read_bytes() == made
