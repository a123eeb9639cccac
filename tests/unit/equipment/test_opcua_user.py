"""User and password: from a file, never in the open unless it is allowed, never told."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager

from equipment.configuration import EquipmentConfiguration
from equipment.links.opcua_configuration import OpcuaSecurity, OpcuaUser
from sightline.configuration import load_configuration
from sightline.errors import ConfigurationError
from tests.faults.plc_and_equipment import RunningEquipment, running_equipment, wait_for
from tests.unit.equipment.secure_plc import SecurePlc, make_station_pair
from tests.unit.equipment.strange_plc import StrangePlc, strange_plc, takes_a_part_through

NAME, PASSWORD = "line", "own-Pässword 7"


class OneUser(UserManager):  # type: ignore[misc]
    """Knows one user."""

    def get_user(
        self,
        iserver: Any,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> Any:
        """Who logs in; nobody, with another password or none."""
        return User(role=UserRole.User) if (username, password) == (NAME, PASSWORD) else None


def build_with_user() -> Server:
    """A server that knows one user."""
    return Server(user_manager=OneUser())


@pytest.fixture(scope="module")
def plc() -> Iterator[StrangePlc]:
    with strange_plc(build_with_user) as plc:
        yield plc


class SecureUserPlc(SecurePlc):
    """The same behind certificates."""

    def _build_server(self) -> Any:
        return build_with_user()


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureUserPlc]:
    folder = tmp_path_factory.mktemp("secure-user")
    make_station_pair(folder, "station")
    plc = SecureUserPlc(folder)
    (plc.trusted / "station.der").write_bytes((folder / "station.der").read_bytes())
    try:
        yield plc
    finally:
        plc.stop()


def a_user(folder: Path, password: str = PASSWORD + "\n", **more: Any) -> OpcuaUser:
    """The user, with a password in a file that the component alone can read."""
    file = folder / "plc-password"
    file.write_text(password, encoding="utf-8")
    file.chmod(0o600)
    return OpcuaUser(name=NAME, password_file=str(file), **more)


def fault_says(equipment: RunningEquipment, *words: str) -> None:
    """Wait for the fault with all these words."""
    wait_for(
        f"a fault with {words}",
        lambda: all(word in equipment.faults().get("plc-away", "") for word in words),
    )


def test_a_plc_that_wants_a_user_refuses_a_station_without_one_in_words(plc: StrangePlc) -> None:
    with running_equipment(plc.endpoint) as equipment:
        fault_says(equipment, "refuses a log-in without a user", "link/opcua/user", "passwordFile")


def test_a_password_is_not_sent_in_the_open(plc: StrangePlc, tmp_path: Path) -> None:
    with running_equipment(plc.endpoint, link={"user": a_user(tmp_path)}) as equipment:
        fault_says(
            equipment, "unprotected, and was not sent", "security/policy", "user/allowPlainPassword"
        )


def test_a_password_goes_in_the_open_where_that_is_allowed_and_is_never_told(
    plc: StrangePlc, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    link = {"user": a_user(tmp_path, allow_plain_password=True)}
    with running_equipment(plc.endpoint, link=link) as equipment:
        equipment.wait_until_ready()
        takes_a_part_through(plc, equipment)
    assert PASSWORD not in caplog.text


def test_a_wrong_password_is_refused_in_words_without_it(plc: StrangePlc, tmp_path: Path) -> None:
    link = {"user": a_user(tmp_path, "another-word", allow_plain_password=True)}
    with running_equipment(plc.endpoint, link=link) as equipment:
        fault_says(equipment, "refuses user line or its password", "link/opcua/user")
        assert "another-word" not in str(equipment.faults())


@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
def test_a_password_goes_encrypted_over_a_protected_connection(
    secure: SecureUserPlc, tmp_path: Path, mode: Any
) -> None:
    secure.begin_anew()
    link = {"user": a_user(tmp_path), "security": security(secure, mode)}
    with running_equipment(secure.endpoint, link=link) as equipment:
        equipment.wait_until_ready()
        equipment.judge(7, "ok")
        wait_for("the verdict", lambda: bool(secure.writes("Verdict.Strobe")))


def security(plc: SecurePlc, mode: Any) -> OpcuaSecurity:
    """Protected by certificates."""
    return OpcuaSecurity(
        policy="Basic256Sha256",
        mode=mode,
        certificate=str(plc.folder / "station.der"),
        private_key=str(plc.folder / "station.pem"),
        server_certificate=str(plc.folder / "plc.der"),
    )


def test_a_signed_connection_whose_server_wants_the_password_plain_does_not_get_it(
    secure: SecureUserPlc, tmp_path: Path
) -> None:
    tokens = [
        (token, token.SecurityPolicyUri)
        for endpoint in secure._server.iserver.endpoints
        for token in endpoint.UserIdentityTokens
        if token.TokenType == ua.UserTokenType.UserName
    ]
    link = {"user": a_user(tmp_path), "security": security(secure, "Sign")}
    try:
        for token, _ in tokens:
            token.SecurityPolicyUri = "http://opcfoundation.org/UA/SecurityPolicy#None"
        with running_equipment(secure.endpoint, link=link) as equipment:
            fault_says(equipment, "unprotected, and was not sent", "SignAndEncrypt")
    finally:
        for token, uri in tokens:
            token.SecurityPolicyUri = uri


def test_a_server_without_the_kind_of_log_in_says_which_it_has(
    plc: StrangePlc, tmp_path: Path
) -> None:
    (endpoint,) = plc.server.iserver.endpoints
    tokens = endpoint.UserIdentityTokens
    link = {"user": a_user(tmp_path, allow_plain_password=True)}
    try:
        endpoint.UserIdentityTokens = [
            token for token in tokens if token.TokenType == ua.UserTokenType.Anonymous
        ]
        with running_equipment(plc.endpoint, link=link) as equipment:
            fault_says(equipment, "no log-in of kind user and password", "it takes: anonymous")
    finally:
        endpoint.UserIdentityTokens = tokens


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0, ["cannot read", "plc-password", "No such file"]),
        (b"", 0o600, ["plc-password is empty"]),
        (b"\n", 0o600, ["plc-password is empty"]),
        (b"\xff\xfe", 0o600, ["it is not UTF-8"]),
        (b"secret-word", 0o644, ["can be read by everybody", "chmod 600"]),
    ],
)
def test_a_password_file_that_cannot_be_used_is_told_with_what_to_do_and_without_its_content(
    tmp_path: Path, content: bytes | None, mode: int, words: list[str]
) -> None:
    file = tmp_path / "plc-password"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    user = OpcuaUser(name=NAME, password_file=str(file))
    with running_equipment("opc.tcp://127.0.0.1:9", link={"user": user}) as equipment:
        fault_says(equipment, "user/passwordFile", *words)
        assert "secret-word" not in str(equipment.faults())


def test_a_user_without_a_password_file_and_an_address_with_a_password_are_refused_unquoted() -> (
    None
):
    for values, words in (
        ({"user": {"name": "line"}}, "user line has no passwordFile"),
        ({"endpoint": "opc.tcp://line:own-word@plc-7:4840"}, "set user/name and user/passwordFile"),
    ):
        with pytest.raises(ConfigurationError) as refusal:
            load_configuration(EquipmentConfiguration, {"link": {"opcua": values}})
        assert words in str(refusal.value)
        assert "own-word" not in str(refusal.value)
