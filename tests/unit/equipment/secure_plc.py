"""The odd PLC behind Basic256Sha256: it takes only stations whose certificates it trusts."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.equipment.odd_plc import OddPlc

URI = "urn:test:plc"
POLICIES = [
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Basic256Sha256_Sign,
]


class SecurePlc(OddPlc):
    """Its own certificate is `plc.der`; it trusts those in the folder `trusted`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trusted = folder / "trusted"
        self.trusted.mkdir()
        super().__init__()

    async def _secure(self, server: Any) -> None:
        certificate, key = self.folder / "plc.der", self.folder / "plc.pem"
        await make_pair(certificate, key, URI, [ExtendedKeyUsageOID.SERVER_AUTH])
        await server.set_application_uri(URI)
        server.set_security_policy(POLICIES)
        await server.load_certificate(str(certificate))
        await server.load_private_key(str(key))
        server.set_certificate_validator(self._validate)

    async def _validate(self, certificate: Any, description: Any) -> None:
        store = TrustStore([self.trusted], [])
        await store.load()
        options = CertificateValidatorOptions
        check = CertificateValidator(options.TRUSTED_VALIDATION | options.PEER_CLIENT, store)
        await check(certificate, description)


async def make_pair(certificate: Path, key: Path, uri: str, use: list[Any]) -> None:
    """A self-signed certificate and its key."""
    names = {"organizationName": "Test"}
    await setup_self_signed_certificate(key, certificate, uri, socket.gethostname(), use, names)


def make_station_pair(folder: Path, name: str, uri: str = "urn:sightline:station") -> None:
    """A certificate for a station: `NAME.der` and `NAME.pem`."""
    use = [ExtendedKeyUsageOID.CLIENT_AUTH]
    asyncio.run(make_pair(folder / f"{name}.der", folder / f"{name}.pem", uri, use))


@contextlib.contextmanager
def secure_plc(folder: Path) -> Iterator[SecurePlc]:
    """The server while the block runs."""
    plc = SecurePlc(folder)
    try:
        yield plc
    finally:
        plc.stop()
