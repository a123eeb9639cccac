"""The kinds of sources: configuration type to what opens it."""

from collections.abc import Callable, Sequence
from typing import Any

from capture.configuration import FrameConfiguration, ImagesConfiguration, SourceConfiguration
from capture.sources.images import ImagesSource
from capture.sources.source import FrameSource
from capture.sources.v4l2 import open_v4l2
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.clock import Clock
from sightline.kernel.health import ComponentHealth

OpenSource = Callable[[Any, Sequence[str], FrameConfiguration, ComponentHealth, Clock], FrameSource]
SOURCES: dict[type[SourceConfiguration], OpenSource] = {
    ImagesConfiguration: lambda configuration, cameras, frame, *_: ImagesSource(
        configuration, cameras, frame
    ),
    V4l2Configuration: open_v4l2,
}


def open_source(
    configuration: SourceConfiguration,
    cameras: Sequence[str],
    frame: FrameConfiguration,
    health: ComponentHealth,
    clock: Clock,
) -> FrameSource:
    """The source of the configured kind; CameraError while it cannot be had."""
    return SOURCES[type(configuration)](configuration, cameras, frame, health, clock)
