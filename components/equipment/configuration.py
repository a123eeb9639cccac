"""The configuration of the equipment component; the defaults are the recipe's."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta, field
from msgspec.structs import force_setattr

from equipment.links.modbus_configuration import ModbusConfiguration, ModbusRegister
from equipment.links.opcua_configuration import PLC_NODE_PREFIX, NodeText, OpcuaConfiguration
from sightline.configuration import ConfigurationStruct, named_entries
from sightline.messaging.topics import EQUIPMENT
from sightline.old_component_keys import OLD_COMPONENT_KEYS
from sightline.storage.products import ProductName
from sightline.storage.station_folder import DEFAULT_STATION_FOLDER

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Milliseconds = Annotated[float, Meta(ge=1, le=10_000)]
Seconds = Annotated[float, Meta(ge=0.05, le=600)]
LinkKind = Literal["opcua", "modbus"]
log = logging.getLogger(__name__)


class LinkConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """Which protocol the PLC speaks; only that one's part is used.

    Each protocol has a part of its own, since a deployment merges keys and can take none away.
    """

    kind: LinkKind = "opcua"
    opcua: OpcuaConfiguration = OpcuaConfiguration()
    modbus: ModbusConfiguration = ModbusConfiguration()

    @property
    def active(self) -> OpcuaConfiguration | ModbusConfiguration:
        """The part of the chosen protocol."""
        return self.opcua if self.kind == "opcua" else self.modbus

    @property
    def supports_dry_runs(self) -> bool:
        """Whether it is said where the PLC takes the numbers of a gate dry run."""
        if self.kind == "opcua":
            return self.opcua.nodes.dry_run is not None
        return self.modbus.registers.dry_run is not None

    @property
    def confirms_parts(self) -> bool:
        """Whether it is said where the PLC tells what the sensors behind the gate saw."""
        if self.kind == "opcua":
            return self.opcua.nodes.confirmation_counter is not None
        return self.modbus.registers.confirmation_counter is not None

    @property
    def endpoint(self) -> str:
        """Where the PLC is."""
        return self.active.endpoint


class TagReading(ConfigurationStruct, frozen=True, kw_only=True):
    """One reading to take each interval: a node over OPC UA, a register over Modbus.

    A number below `minValue` or above `maxValue` is none that the sensor can give: it is told as bad.
    (What is normal, and what is not, the telemetry component knows.)
    """

    node_id: NodeText | None = None
    register: ModbusRegister | None = None
    unit: Annotated[str, Meta(max_length=16)] = ""
    min_value: float = -1e12
    max_value: float = 1e12

    def __post_init__(self) -> None:
        if self.min_value > self.max_value:
            raise ValueError(f"minValue {self.min_value} is above maxValue {self.max_value}")


class TagConfiguration(TagReading, frozen=True, kw_only=True):
    """A reading with its name."""

    tag: Name


if TYPE_CHECKING:
    Tags = tuple[TagConfiguration, ...]
else:  # a map by tag, because Nucleus Lite keeps a list as one value of at most 1,024 bytes
    Tags = (
        Annotated[dict[Name, TagReading], Meta(max_length=200)]
        | Annotated[tuple[TagConfiguration, ...], Meta(max_length=200)]
    )


def _tag(
    tag: str, node: str, register: ModbusRegister, unit: str, min_value: float, max_value: float
) -> TagConfiguration:
    return TagConfiguration(
        tag=tag,
        node_id=PLC_NODE_PREFIX + node,
        register=register,
        unit=unit,
        min_value=min_value,
        max_value=max_value,
    )


DEFAULT_TAGS = (
    _tag("line_running", "Line.Running", ModbusRegister(address=12, type="bool"), "", 0, 1),
    _tag("belt_speed", "Line.BeltSpeed", ModbusRegister(address=6, type="float32"), "m/s", -10, 10),
    _tag("motor_current", "Machine.MotorCurrent", ModbusRegister(address=700), "A", -100, 100),
    _tag(
        "motor_temperature",
        "Machine.MotorTemperature",
        ModbusRegister(address=706, type="int16", scale=0.1),
        "Cel",
        -60,
        300,
    ),
    _tag("vibration", "Machine.Vibration", ModbusRegister(address=702), "mm/s", 0, 1000),
    _tag("air_pressure", "Machine.AirPressure", ModbusRegister(address=704), "bar", -1, 50),
)


class EquipmentConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """What the component talks to, and how often; a limit of 0 parts in a row is never reached.

    `products`: what the PLC calls a product, mostly a number, to the product's name. `tags` is written
    as a map by tag; where it is given it takes the place of all the defaults. A list is still read.
    """

    OLD_KEYS: ClassVar[Mapping[str, str]] = OLD_COMPONENT_KEYS[EQUIPMENT]

    equipment_id: Name = "conveyor-1"
    line_id: Name = "line-1"
    link: LinkConfiguration = LinkConfiguration()
    tags: Tags = DEFAULT_TAGS
    station_folder: Annotated[str, Meta(min_length=1)] = DEFAULT_STATION_FOLDER
    sample_interval_s: Seconds = 0.5
    heartbeat_interval_ms: Milliseconds = 100.0
    counter_announce_interval_s: Seconds = 1.0
    verdict_margin_ms: Annotated[float, Meta(ge=0, le=10_000)] = 20.0
    line_stop_after_missed: Annotated[int, Meta(ge=0, le=10_000)] = 0
    max_rejects_in_row: Annotated[int, Meta(ge=0, le=10_000)] = 0
    line_stop_if_rejects_in_row: bool = False
    line_stop_if_not_confirmed: bool = False
    line_stop_if_bin_full: bool = True
    allow_bypass: bool = False
    products: Annotated[dict[str, ProductName], Meta(max_length=1000)] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given: object = self.tags
        if isinstance(given, dict):
            force_setattr(self, "tags", named_entries(TagConfiguration, "tag", given))
        elif self.tags and self.tags is not DEFAULT_TAGS:
            log.warning("tags are a list, which the next release will not read; write a map by tag")
        field = "node_id" if self.link.kind == "opcua" else "register"
        for tag in self.tags:
            if getattr(tag, field) is None:
                raise ValueError(
                    f"tag {tag.tag} has no {'nodeId' if field == 'node_id' else field}, "
                    f"which a link of kind {self.link.kind} needs"
                )
