"""The configuration of a link over Modbus TCP; docs/plc-handshake.md has the registers as a table."""

from typing import Annotated, Literal

from msgspec import Meta

from sightline.configuration import ConfigurationStruct

Milliseconds = Annotated[float, Meta(ge=1, le=10_000)]
Seconds = Annotated[float, Meta(ge=0.05, le=600)]
RegisterAddress = Annotated[int, Meta(ge=0, le=65_535)]
RegisterTable = Literal["holding", "input", "coil", "discrete"]
RegisterType = Literal["bool", "uint16", "int16", "uint32", "int32", "uint64", "float32", "float64"]
WordOrder = Literal["high-first", "low-first"]
ByteOrder = Literal["high-first", "low-first"]  # of the two bytes of a register
BIT_TABLES: tuple[RegisterTable, ...] = ("coil", "discrete")


class ModbusRegister(ConfigurationStruct, frozen=True, kw_only=True):
    """Where a reading is: its value is what the register holds, times `scale`, plus `offset`.

    A coil or a discrete input holds a bit: its `type` is bool.
    """

    address: RegisterAddress
    table: RegisterTable = "holding"
    type: RegisterType = "float32"
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        """ValueError if a bit is to be a number."""
        if self.table in BIT_TABLES and self.type != "bool":
            raise ValueError(
                f"type {self.type!r} of table {self.table!r}, which holds bits; set bool"
            )


class PlcRegisters(ConfigurationStruct, frozen=True, kw_only=True):
    """Where the PLC keeps the handshake's registers: holding registers, counted from 0.

    Only where it has them: when it counted (uint64, UTC in ns; null: the station's clock tells), the
    belt's speed (float32; null: the configured speed holds), the dry run's number (uint32), the product
    as a number (uint16), the lot as text in `lot_words` registers, whether the reject bin is full
    (bool), and what the sensors behind the gate saw (a counter, uint32, and where its ring starts).
    """

    part_counter: RegisterAddress = 0
    counted_at: RegisterAddress | None = 2
    belt_speed: RegisterAddress | None = 6
    verdict_echo: RegisterAddress = 8
    outcome_counter: RegisterAddress = 10
    line_stop: RegisterAddress = 13
    heartbeat: RegisterAddress = 20
    verdict_part_number: RegisterAddress = 22
    verdict_code: RegisterAddress = 24
    verdict_strobe: RegisterAddress = 26
    outcomes: RegisterAddress = 100
    product: RegisterAddress | None = None
    lot: RegisterAddress | None = None
    dry_run: RegisterAddress | None = None
    lot_words: Annotated[int, Meta(ge=1, le=32)] = 8
    reject_bin_full: RegisterAddress | None = None
    confirmation_counter: RegisterAddress | None = None
    confirmations: RegisterAddress | None = None

    def __post_init__(self) -> None:
        """ValueError if only a part of the confirmation is there."""
        if (self.confirmation_counter is None) != (self.confirmations is None):
            raise ValueError(
                "confirmationCounter and confirmations go together: set both or neither"
            )


class ModbusConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """A PLC that speaks Modbus TCP; a belt at rest (speed 0) is looked at less often."""

    endpoint: Annotated[
        str, Meta(pattern=r"^modbus-tcp://(\[[0-9A-Fa-f:.]+(%\w+)?\]|[^/:\[\]]+):\d{1,5}/?$")
    ] = "modbus-tcp://127.0.0.1:502"
    unit_id: Annotated[int, Meta(ge=0, le=255)] = 1
    word_order: WordOrder = "high-first"
    byte_order: ByteOrder = "high-first"
    registers: PlcRegisters = PlcRegisters()
    polling_interval_ms: Milliseconds = 10.0
    resting_interval_ms: Milliseconds = 30.0
    request_timeout_s: Seconds = 1.0
    first_retry_s: Seconds = 0.2
    max_retry_s: Seconds = 3.0
