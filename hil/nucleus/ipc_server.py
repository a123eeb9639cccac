"""The Unix socket of the local IPC: takes connections and hands them to `Connection`."""

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path

from hil.nucleus.call import Operations
from hil.nucleus.connection import Connection
from hil.nucleus.dialect import Dialect

LONGEST_SOCKET_PATH_BYTES = 107  # sun_path of Linux, without its final zero
SOCKET_NAME = "ipc.socket"


class IpcServer:
    """Listens in a folder; in a temporary one where the folder's path is too long for a socket."""

    def __init__(self, folder: Path, operations: Operations, dialect: Dialect) -> None:
        self._operations = operations
        self._dialect = dialect
        self._temporary: Path | None = None
        self.path = folder.resolve() / SOCKET_NAME
        if len(os.fsencode(self.path)) > LONGEST_SOCKET_PATH_BYTES:
            self._temporary = Path(tempfile.mkdtemp(prefix="nucleus-"))
            self.path = self._temporary / SOCKET_NAME
        self._connections: set[Connection] = set()
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Begin to listen; asyncio replaces a socket that a killed nucleus left behind."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._connection, str(self.path))
        self.path.chmod(0o600)

    async def stop(self) -> None:
        """Close the socket and every connection, and take the files away."""
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

    def _connection(self) -> Connection:
        connection = Connection(self._operations, self._dialect, self._connections.discard)
        self._connections.add(connection)
        return connection
