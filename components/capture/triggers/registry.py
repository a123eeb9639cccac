"""The kinds of triggers: configuration type to class."""

from collections.abc import Callable
from typing import Any

from capture.configuration import (
    IntervalTriggerConfiguration,
    MessageTriggerConfiguration,
    TriggerConfiguration,
)
from capture.triggers.interval import IntervalTrigger
from capture.triggers.message import MessageTrigger
from capture.triggers.trigger import Trigger
from sightline.bus import Inbox
from sightline.clock import Clock

TRIGGERS: dict[type[TriggerConfiguration], Callable[[Any, Inbox, Clock], Trigger]] = {
    MessageTriggerConfiguration: MessageTrigger,
    IntervalTriggerConfiguration: IntervalTrigger,
}


def open_trigger(configuration: TriggerConfiguration, inbox: Inbox, clock: Clock) -> Trigger:
    """The trigger of the configured kind, not yet started."""
    return TRIGGERS[type(configuration)](configuration, inbox, clock)
