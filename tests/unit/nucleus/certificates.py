"""Certificates for tests: an authority, a server of this machine, a thing."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey


@dataclass(frozen=True)
class CertificatePair:
    """PEM files of a certificate and its private key."""

    certificate: Path
    key: Path


class CertificateAuthority:
    """Signs certificates into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.pair = self._signed(name, self._name, self._key, is_authority=True)

    def issue(self, name: str) -> CertificatePair:
        """A certificate for a server at 127.0.0.1 or a client."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._signed(name, subject, key, is_authority=False)

    def _signed(
        self, file: str, subject: x509.Name, key: Key, is_authority: bool
    ) -> CertificatePair:
        now = datetime.now(timezone.utc)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pair = CertificatePair(self._folder / f"{file}.pem", self._folder / f"{file}.key")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        return pair
