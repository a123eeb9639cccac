"""The kinds of sources: configuration type to what opens it."""

from collections.abc import Callable
from typing import Any

from capture.configuration import CaptureConfiguration, ImagesConfiguration, SourceConfiguration
from capture.sources.images import ImagesSource
from capture.sources.source import FrameSource
from capture.sources.v4l2 import open_v4l2
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.clock import Clock
from sightline.kernel.health import ComponentHealth

OpenSource = Callable[[Any, CaptureConfiguration, ComponentHealth, Clock], FrameSource]
SOURCES: dict[type[SourceConfiguration], OpenSource] = {
    ImagesConfiguration: lambda source, capture, *_: ImagesSource(
        source, capture.cameras, capture.frame
    ),
    V4l2Configuration: lambda source, capture, health, clock: open_v4l2(
        source, capture.cameras, capture.frame_size, health, clock
    ),
}


def open_source(
    configuration: CaptureConfiguration, health: ComponentHealth, clock: Clock
) -> FrameSource:
    """The source of the configured kind; CameraError while it cannot be had."""
    source = configuration.source
    return SOURCES[type(source)](source, configuration, health, clock)
