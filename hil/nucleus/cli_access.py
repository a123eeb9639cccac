"""The file that gives command-line tools access to the nucleus: its socket and a token.

As with Greengrass's own command line tool, whoever can read the file can deploy.
"""

import contextlib
import logging
import os
from pathlib import Path

import msgspec

from hil.nucleus.component_runtime.script_environment import generate_token
from hil.nucleus.configuration.configuration_store import ConfigurationStore
from hil.nucleus.ipc_operations.authorization import CLI
from hil.nucleus.nucleus_files.damaged_files import ensure_file_path, ensure_folder
from sightline.errors import RecipeError

log = logging.getLogger(__name__)


class CliAccess(msgspec.Struct, frozen=True):
    """The file's content."""

    cli_auth_token: str
    domain_socket_path: str


class CliAccessFile:
    """Creates the access file and removes it."""

    def __init__(self, root: Path, tokens: dict[str, str], store: ConfigurationStore) -> None:
        self._path = cli_access_path(root)
        self._tokens = tokens
        self._store = store
        self._token = ""

    def open(self, socket: Path) -> None:
        """Write the file, readable by this user only."""
        self._token = generate_token()
        self._tokens[self._token] = CLI
        policy = {"operations": ["*"], "resources": ["*"]}
        with contextlib.suppress(OSError):  # it is in memory, and created again at each start
            self._store.apply_deployment(CLI, {"accessControl": {CLI: {"1": policy}}}, {}, 0.0)
        try:
            self._write(socket)
        except OSError as error:
            log.error(
                "command-line tools cannot reach this nucleus: cannot write %s: %s",
                self._path,
                error,
            )

    def _write(self, socket: Path) -> None:
        ensure_folder(self._path.parent)
        self._path.parent.chmod(0o700)
        ensure_file_path(self._path)
        self._path.unlink(missing_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(CliAccess(self._token, str(socket))))

    def close(self) -> None:
        """Remove the file."""
        self._tokens.pop(self._token, None)
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def cli_access_path(root: Path) -> Path:
    """The access file's path under a nucleus's root."""
    return root / "cli_ipc_info" / f"user-{os.getuid()}"


def load_cli_access(root: Path) -> CliAccess:
    """Load the access to a running nucleus; FileNotFoundError if none runs, RecipeError if unreadable."""
    path = cli_access_path(root)
    try:
        return msgspec.json.decode(path.read_bytes(), type=CliAccess)
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}; restart the nucleus") from error
