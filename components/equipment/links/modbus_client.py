"""pymodbus's client, so that a lost connection stays lost and each refusal is an error in words."""

import asyncio
from collections.abc import Awaitable, Sequence

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from equipment.links.modbus_configuration import ModbusConfiguration
from equipment.links.modbus_requests import MAX_GAP_WORDS, RegisterSpan, merge_spans
from sightline.errors import MachineLinkError

ILLEGAL_ADDRESS = 2
GAP_REFUSAL_CODES = (2, 3, 4)  # address, value (so many), failure: makers differ
NEVER_JOINED = -1
MODBUS_REFUSALS = {
    1: "it does not know this kind of request",
    2: "it has no such register",
    3: "it does not allow this value",
    4: "it has failed",
    5: "it needs more time",
    6: "it is busy",
    10: "the gateway has no path to it",
    11: "the gateway gets no response from it",
}


class ModbusRefusalError(MachineLinkError):
    """The PLC answered, with a refusal."""

    def __init__(self, what: str, code: int) -> None:
        self.code = code
        reason = MODBUS_REFUSALS.get(code, "it does not say why")
        super().__init__(f"the PLC refuses {what}: {reason} (Modbus exception {code})")


class ModbusConnection:
    """One connection; it never connects again by itself."""

    def __init__(self, configuration: ModbusConfiguration) -> None:
        host, _, port = configuration.endpoint.removeprefix("modbus-tcp://").rpartition(":")
        self._unit = configuration.unit_id
        self._timeout_s = configuration.request_timeout_s
        self._max_gap_words = MAX_GAP_WORDS
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client = AsyncModbusTcpClient(
            host,
            port=int(port.rstrip("/")),
            timeout=configuration.request_timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_connect=self._note_connection,
        )

    async def connect(self) -> None:
        """Connect; MachineLinkError if nobody answers."""
        if not await self._client.connect():
            raise MachineLinkError("no connection: nothing answers at this address")

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    async def wait_for_loss(self) -> None:
        """MachineLinkError once the connection is lost."""
        await self._lost
        raise MachineLinkError("the PLC closed the connection")

    async def read(self, span: RegisterSpan) -> list[int]:
        """The registers of a span, in one request."""
        read = (
            self._client.read_holding_registers
            if span.table == "holding"
            else self._client.read_input_registers
        )
        what = f"to read {span.words} {span.table} registers from {span.address}"
        answer = await self._await_response(
            what, read(span.address, count=span.words, device_id=self._unit)
        )
        if len(answer.registers) != span.words:
            raise MachineLinkError(f"requested {what}, the PLC sent {len(answer.registers)}")
        return list(answer.registers)

    async def read_all(self, spans: Sequence[RegisterSpan]) -> dict[RegisterSpan, Sequence[int]]:
        """The registers of many spans, in as few requests as the PLC takes.

        Where it refuses one that reads along what it perhaps has not, requests no longer reach over
        gaps, then no longer over neighbours, as long as this connection lives.
        """
        while True:
            requests = merge_spans(spans, self._max_gap_words)
            try:
                return {request: await self.read(request) for request in requests}
            except ModbusRefusalError as refusal:
                is_joined = any(request not in spans for request in requests)
                if not is_joined or refusal.code not in GAP_REFUSAL_CODES:
                    raise
                self._max_gap_words = 0 if self._max_gap_words > 0 else NEVER_JOINED

    async def write(self, address: int, words: list[int]) -> None:
        """Write holding registers that lie together, in one request."""
        what = f"to write {len(words)} holding registers from {address}"
        await self._await_response(
            what, self._client.write_registers(address, words, device_id=self._unit)
        )

    async def _await_response(self, what: str, request: Awaitable[ModbusPDU]) -> ModbusPDU:
        try:
            answer = await request
        except ModbusException as error:
            raise MachineLinkError(
                f"no answer to a request {what} within {self._timeout_s:g} s "
                f"(requestTimeoutS): {error}"
            ) from error
        if answer.isError():
            raise ModbusRefusalError(what, answer.exception_code)
        return answer

    def _note_connection(self, connected: bool) -> None:
        if not connected and not self._lost.done():
            self._lost.set_result(None)
