"""The PLC over OPC UA: a server with one node for each register."""

import gc
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from asyncua import Server, ua

from hil.plant.address_space import PlcAddressSpace
from hil.plant.gate_confirmation import ConfirmedPart
from hil.plant.gate_outcomes import CONFIRMATION_CODES, TimedPartOutcome
from hil.plant.plc_server import WriteHandlers

logging.getLogger("asyncua").setLevel(logging.ERROR)  # each start warns that there is no encryption


@contextmanager
def pause_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector, and exclude objects created meanwhile from later collections."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class OpcuaPlcServer:
    """A `PlcServer` on asyncua's server."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server = Server()
        self._nodes = PlcAddressSpace(self._server)
        self.write = self._nodes.write
        self.read = self._nodes.read
        self.remove_register = self._nodes.remove_node
        self.restore_register = self._nodes.restore_node

    @property
    def endpoint(self) -> str:
        """The server's endpoint, once it listens."""
        return f"opc.tcp://{self._host}:{self._server.bserver.port}/sightline/plc"

    async def prepare(self, written: WriteHandlers) -> None:
        """Create the nodes; writes by the station call the given function with the new value."""
        with pause_garbage_collection():  # twice as fast: 6,000 nodes that all stay
            await self._server.init()
        self._server.set_endpoint(f"opc.tcp://{self._host}:{self._port}/sightline/plc")
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await self._nodes.create()
        for name, take in written.items():
            self._set_write_handler(name, take)

    async def start(self) -> None:
        """Listen."""
        await self._server.start()

    async def stop(self) -> None:
        """Stop listening for good."""
        await self._server.stop()

    async def go_offline(self) -> None:
        """Close all connections and stop listening."""
        await self._server.bserver.stop()

    async def go_online(self) -> None:
        """Listen again, on the same port."""
        await self._server.bserver.start()

    async def write_outcomes(self, kept: Sequence[TimedPartOutcome], total: int) -> None:
        """Write the columns, then the counter, so that a reader of the counter finds the rest."""
        columns: dict[str, object] = {
            "Outcome.Numbers": [entry.outcome.number for entry in kept],
            "Outcome.Actions": [entry.action_code for entry in kept],
            "Outcome.Times": [entry.acted_utc_ns for entry in kept],
            "Outcome.Causes": [entry.cause_code for entry in kept],
            "Outcome.Counter": total,
        }
        await self._write_columns(columns)

    async def write_confirmations(self, kept: Sequence[ConfirmedPart], total: int) -> None:
        """Write the columns, then the counter."""
        columns: dict[str, object] = {
            "Confirmation.Numbers": [part.number for part in kept],
            "Confirmation.Times": [part.acted_utc_ns for part in kept],
            "Confirmation.Results": [CONFIRMATION_CODES[part.confirmation] for part in kept],
            "Confirmation.Counter": total,
        }
        await self._write_columns(columns)

    async def _write_columns(self, columns: Mapping[str, object]) -> None:
        now = time.time_ns()
        for name, value in columns.items():
            await self.write(name, value, now)

    def _set_write_handler(self, name: str, take: Callable[[int], None]) -> None:
        def setter(node: Any, attribute: Any, value: Any) -> None:
            node.attributes[attribute].value = value
            take(int(value.Value.Value))

        self._server.set_attribute_value_setter(self._nodes.node_id(name), setter)
