"""The broker's login: a user and a password in a file that only its owner reads."""

import argparse
import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

PASSWORD_BYTES = 32
READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class BrokerLogin:
    """A user of the broker, and the password."""

    user: str
    password: str = field(repr=False)


def write_new_login(path: Path) -> BrokerLogin:
    """Write a login that nobody has had before, with mode 0600; OSError."""
    login = BrokerLogin(f"run-{secrets.token_hex(4)}", secrets.token_urlsafe(PASSWORD_BYTES))
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"user": login.user, "password": login.password}, file)
    return login


def read_login(text: str) -> BrokerLogin:
    """Read a login's file for an argument of the command line; ArgumentTypeError if it is unusable."""
    path = Path(text)
    try:
        if path.stat().st_mode & READABLE_BY_OTHERS:
            raise argparse.ArgumentTypeError(
                f"{path}: other users can read this password; protect it with chmod 600 {path}"
            )
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{path}: cannot be read as JSON: {error}") from error
    known = content if isinstance(content, dict) else {}
    user, password = known.get("user"), known.get("password")
    if not (isinstance(user, str) and isinstance(password, str) and user and password):
        raise argparse.ArgumentTypeError(
            f'{path}: expected {{"user": TEXT, "password": TEXT}}, both not empty'
        )
    return BrokerLogin(user, password)


def add_login_argument(parser: argparse._ActionsContainer, without: str) -> None:
    """Add `--broker-login FILE`; `without` says what happens without it."""
    parser.add_argument(
        "--broker-login",
        type=read_login,
        metavar="FILE",
        help='JSON file {"user", "password"} of mode 0600 with the broker\'s login '
        f"(default: {without})",
    )
