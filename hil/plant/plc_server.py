"""The PLC's server: registers by name, the same over OPC UA and Modbus."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from hil.plant.gate_confirmation import ConfirmedPart
from hil.plant.gate_outcomes import TimedPartOutcome

ProtocolName = Literal["opcua", "modbus"]
WriteHandlers = Mapping[str, Callable[[int], None]]


class PlcServer(Protocol):
    """What the PLC's program needs of its server."""

    @property
    def endpoint(self) -> str:
        """The server's endpoint, once it listens."""

    async def prepare(self, written: WriteHandlers) -> None:
        """Create the registers; writes by the station call the given function with the new value."""

    async def start(self) -> None:
        """Listen."""

    async def stop(self) -> None:
        """Stop listening for good."""

    async def go_offline(self) -> None:
        """Close all connections and stop listening."""

    async def go_online(self) -> None:
        """Listen again, on the same port."""

    async def write(self, name: str, value: object, source_utc_ns: int) -> None:
        """Set a register, with the time of its value."""

    async def write_outcomes(self, kept: Sequence[TimedPartOutcome], total: int) -> None:
        """Write the stored outcomes, oldest first, then their total number."""

    async def write_confirmations(self, kept: Sequence[ConfirmedPart], total: int) -> None:
        """Write the stored confirmations, oldest first, then their total number."""

    def read(self, name: str) -> int:
        """The value of an integer register."""

    async def remove_register(self, name: str) -> None:
        """Fault: the register no longer exists."""

    async def restore_register(self, name: str) -> None:
        """Undo `remove_register`."""
