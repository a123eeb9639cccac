"""pymodbus's client, so that a lost connection stays lost and each refusal is an error in words."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from equipment.links.modbus_configuration import BIT_TABLES, ModbusConfiguration
from equipment.links.modbus_requests import MAX_GAP_WORDS, RegisterSpan, merge_spans
from sightline.errors import MachineLinkError

ILLEGAL_ADDRESS = 2
ILLEGAL_FUNCTION = 1
BUSY_CODES = (5, 6, 10, 11)  # it may answer in a moment: asked again on the same connection
FIRST_PAUSE_S, MAX_PAUSE_S = 0.01, 0.1
MAX_WRITE_RETRY_S = 0.2  # a verdict that was late would be refused anyway
UNIT_BYTE = 6  # of a Modbus TCP frame
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

    def __init__(self, what: str, code: int, tries: int = 1) -> None:
        self.code = code
        reason = MODBUS_REFUSALS.get(code, "it does not say why")
        often = f", {tries} times" if tries > 1 else ""
        super().__init__(f"the PLC refuses {what}: {reason} (Modbus exception {code}{often})")


class WritesOneByOneError(MachineLinkError):
    """The PLC has no function 16: what was to be written at once goes one by one from now on."""


class ModbusConnection:
    """One connection; it never connects again by itself."""

    def __init__(self, configuration: ModbusConfiguration) -> None:
        host, _, port = configuration.endpoint.removeprefix("modbus-tcp://").rpartition(":")
        self.retries = 0  # requests that the PLC was too busy for, so far
        self.writes_one_by_one = False  # it has only function 6
        self._swaps_bytes = configuration.byte_order == "low-first"
        self._answering_unit: int | None = None
        self._unit = configuration.unit_id
        self._timeout_s = configuration.request_timeout_s
        self._max_gap_words = MAX_GAP_WORDS
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client = AsyncModbusTcpClient(
            host.strip("[]"),  # an IPv6 address
            port=int(port.rstrip("/")),
            timeout=configuration.request_timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_connect=self._note_connection,
            trace_packet=self._note_packet,
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
        """The registers of a span, or its bits as 0 and 1, in one request."""
        client = self._client
        read, kind = {
            "holding": (client.read_holding_registers, "holding registers"),
            "input": (client.read_input_registers, "input registers"),
            "coil": (client.read_coils, "coils"),
            "discrete": (client.read_discrete_inputs, "discrete inputs"),
        }[span.table]
        what = f"to read {span.words} {kind} from {span.address}"
        answer = await self._await_response(
            what,
            lambda: read(span.address, count=span.words, device_id=self._unit),
            self._timeout_s,
        )
        if span.table in BIT_TABLES:
            found = [int(bit) for bit in answer.bits[: span.words]]  # whole bytes come
        else:
            found = self._swap(answer.registers)
        if len(found) != span.words:
            raise MachineLinkError(f"requested {what}, the PLC sent {len(found)}")
        return found

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
        """Write holding registers that lie together: in one request, or in order one by one.

        `writes_one_by_one` is set where the PLC turns out not to have function 16.
        """
        words = self._swap(words)
        if not self.writes_one_by_one:
            what = f"to write {len(words)} holding registers from {address}"
            try:
                await self._await_response(
                    what,
                    lambda: self._client.write_registers(address, words, device_id=self._unit),
                    MAX_WRITE_RETRY_S,
                )
            except ModbusRefusalError as refusal:
                if refusal.code != ILLEGAL_FUNCTION:
                    raise
                self.writes_one_by_one = True
                raise WritesOneByOneError(str(refusal)) from refusal
            return
        for place, word in enumerate(words, address):
            await self._await_response(
                f"to write the holding register {place}",
                lambda place=place, word=word: self._client.write_register(  # type: ignore[misc]
                    place, word, device_id=self._unit
                ),
                MAX_WRITE_RETRY_S,
            )

    def _swap(self, words: Sequence[int]) -> list[int]:
        if not self._swaps_bytes:
            return list(words)
        return [(word & 0xFF) << 8 | word >> 8 for word in words]

    async def _await_response(
        self, what: str, send: Callable[[], Awaitable[ModbusPDU]], retry_s: float
    ) -> ModbusPDU:
        """The answer; a PLC that is busy is asked again for so long, on the same connection."""
        loop = asyncio.get_running_loop()
        give_up_at_s, pause_s, tries = loop.time() + retry_s, FIRST_PAUSE_S, 0
        while True:
            tries += 1
            try:
                answer = await send()
            except ModbusException as error:
                raise MachineLinkError(self._describe_silence(what, error)) from error
            if not answer.isError():
                return answer
            code = answer.exception_code
            if code not in BUSY_CODES or loop.time() + pause_s > give_up_at_s:
                raise ModbusRefusalError(what, code, tries)
            self.retries += 1
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)

    def _describe_silence(self, what: str, error: ModbusException) -> str:
        if self._answering_unit not in (None, self._unit):
            return (
                f"requested {what} of unit {self._unit}, answers come from unit "
                f"{self._answering_unit}: set unitId to the one that is meant"
            )
        return (
            f"no answer to a request {what} within {self._timeout_s:g} s (requestTimeoutS): {error}"
        )

    def _note_packet(self, sending: bool, packet: bytes) -> bytes:
        if not sending and len(packet) > UNIT_BYTE:
            self._answering_unit = packet[UNIT_BYTE]
        return packet

    def _note_connection(self, connected: bool) -> None:
        if not connected and not self._lost.done():
            self._lost.set_result(None)
