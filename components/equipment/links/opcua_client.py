"""The client of one connection: whose log-in it is, and that a password never goes out in the open."""

import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyNone

from equipment.links.opcua_configuration import OpcuaConfiguration, OpcuaUser
from sightline.errors import MachineLinkError

DEFAULT_PORT = 4840
SESSION_TIMEOUT_MS = 60_000
LOGIN_NAMES = {
    ua.UserTokenType.Anonymous: "anonymous",
    ua.UserTokenType.UserName: "user and password",
    ua.UserTokenType.Certificate: "user certificate",
    ua.UserTokenType.IssuedToken: "issued token",
}


class PlcClient(Client):  # type: ignore[misc]  # the library has types only in part
    """A client that logs in as configured, or says why it cannot."""

    def __init__(self, configuration: OpcuaConfiguration) -> None:
        endpoint = add_default_port(configuration.endpoint)
        super().__init__(endpoint, timeout=configuration.request_timeout_s)
        self.session_timeout = SESSION_TIMEOUT_MS
        self._user = configuration.user
        if self._user.name:
            self.set_user(self._user.name)
            self.set_password(read_password(self._user))

    def server_policy(self, token_type: Any) -> Any:
        """How the server takes this kind of log-in; MachineLinkError if not, or not safely."""
        offered = [policy.TokenType for policy in self._policy_ids]
        if offered and token_type not in offered:
            names = ", ".join(sorted({LOGIN_NAMES.get(kind, str(kind)) for kind in offered}))
            raise MachineLinkError(
                f"the PLC's server takes no log-in of kind {LOGIN_NAMES[token_type]} here; it takes: "
                f"{names}. See link/opcua/user and link/opcua/security"
            )
        policy = super().server_policy(token_type)
        if token_type == ua.UserTokenType.UserName:
            self._check_password_is_safe(policy)
        return policy

    def _check_password_is_safe(self, policy: Any) -> None:
        """Under policy none whoever sits between could name a key of his own; so that is no protection."""
        is_protected = self.security_policy.Mode != ua.MessageSecurityMode.None_
        is_encrypted = self.security_policy.Mode == ua.MessageSecurityMode.SignAndEncrypt or (
            is_protected and policy.SecurityPolicyUri not in (None, "", SecurityPolicyNone.URI)
        )
        if not is_encrypted and not self._user.allow_plain_password:
            raise MachineLinkError(
                "the password of link/opcua/user would go to the PLC unprotected, and was not sent: set "
                "security/policy Basic256Sha256 with mode SignAndEncrypt, or, on a network of the "
                "machine's own, user/allowPlainPassword"
            )


def add_default_port(endpoint: str) -> str:
    """An endpoint with its port; OPC UA's own where none is given."""
    parts = urlsplit(endpoint)
    if parts.port is not None:
        return endpoint
    return parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{DEFAULT_PORT}").geturl()


def read_password(user: OpcuaUser) -> str:
    """The first line of the password's file; errors name the file and never its content."""
    path = Path(user.password_file)
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise MachineLinkError(
            f"user/passwordFile: cannot read {path.absolute()} ({why}); write the password of user "
            f"{user.name} into it, readable by the component only"
        ) from None
    if stat.S_IMODE(mode) & stat.S_IROTH:
        raise MachineLinkError(
            f"user/passwordFile: {path.absolute()} can be read by everybody; make it readable by the "
            f"component only (chmod 600), and change the password of user {user.name}"
        )
    if not lines or not lines[0]:
        raise MachineLinkError(f"user/passwordFile: {path.absolute()} is empty")
    return lines[0]
