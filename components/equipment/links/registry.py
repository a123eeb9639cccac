"""The kinds of links: configuration type to class."""

from collections.abc import Callable

from equipment.configuration import OpcuaConfiguration, TagConfiguration
from equipment.links.link import MachineLink
from equipment.links.opcua import OpcuaLink
from sightline.bus import Inbox
from sightline.clock import Clock

OpenLink = Callable[[OpcuaConfiguration, tuple[TagConfiguration, ...], Inbox, Clock], MachineLink]
LINKS: dict[type[OpcuaConfiguration], OpenLink] = {OpcuaConfiguration: OpcuaLink}


def open_link(
    configuration: OpcuaConfiguration,
    tags: tuple[TagConfiguration, ...],
    inbox: Inbox,
    clock: Clock,
) -> MachineLink:
    """The link of the configured kind, not yet started."""
    return LINKS[type(configuration)](configuration, tags, inbox, clock)
