"""Protected OPC UA: certificates by configuration, and a refusal in words."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asyncua import Client, ua
from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    setup_self_signed_certificate,
)
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from equipment.links.opcua_certificates import check_server_certificate
from equipment.links.opcua_configuration import OpcuaConfiguration, OpcuaSecurity
from sightline.errors import MachineLinkError

SECURITY_POLICIES: dict[str, Any] = {
    "Basic256Sha256": SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": SecurityPolicyAes256Sha256RsaPss,
}
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
LOGIN_REFUSALS: tuple[type[BaseException], ...] = (
    ua.uaerrors.BadUserAccessDenied,
    ua.uaerrors.BadIdentityTokenRejected,
    ua.uaerrors.BadIdentityTokenInvalid,
)
ADDRESS_REFUSED = (
    "the PLC's server does not answer to this address; write link/opcua/endpoint as its own OPC UA "
    "settings name it"
)
SERVER_FULL = "the PLC's server has no place for one more {what}: end another client, or allow more"
OTHER_REFUSALS: dict[type[BaseException], str] = {
    ua.uaerrors.BadTcpEndpointUrlInvalid: ADDRESS_REFUSED,
    ua.uaerrors.BadServerUriInvalid: ADDRESS_REFUSED,
    ua.uaerrors.BadTooManySessions: SERVER_FULL.format(what="session"),
    ua.uaerrors.BadMaxConnectionsReached: SERVER_FULL.format(what="connection"),
    ua.uaerrors.BadTooManySubscriptions: SERVER_FULL.format(what="subscription"),
}
NO_SUCH_ENDPOINT = "No matching endpoints"
POLICY_REFUSED = (ua.uaerrors.BadSecurityPolicyRejected, ua.uaerrors.BadSecurityModeRejected)


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
        SECURITY_POLICIES[security.policy],
        certificate=str(certificate),
        private_key=str(key),
        mode=getattr(ua.MessageSecurityMode, security.mode),
    )
    check_server_certificate(
        security, client.security_policy.peer_certificate, client.server_url.hostname
    )


async def describe_no_endpoint(client: Client, security: OpcuaSecurity) -> str:
    """What the server offers in place of the connection that is wished for."""
    return (
        f"the PLC offers no connection with policy {security.policy} and mode {security.mode}; it offers "
        f"{_describe_offers(await client.connect_and_get_server_endpoints())}. "
        "See security/policy and security/mode"
    )


def is_no_endpoint(error: BaseException) -> bool:
    """Whether the server has no endpoint of the kind that was asked for."""
    return str(error).startswith(NO_SUCH_ENDPOINT) or isinstance(error, POLICY_REFUSED)


def _describe_offers(endpoints: Sequence[Any]) -> str:
    offers = {
        "none"
        if endpoint.SecurityMode == ua.MessageSecurityMode.None_
        else f"{endpoint.SecurityPolicyUri.rpartition('#')[2]} with {endpoint.SecurityMode.name}"
        for endpoint in endpoints
    }
    return ", ".join(sorted(offers)) or "no connection at all"


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


def describe_refusal(error: BaseException, configuration: OpcuaConfiguration) -> str | None:
    """A refusal by the server in words; None for any other error."""
    security, user = configuration.security, configuration.user
    if isinstance(error, LOGIN_REFUSALS):
        if user.name:
            return f"the PLC refuses user {user.name} or its password; see link/opcua/user"
        return "the PLC refuses a log-in without a user: set link/opcua/user (name, passwordFile)"
    words = OPCUA_REFUSALS.get(type(error), OTHER_REFUSALS.get(type(error)))
    return words and words.format(certificate=security.certificate, uri=security.application_uri)
