"""A Modbus server that the test may fill as it likes; it notes each request."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hil.plant.register_map import ADDRESS_COUNT, REGISTERS, WordOrder, encode_words
from tests.faults.plc_and_equipment import cancel_the_rest

T = TypeVar("T")
ROWS = {row.name: row for row in REGISTERS}


class OddModbusPlc:
    """A server in a thread with its own loop, on any free port."""

    def __init__(self, order: WordOrder = "high-first", host: str = "127.0.0.1") -> None:
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        self.order: WordOrder = order
        self.host = host
        self.swaps_bytes = False
        self.has_function_16 = True
        self.busy_every: tuple[int, ExcCodes] | None = None
        self.connections = 0
        self.words = [0] * ADDRESS_COUNT
        self.requests: list[tuple[int, int, int]] = []
        self.written: list[tuple[int, list[int]]] = []
        self.refused: dict[int, ExcCodes] = {}
        self.after_read: Callable[[int], None] = lambda address: None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: Any = None
        self._do(self._start())

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"modbus-tcp://{host}:{self._server.transport.sockets[0].getsockname()[1]}"

    def put(self, name: str, value: float) -> None:
        """Set a register by the name that the handshake's table gives it."""
        row = ROWS[name]
        self.put_words(row.address, encode_words(row.kind, value, self.order))

    def put_words(self, address: int, words: list[int]) -> None:
        """Set registers."""
        self.words[address : address + len(words)] = words

    def writes_to(self, name: str) -> list[list[int]]:
        """What the station wrote at a register's address, in order."""
        return [words for address, words in self.written if address == ROWS[name].address]

    def reads(self) -> list[tuple[int, int]]:
        """Address and number of registers of each request to read."""
        return [(address, count) for function, address, count in self.requests if function == 3]

    def hang_up(self) -> None:
        """Close all connections, and go on listening."""
        self._loop.call_soon_threadsafe(self._close_connections)

    def _close_connections(self) -> None:
        for connection in list(self._server.active_connections.values()):
            connection.close()

    async def _start(self) -> None:
        blank = SimData(0, count=ADDRESS_COUNT, values=0, datatype=DataType.REGISTERS)
        device = SimDevice(0, simdata=[blank], action=self._serve)
        self._server = ModbusTcpServer(device, address=(self.host, 0), trace_connect=self._count)
        await self._server.serve_forever(background=True)

    def _count(self, connected: bool) -> None:
        self.connections += connected

    def _refuse(self, function: int, address: int, count: int) -> ExcCodes | None:
        if function == 16 and not self.has_function_16:
            return ExcCodes.ILLEGAL_FUNCTION
        if self.busy_every is not None and len(self.requests) % self.busy_every[0] == 0:
            return self.busy_every[1]
        for refused, code in self.refused.items():
            if address <= refused < address + count:
                return code
        return None

    def _on_wire(self, words: list[int]) -> list[int]:
        return [(w & 0xFF) << 8 | w >> 8 for w in words] if self.swaps_bytes else words

    async def _serve(
        self,
        function: int,
        _start: int,
        address: int,
        count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        self.requests.append((function, address, count))
        refused = self._refuse(function, address, count)
        if refused is not None:
            return refused
        if written is not None:
            words = self._on_wire([int(word) for word in written])
            self.put_words(address, words)
            self.written.append((address, words))
        registers[address : address + count] = self._on_wire(self.words[address : address + count])
        if written is None:
            self.after_read(address)
        return None

    def stop(self) -> None:
        """End the server and its thread."""
        self._do(self._server.shutdown())
        self._do(cancel_the_rest())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


@contextlib.contextmanager
def odd_modbus_plc(
    order: WordOrder = "high-first", host: str = "127.0.0.1"
) -> Iterator[OddModbusPlc]:
    """The server while the block runs."""
    plc = OddModbusPlc(order, host)
    try:
        yield plc
    finally:
        plc.stop()
