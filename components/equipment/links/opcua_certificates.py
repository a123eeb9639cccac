"""The certificate that the PLC's server shows: whether it is the one that is trusted, and until when."""

import contextlib
import datetime
import hashlib
import ipaddress
import logging
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from equipment.links.opcua_configuration import OpcuaSecurity
from sightline.errors import MachineLinkError

log = logging.getLogger(__name__)
CERTIFICATE_DATED = "plc-certificate"
SHOWN_FILE = "opcua-server-shown.der"
WARNING_TIME = datetime.timedelta(days=30)


def check_server_certificate(
    security: OpcuaSecurity, shown: bytes | None, host: str | None
) -> None:
    """Refuse a server whose certificate is not the configured one, unless any may be trusted."""
    if not shown:
        raise MachineLinkError("the PLC's server shows no certificate; give it one of its own")
    if not security.server_certificate:
        if not security.trust_any:
            raise MachineLinkError(
                f"nobody said which certificate the PLC's server must show. {_keep(security, shown, host)}"
            )
        log.warning("any server is trusted (security/trustAny)")
        return
    if _read_expected(Path(security.server_certificate)) != shown:
        raise MachineLinkError(
            f"the PLC's server shows another certificate than {security.server_certificate} "
            f"(security/serverCertificate). {_keep(security, shown, host)}"
        )


def _read_expected(path: Path) -> bytes:
    if not path.is_file():
        raise MachineLinkError(f"security/serverCertificate: found no file at {path.absolute()}")
    content = path.read_bytes()
    try:
        if content.startswith(b"-----BEGIN"):
            return x509.load_pem_x509_certificate(content).public_bytes(Encoding.DER)
        return x509.load_der_x509_certificate(content).public_bytes(Encoding.DER)
    except ValueError as error:
        raise MachineLinkError(
            f"security/serverCertificate: {path.absolute()} is no certificate (DER or PEM)"
        ) from error


def _keep(security: OpcuaSecurity, shown: bytes, host: str | None) -> str:
    """Put the shown certificate beside the station's own, and say how to go on from there."""
    path = Path(security.certificate).with_name(SHOWN_FILE)
    with contextlib.suppress(OSError):
        path.write_bytes(shown)
    fingerprint = hashlib.sha256(shown).hexdigest().upper()
    return (
        f"It shows SHA-256 {fingerprint}, kept as {path.absolute()}"
        f"{_describe_names(shown, host)}: compare that with the fingerprint at the PLC, and if it is the "
        "same, set security/serverCertificate to this file (or, with no check at all, security/trustAny)"
    )


def _describe_names(shown: bytes, host: str | None) -> str:
    """What is remarkable in the names of a certificate: the host that was called is not among them."""
    try:
        certificate = x509.load_der_x509_certificate(shown)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return ""
    hosts = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    hosts |= {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    if host is None or _plain_host(host) in hosts:
        return ""
    return f", made for {', '.join(sorted(hosts)) or 'no host'} and not for {host}"


def _plain_host(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()


def describe_validity(shown: bytes, now: datetime.datetime) -> str:
    """Why a trusted certificate should be renewed; empty if it need not be."""
    try:
        certificate = x509.load_der_x509_certificate(shown)
    except ValueError:
        return "The PLC's certificate cannot be read; renew it at the PLC."
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    how = (
        "The station stays connected: it refuses another certificate, but no date. Renew it at the PLC, "
        "and set security/serverCertificate to the new one."
    )
    if now > last:
        return f"The PLC's certificate expired on {last:%Y-%m-%d}. {how}"
    if now < first:
        return (
            f"The PLC's certificate is not valid before {first:%Y-%m-%d %H:%M} UTC; check the clocks "
            "of station and PLC."
        )
    if now > last - WARNING_TIME:
        return f"The PLC's certificate expires on {last:%Y-%m-%d}. {how}"
    return ""
