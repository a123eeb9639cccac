"""A network between station and PLC that the test can let hold back what the PLC sends."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

from tests.faults.plc_and_equipment import cancel_the_rest


class HeldNetwork:
    """Forwards connections to the PLC's port; while `held` is set, nothing comes back from there.

    What comes back goes through `change`.
    """

    def __init__(self, endpoint: str) -> None:
        scheme, _, rest = endpoint.partition("://")
        host, _, self._path = rest.partition("/")
        self._plc_port = int(host.rpartition(":")[2])
        self.held = threading.Event()
        self.change: Callable[[bytes], bytes] = lambda data: data
        self._writers: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._join, "127.0.0.1", 0), self._loop
        )
        self._server = listening.result(30)
        port = self._server.sockets[0].getsockname()[1]
        self.endpoint = f"{scheme}://127.0.0.1:{port}"

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        plc_reader, plc_writer = await asyncio.open_connection("127.0.0.1", self._plc_port)
        self._writers.append(plc_writer)
        await asyncio.gather(
            self._pipe(reader, plc_writer, False), self._pipe(plc_reader, writer, True)
        )

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_held: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                while is_held and self.held.is_set():
                    await asyncio.sleep(0.002)
                writer.write(self.change(data) if is_held else data)
                await writer.drain()
        writer.close()

    async def _end(self) -> None:
        self._server.close()
        await cancel_the_rest()
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def stop(self) -> None:
        """Cut all connections."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextlib.contextmanager
def held_network(endpoint: str) -> Iterator[HeldNetwork]:
    """The network while the block runs."""
    network = HeldNetwork(endpoint)
    try:
        yield network
    finally:
        network.stop()
