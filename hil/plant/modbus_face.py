"""The PLC over Modbus TCP: a server with holding registers."""

import logging
from collections.abc import Sequence
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hil.plant.face import WrittenByStation
from hil.plant.outcomes import KEPT_OUTCOMES, ActedOutcome
from hil.plant.register_map import (
    END,
    OUTCOME_WORDS,
    REGISTERS,
    ROWS_OF_OUTCOMES,
    Register,
    WordOrder,
    readable,
    words_of,
)

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
KNOWN_FUNCTIONS = frozenset({3, 6, 16})  # read, write one, write many holding registers


class ModbusFace:
    """A `PlcFace` on pymodbus's server, with words of its own behind it."""

    def __init__(self, host: str, port: int, word_order: WordOrder) -> None:
        self._host = host
        self._port = port
        self._order = word_order
        self._words = [0] * END
        self._there = readable()
        self._rows = {row.name: row for row in REGISTERS}
        self._absent: set[str] = set()
        self._written: WrittenByStation = {}
        self._server: Any = None

    @property
    def endpoint(self) -> str:
        """Where stations find it, once it listens."""
        return f"modbus-tcp://{self._host}:{self._port}"

    async def prepare(self, written: WrittenByStation) -> None:
        """A register that the station writes calls its function with the new value."""
        self._written = written

    async def start(self) -> None:
        """Listen."""
        await self.come_back()

    async def stop(self) -> None:
        """Listen no more, for good."""
        await self.leave()

    async def leave(self) -> None:
        """Close all connections and stop listening."""
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()

    async def come_back(self) -> None:
        """Listen again, on the same port."""
        blank = SimData(0, count=END, values=0, datatype=DataType.REGISTERS)
        self._server = ModbusTcpServer(
            SimDevice(0, simdata=[blank], action=self._serve), address=(self._host, self._port)
        )
        await self._server.serve_forever(background=True)
        self._port = self._server.transport.sockets[0].getsockname()[1]

    async def write(self, name: str, value: Any, source_utc_ns: int) -> None:
        """Set a register; the counter's moment has a register of its own, set with it."""
        if name == "Line.PartCounter":
            self._put(self._rows["Line.CountedAt"], source_utc_ns)
        self._put(self._rows[name], value)

    async def write_outcomes(self, kept: Sequence[ActedOutcome], total: int) -> None:
        """Fill the ring's slots, and last the counter: who sees it change finds all the rest."""
        for place, entry in enumerate(kept, start=total - len(kept)):
            address = ROWS_OF_OUTCOMES[place % KEPT_OUTCOMES]
            self._words[address : address + OUTCOME_WORDS] = [
                *words_of("uint32", entry.outcome.number, self._order),
                *words_of("uint64", entry.acted_utc_ns, self._order),
                entry.action_code,
                entry.cause_code,
            ]
        self._put(self._rows["Outcome.Counter"], total)

    def read(self, name: str) -> int:
        """What a register of whole numbers holds."""
        row = self._rows[name]
        return row.decode(self._words[row.address : row.address + row.words], self._order)

    async def take_away(self, name: str) -> None:
        """Fault: reading the register is refused."""
        self._absent.add(name)

    async def put_back(self, name: str) -> None:
        """Undo `take_away`."""
        self._absent.discard(name)

    def _put(self, row: Register, value: float | str) -> None:
        self._words[row.address : row.address + row.words] = row.encode(value, self._order)

    async def _serve(
        self,
        function: int,
        _start: int,
        address: int,
        count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called by the server for each request, before it answers from its own registers."""
        if function not in KNOWN_FUNCTIONS:
            return ExcCodes.ILLEGAL_FUNCTION
        touched = [row for row in REGISTERS if _overlap(row, address, count)]
        if not all(self._there[address : address + count]) or any(
            row.name in self._absent for row in touched
        ):
            return ExcCodes.ILLEGAL_ADDRESS
        if written is None:
            registers[address : address + count] = self._words[address : address + count]
            return None
        if not touched or not all(row.written_by_station for row in touched):
            return ExcCodes.ILLEGAL_ADDRESS
        self._words[address : address + count] = [int(word) for word in written]
        for row in touched:
            if row.name in self._written:
                self._written[row.name](self.read(row.name))
        return None


def _overlap(row: Register, address: int, count: int) -> bool:
    return row.address < address + count and address < row.address + row.words
