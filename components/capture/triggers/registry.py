"""The kinds of triggers: configuration type to class."""

from collections.abc import Callable
from typing import Any

from capture.configuration import (
    GpioTriggerConfiguration,
    IntervalTriggerConfiguration,
    MessageTriggerConfiguration,
    TriggerConfiguration,
)
from capture.triggers.gpio import GpioTrigger
from capture.triggers.interval import IntervalTrigger
from capture.triggers.message import MessageTrigger
from capture.triggers.trigger import TriggerSource
from sightline.clock import Clock
from sightline.kernel.health import ComponentHealth
from sightline.messaging.bus import Inbox

TRIGGERS: dict[
    type[TriggerConfiguration], Callable[[Any, Inbox, Clock, ComponentHealth], TriggerSource]
] = {
    MessageTriggerConfiguration: lambda configuration, inbox, clock, _: MessageTrigger(
        configuration, inbox, clock
    ),
    IntervalTriggerConfiguration: IntervalTrigger,
    GpioTriggerConfiguration: GpioTrigger,
}


def open_trigger(
    configuration: TriggerConfiguration, inbox: Inbox, clock: Clock, health: ComponentHealth
) -> TriggerSource:
    """The trigger of the configured kind, not yet started."""
    return TRIGGERS[type(configuration)](configuration, inbox, clock, health)
