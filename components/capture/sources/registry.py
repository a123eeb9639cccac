"""The kinds of sources: configuration type to class."""

from collections.abc import Callable, Sequence

from capture.configuration import FrameConfiguration, ImagesConfiguration, SourceConfiguration
from capture.sources.images import ImagesSource
from capture.sources.source import FrameSource

OpenSource = Callable[[SourceConfiguration, Sequence[str], FrameConfiguration], FrameSource]
SOURCES: dict[type[SourceConfiguration], OpenSource] = {ImagesConfiguration: ImagesSource}


def open_source(
    configuration: SourceConfiguration, cameras: Sequence[str], frame: FrameConfiguration
) -> FrameSource:
    """The source of the configured kind; CameraError while it cannot be had."""
    return SOURCES[type(configuration)](configuration, cameras, frame)
