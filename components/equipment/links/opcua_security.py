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
from cryptography.x509.oid import ExtendedKeyUsageOID

from equipment.links.opcua_configuration import OpcuaSecurity
from sightline.errors import MachineLinkError

REFUSALS = (
    ua.uaerrors.BadSecurityChecksFailed,
    ua.uaerrors.BadCertificateUntrusted,
    ua.uaerrors.BadCertificateInvalid,
    ua.uaerrors.BadCertificateUriInvalid,
    ua.uaerrors.BadCertificateTimeInvalid,
)


async def secure(client: Client, security: OpcuaSecurity) -> None:
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
        server_certificate=security.server_certificate or None,
        mode=getattr(ua.MessageSecurityMode, security.mode),
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


def in_words(error: Exception, security: OpcuaSecurity) -> str | None:
    """A refusal for security's sake in words; None for any other error."""
    return None
