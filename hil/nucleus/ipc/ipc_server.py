"""The Unix socket server of the local IPC."""

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path

from hil.nucleus.dialects.dialect import Dialect
from hil.nucleus.ipc.ipc_connection import HANDSHAKE_TIMEOUT_S, IpcConnection
from hil.nucleus.ipc.operation_call import OperationHandler
from hil.nucleus.nucleus_files.damaged_files import set_aside_damaged

MAX_SOCKET_PATH_BYTES = 107  # sun_path of Linux, without its final zero
MAX_WAITING_CLIENTS = 1024  # that have called and are not answered yet
SOCKET_NAME = "ipc.socket"


class IpcServer:
    """Listens in a folder, or in a temporary one if the path is too long for a socket."""

    def __init__(
        self,
        folder: Path,
        operations: OperationHandler,
        dialect: Dialect,
        handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S,
    ) -> None:
        self._operations = operations
        self._dialect = dialect
        self._handshake_timeout_s = handshake_timeout_s
        self._temporary: Path | None = None
        self.path = folder.resolve() / SOCKET_NAME
        if len(os.fsencode(self.path)) > MAX_SOCKET_PATH_BYTES:
            self._temporary = Path(tempfile.mkdtemp(prefix="nucleus-"))
            self.path = self._temporary / SOCKET_NAME
        self._connections: set[IpcConnection] = set()
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Listen; asyncio replaces a socket left behind by a killed nucleus."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and not self.path.is_socket():
            set_aside_damaged(self.path, "found no socket", "It is replaced by a new socket.")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            self._create_connection, str(self.path), backlog=MAX_WAITING_CLIENTS
        )
        self.path.chmod(0o600)

    async def stop(self) -> None:
        """Close the socket and every connection, and delete the files."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()
        if self._server is not None:
            await self._server.wait_closed()
        self.path.unlink(missing_ok=True)
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.rmdir()

    def _create_connection(self) -> IpcConnection:
        connection = IpcConnection(
            self._operations,
            self._dialect,
            self._connections.discard,
            self._handshake_timeout_s,
        )
        self._connections.add(connection)
        return connection
