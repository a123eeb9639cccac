"""Protected OPC UA: certificates by configuration, and a refusal in words."""

import os
import socket
from pathlib import Path

from asyncua import Client, ua
from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    setup_self_signed_certificate,
)
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID

from equipment.links.opcua_configuration import OpcuaSecurity
from sightline.errors import MachineLinkError

NOT_TRUSTED = "the PLC refuses this station's certificate {certificate}: let the PLC trust it"
OPCUA_REFUSALS: dict[type[BaseException], str] = {
    ua.uaerrors.BadCertificateUntrusted: NOT_TRUSTED,
    ua.uaerrors.BadSecurityChecksFailed: NOT_TRUSTED,
    ua.uaerrors.BadCertificateUriInvalid: (
        "the PLC refuses this station's certificate {certificate}: "
        "it is not for security/applicationUri {uri}"
    ),
    ua.uaerrors.BadCertificateTimeInvalid: (
        "the PLC refuses this station's certificate {certificate}: by the PLC's clock it is not "
        "yet or no longer valid"
    ),
    ua.uaerrors.BadCertificateUseNotAllowed: (
        "the PLC refuses this station's certificate {certificate}: it is not a client certificate"
    ),
    ua.uaerrors.BadCertificateInvalid: (
        "the PLC refuses this station's certificate {certificate}: the PLC cannot read it"
    ),
}
NO_SUCH_ENDPOINT = "No matching endpoints"


async def configure_security(client: Client, security: OpcuaSecurity) -> None:
    """Prepare a client for a protected connection; nothing to do with policy `none`."""
    if security.policy == "none":
        return
    certificate, key = Path(security.certificate), Path(security.private_key)
    if security.make_certificate and not certificate.exists():
        await make_certificate(certificate, key, security.application_uri)
    for field, path in (("certificate", certificate), ("privateKey", key)):
        if not path.is_file():
            raise MachineLinkError(
                f"security/{field}: found no file at {path.absolute()}; give the station's own, "
                "or set makeCertificate"
            )
    client.application_uri = security.application_uri
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        certificate=str(certificate),
        private_key=str(key),
        mode=getattr(ua.MessageSecurityMode, security.mode),
    )
    if security.server_certificate:
        _check_server_certificate(
            Path(security.server_certificate), client.security_policy.peer_certificate
        )


def _check_server_certificate(expected: Path, shown: bytes) -> None:
    if not expected.is_file():
        raise MachineLinkError(
            f"security/serverCertificate: found no file at {expected.absolute()}"
        )
    content = expected.read_bytes()
    if content.startswith(b"-----BEGIN"):
        content = load_pem_x509_certificate(content).public_bytes(Encoding.DER)
    if content != shown:
        raise MachineLinkError(
            f"the server shows another certificate than {expected} (security/serverCertificate)"
        )


async def make_certificate(certificate: Path, key: Path, application_uri: str) -> None:
    """Make a self-signed certificate (DER), and its key (PEM) unless there is one."""
    if not key.exists():
        readable_by_us_only = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(readable_by_us_only, "wb") as file:
            file.write(dump_private_key_as_pem(generate_private_key()))
    await setup_self_signed_certificate(
        key,
        certificate,
        application_uri,
        socket.gethostname(),
        [ExtendedKeyUsageOID.CLIENT_AUTH],
        {"organizationName": "Sightline"},
    )


def describe_refusal(error: BaseException, security: OpcuaSecurity) -> str | None:
    """A refusal for security's sake in words; None for any other error."""
    if str(error).startswith(NO_SUCH_ENDPOINT):
        return (
            f"the PLC offers no connection with policy {security.policy} "
            f"and mode {security.mode}; see security/policy and security/mode"
        )
    words = OPCUA_REFUSALS.get(type(error))
    return words and words.format(certificate=security.certificate, uri=security.application_uri)
