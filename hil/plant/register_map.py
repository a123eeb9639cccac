"""The PLC's Modbus holding registers; see docs/plc-handshake.md for their meaning."""

import math
import struct
from dataclasses import dataclass
from typing import Literal

from hil.plant.gate_outcomes import OUTCOME_RING_SLOTS

WordOrder = Literal["high-first", "low-first"]
WORD_FORMATS = {
    "bool": "H",
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "uint64": "Q",
    "float32": "f",
    "text16": "16s",  # two characters a register, the first in the high byte
}
NO_READING_INT16 = -32_768  # what a sensor of whole numbers says when it is broken


@dataclass(frozen=True)
class HoldingRegister:
    """One value: address (from 0), type, divisor, and who may write it."""

    name: str
    address: int
    kind: str
    scale: float = 1.0
    written_by_station: bool = False

    @property
    def words(self) -> int:
        """The number of registers that it occupies."""
        return struct.calcsize(">" + WORD_FORMATS[self.kind]) // 2

    def encode(self, value: float | str, order: WordOrder) -> list[int]:
        """Encode a value as 16-bit words."""
        if isinstance(value, str):
            return list(struct.unpack(">8H", struct.pack(">16s", value.encode("ascii", "replace"))))
        if self.kind == "int16":
            value = NO_READING_INT16 if math.isnan(value) else round(value / self.scale)
        return encode_words(self.kind, value, order)

    def decode(self, words: list[int], order: WordOrder) -> int:
        """Decode the integer in 16-bit words."""
        in_order = words if order == "high-first" else words[::-1]
        packed = struct.pack(f">{len(in_order)}H", *in_order)
        return int(struct.unpack(">" + WORD_FORMATS[self.kind], packed)[0])


def encode_words(kind: str, value: float, order: WordOrder) -> list[int]:
    """Encode a value as words, high byte first in each; `order` is the word order."""
    packed = struct.pack(">" + WORD_FORMATS[kind], value)
    words = list(struct.unpack(f">{len(packed) // 2}H", packed))
    return words if order == "high-first" else words[::-1]


REGISTERS: tuple[HoldingRegister, ...] = (
    HoldingRegister("Line.PartCounter", 0, "uint32"),
    HoldingRegister("Line.CountedAt", 2, "uint64"),
    HoldingRegister("Line.BeltSpeed", 6, "float32"),
    HoldingRegister("Verdict.Echo", 8, "uint32"),
    HoldingRegister("Outcome.Counter", 10, "uint32"),
    HoldingRegister("Line.Running", 12, "bool"),
    HoldingRegister("Station.LineStop", 13, "uint16", written_by_station=True),
    HoldingRegister("Line.Product", 14, "uint16"),
    HoldingRegister("Reject.BinFull", 15, "bool"),
    HoldingRegister("Confirmation.Counter", 16, "uint32"),
    HoldingRegister("Station.Heartbeat", 20, "uint32", written_by_station=True),
    HoldingRegister("Verdict.PartNumber", 22, "uint32", written_by_station=True),
    HoldingRegister("Verdict.Code", 24, "uint16", written_by_station=True),
    HoldingRegister("Verdict.Strobe", 26, "uint32", written_by_station=True),
    HoldingRegister("Station.DryRun", 28, "uint32", written_by_station=True),
    HoldingRegister("Line.Lot", 30, "text16"),
    HoldingRegister("Machine.MotorCurrent", 700, "float32"),
    HoldingRegister("Machine.Vibration", 702, "float32"),
    HoldingRegister("Machine.AirPressure", 704, "float32"),
    HoldingRegister("Machine.MotorTemperature", 706, "int16", scale=0.1),
)
OUTCOMES_ADDRESS = 100
OUTCOME_WORDS = 8  # number (2), time (4), action, cause
OUTCOMES_END = OUTCOMES_ADDRESS + OUTCOME_RING_SLOTS * OUTCOME_WORDS
OUTCOME_ADDRESSES = tuple(range(OUTCOMES_ADDRESS, OUTCOMES_END, OUTCOME_WORDS))
CONFIRMATIONS_ADDRESS = 800  # slots as long as the outcomes': number, time, result, spare
CONFIRMATIONS_END = CONFIRMATIONS_ADDRESS + OUTCOME_RING_SLOTS * OUTCOME_WORDS
CONFIRMATION_ADDRESSES = tuple(range(CONFIRMATIONS_ADDRESS, CONFIRMATIONS_END, OUTCOME_WORDS))
ADDRESS_COUNT = CONFIRMATIONS_END + 8


def build_readable_mask() -> list[bool]:
    """For each address below `END`, whether it is readable (spare ones within a block are)."""
    return [
        address < 38
        or OUTCOMES_ADDRESS <= address < OUTCOMES_END
        or 700 <= address < 708
        or CONFIRMATIONS_ADDRESS <= address < CONFIRMATIONS_END
        for address in range(ADDRESS_COUNT)
    ]
