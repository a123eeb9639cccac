"""The PLC's side of a protocol: registers by name, the same names over OPC UA and Modbus."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from hil.plant.gate_outcomes import TimedPartOutcome

ProtocolName = Literal["opcua", "modbus"]
WriteHandlers = Mapping[str, Callable[[int], None]]


class PlcServer(Protocol):
    """What the PLC's program sees of its server."""

    @property
    def endpoint(self) -> str:
        """Where stations find it, once it listens."""

    async def prepare(self, written: WriteHandlers) -> None:
        """Make the registers; one that the station writes calls its function with the new value."""

    async def start(self) -> None:
        """Listen."""

    async def stop(self) -> None:
        """Listen no more, for good."""

    async def go_offline(self) -> None:
        """Close all connections and stop listening."""

    async def go_online(self) -> None:
        """Listen again, on the same port."""

    async def write(self, name: str, value: object, source_utc_ns: int) -> None:
        """Set a register, with the moment at which its value came about."""

    async def write_outcomes(self, kept: Sequence[TimedPartOutcome], total: int) -> None:
        """Tell the outcomes kept, oldest first, and then how many there ever were."""

    def read(self, name: str) -> int:
        """What a register of whole numbers holds."""

    async def remove_register(self, name: str) -> None:
        """Fault: the register is no more."""

    async def restore_register(self, name: str) -> None:
        """Undo `take_away`."""
