"""The kinds of links: configuration type to class."""

from collections.abc import Callable
from typing import Any

from equipment.configuration import LinkConfiguration, TagConfiguration
from equipment.links.link import MachineLink
from equipment.links.modbus_configuration import ModbusConfiguration
from equipment.links.opcua_configuration import OpcuaConfiguration
from sightline.clock import Clock
from sightline.messaging.bus import Inbox

OpenLink = Callable[[Any, tuple[TagConfiguration, ...], Inbox, Clock], MachineLink]


def _opcua(*parts: Any) -> MachineLink:
    from equipment.links.opcua import OpcuaLink  # late: its library takes a third of a second

    return OpcuaLink(*parts)


def _modbus(*parts: Any) -> MachineLink:
    from equipment.links.modbus import ModbusLink

    return ModbusLink(*parts)


LINKS: dict[type[Any], OpenLink] = {OpcuaConfiguration: _opcua, ModbusConfiguration: _modbus}


def open_link(
    configuration: LinkConfiguration,
    tags: tuple[TagConfiguration, ...],
    inbox: Inbox,
    clock: Clock,
) -> MachineLink:
    """The link of the configured kind, not yet started."""
    chosen = configuration.active
    return LINKS[type(chosen)](chosen, tags, inbox, clock)
