"""An OPC UA server with the PLC's nodes that the test may fill as it likes; it notes each write."""

import asyncio
import contextlib
import datetime
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from asyncua import Server, ua

from hil.plant.address_space import NODES, PlcAddressSpace
from tests.faults.plc_and_equipment import cancel_the_rest

T = TypeVar("T")


class OddPlc:
    """A server in a thread with its own loop, on any free port."""

    named_endpoint = "opc.tcp://127.0.0.1:0/"

    def __init__(self) -> None:
        self.written: list[tuple[str, int]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="odd-plc", daemon=True)
        self._thread.start()
        self._server = self._build_server()
        self._nodes = PlcAddressSpace(self._server)
        self._do(self._start())

    def _build_server(self) -> Any:
        return Server()

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"opc.tcp://127.0.0.1:{self._server.bserver.port}/"

    def put(
        self, name: str, value: object, kind: Any, status: int = 0, year: int | None = None
    ) -> None:
        """Let a node hold anything, of any type and status, said to be of any year."""
        moment = datetime.datetime.now(datetime.timezone.utc)
        if year is not None:
            moment = datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc)
        data = ua.DataValue(ua.Variant(value, kind), ua.StatusCode(status), SourceTimestamp=moment)
        self._do(self._put(self._nodes.node_id(name), data))

    def begin_anew(self) -> None:
        """Let all nodes hold what they hold at power-on, and forget what was written."""
        for row in NODES:
            variant = ua.Variant(row.initial, row.kind, is_array=row.is_array)
            self._do(self._put(self._nodes.node_id(row.name), ua.DataValue(variant)))
        self.written.clear()

    async def _put(self, node_id: Any, data: Any) -> None:
        stored = self._server.iserver.aspace[node_id].attributes[ua.AttributeIds.Value]
        if stored.value.Value.VariantType != data.Value.VariantType:
            stored.value = None  # else the server refuses a value of another type
        await self._server.write_attribute_value(node_id, data)

    def writes(self, group: str) -> list[tuple[str, int]]:
        """What the station wrote to a group of nodes, in order."""
        return [(name, value) for name, value in self.written if name.startswith(group)]

    def stop(self) -> None:
        """End the server and its thread."""
        self._do(self._server.stop())
        self._do(cancel_the_rest())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        await self._server.init()
        self._server.set_endpoint(self.named_endpoint)
        await self._secure(self._server)
        await self._nodes.create()
        for row in NODES:
            if row.written_by_station:
                self._note_writes(row.name)
        await self._server.start()

    async def _secure(self, server: Any) -> None:
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])

    def _note_writes(self, name: str) -> None:
        def setter(node: Any, attribute: Any, value: Any) -> None:
            node.attributes[attribute].value = value
            self.written.append((name, value.Value.Value))

        self._server.set_attribute_value_setter(self._nodes.node_id(name), setter)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


@contextlib.contextmanager
def odd_plc() -> Iterator[OddPlc]:
    """The server while the block runs."""
    plc = OddPlc()
    try:
        yield plc
    finally:
        plc.stop()
