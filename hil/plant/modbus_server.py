"""The PLC over Modbus TCP: a server with holding registers."""

import logging
from collections.abc import Sequence
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hil.plant.gate_confirmation import ConfirmedPart
from hil.plant.gate_outcomes import CONFIRMATION_CODES, OUTCOME_RING_SLOTS, TimedPartOutcome
from hil.plant.plc_server import WriteHandlers
from hil.plant.register_map import (
    ADDRESS_COUNT,
    CONFIRMATION_ADDRESSES,
    OUTCOME_ADDRESSES,
    OUTCOME_WORDS,
    REGISTERS,
    HoldingRegister,
    WordOrder,
    build_readable_mask,
    encode_words,
)

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
KNOWN_FUNCTIONS = frozenset({3, 6, 16})  # read, write one, write many holding registers


class ModbusPlcServer:
    """A `PlcServer` on pymodbus's server, with its own register memory."""

    def __init__(self, host: str, port: int, word_order: WordOrder) -> None:
        self._host = host
        self._port = port
        self._order = word_order
        self._words = [0] * ADDRESS_COUNT
        self._readable = build_readable_mask()
        self._rows = {row.name: row for row in REGISTERS}
        self._removed: set[str] = set()
        self._write_handlers: WriteHandlers = {}
        self._server: Any = None

    @property
    def endpoint(self) -> str:
        """The server's endpoint, once it listens."""
        return f"modbus-tcp://{self._host}:{self._port}"

    async def prepare(self, written: WriteHandlers) -> None:
        """Prepare the registers; writes by the station call the given function with the new value."""
        self._write_handlers = written

    async def start(self) -> None:
        """Listen."""
        await self.go_online()

    async def stop(self) -> None:
        """Stop listening for good."""
        await self.go_offline()

    async def go_offline(self) -> None:
        """Close all connections and stop listening."""
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()

    async def go_online(self) -> None:
        """Listen again, on the same port."""
        blank = SimData(0, count=ADDRESS_COUNT, values=0, datatype=DataType.REGISTERS)
        self._server = ModbusTcpServer(
            SimDevice(0, simdata=[blank], action=self._handle_request),
            address=(self._host, self._port),
        )
        await self._server.serve_forever(background=True)
        self._port = self._server.transport.sockets[0].getsockname()[1]

    async def write(self, name: str, value: Any, source_utc_ns: int) -> None:
        """Set a register; the counter's moment has a register of its own, set with it."""
        if name == "Line.PartCounter":
            self._write_register(self._rows["Line.CountedAt"], source_utc_ns)
        self._write_register(self._rows[name], value)

    async def write_outcomes(self, kept: Sequence[TimedPartOutcome], total: int) -> None:
        """Write the ring's slots, then the counter, so that a reader of the counter finds the rest."""
        for place, entry in enumerate(kept, start=total - len(kept)):
            address = OUTCOME_ADDRESSES[place % OUTCOME_RING_SLOTS]
            codes = (entry.action_code, entry.cause_code)
            self._write_slot(address, entry.outcome.number, entry.acted_utc_ns, codes)
        self._write_register(self._rows["Outcome.Counter"], total)

    async def write_confirmations(self, kept: Sequence[ConfirmedPart], total: int) -> None:
        """Write the ring's slots, then the counter."""
        for place, part in enumerate(kept, start=total - len(kept)):
            address = CONFIRMATION_ADDRESSES[place % OUTCOME_RING_SLOTS]
            codes = (CONFIRMATION_CODES[part.confirmation], 0)
            self._write_slot(address, part.number, part.acted_utc_ns, codes)
        self._write_register(self._rows["Confirmation.Counter"], total)

    def read(self, name: str) -> int:
        """The value of an integer register."""
        row = self._rows[name]
        return row.decode(self._words[row.address : row.address + row.words], self._order)

    async def remove_register(self, name: str) -> None:
        """Fault: reading the register is refused."""
        self._removed.add(name)

    async def restore_register(self, name: str) -> None:
        """Undo `remove_register`."""
        self._removed.discard(name)

    def _write_slot(self, address: int, number: int, utc_ns: int, codes: tuple[int, int]) -> None:
        self._words[address : address + OUTCOME_WORDS] = [
            *encode_words("uint32", number, self._order),
            *encode_words("uint64", utc_ns, self._order),
            *codes,
        ]

    def _write_register(self, row: HoldingRegister, value: float | str) -> None:
        self._words[row.address : row.address + row.words] = row.encode(value, self._order)

    async def _handle_request(
        self,
        function: int,
        _start: int,
        address: int,
        count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called by the server for each request, before it answers."""
        if function not in KNOWN_FUNCTIONS:
            return ExcCodes.ILLEGAL_FUNCTION
        touched = [row for row in REGISTERS if _overlaps_register(row, address, count)]
        if not all(self._readable[address : address + count]) or any(
            row.name in self._removed for row in touched
        ):
            return ExcCodes.ILLEGAL_ADDRESS
        if written is None:
            registers[address : address + count] = self._words[address : address + count]
            return None
        if not touched or not all(row.written_by_station for row in touched):
            return ExcCodes.ILLEGAL_ADDRESS
        self._words[address : address + count] = [int(word) for word in written]
        for row in touched:
            if row.name in self._write_handlers:
                self._write_handlers[row.name](self.read(row.name))
        return None


def _overlaps_register(row: HoldingRegister, address: int, count: int) -> bool:
    return row.address < address + count and address < row.address + row.words
