"""The configuration of cameras that the kernel knows as V4L2 nodes."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, field
from msgspec.structs import replace

from sightline.configuration import ConfigurationStruct
from sightline.messaging.messages import PixelFormat

CONTROL_NAME = r"^(0x[0-9a-fA-F]{1,8}|[a-z0-9_]{1,64})$"
ControlName = Annotated[str, Meta(pattern=CONTROL_NAME)]
ControlValues = dict[ControlName, int]
WaitMilliseconds = Annotated[float, Meta(ge=0, le=10_000)]


class V4l2CameraConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """One camera: its node, best by path as /dev/v4l/by-path/..., and controls of its own.

    Controls go by name, as the driver writes it in lower case with _ for blanks, or by number as 0x9a092a.
    """

    node: Annotated[str, Meta(min_length=1)]
    controls: ControlValues = field(default_factory=dict)


class MatchingConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """Which frame is the part's: one stamped near the trigger's time plus `offsetMs`.

    `freeRunning`: of the frames in the window the nearest; else the cameras expose once a trigger, and
    it is the first. `arrivalMs` is how long after the window a frame may take to come.
    """

    offset_ms: Annotated[float, Meta(ge=-10_000, le=10_000)] = 0.0
    before_ms: WaitMilliseconds = 25.0
    after_ms: WaitMilliseconds = 25.0
    arrival_ms: WaitMilliseconds = 75.0
    free_running: bool = True


class V4l2Configuration(
    ConfigurationStruct, frozen=True, kw_only=True, tag_field="kind", tag="v4l2"
):
    """Cameras by name; `controls` are set on all of them, before each one's own."""

    cameras: dict[str, V4l2CameraConfiguration]
    pixel_format: PixelFormat = "UYVY"
    controls: ControlValues = field(default_factory=dict)
    matching: MatchingConfiguration = MatchingConfiguration()
    buffers: Annotated[int, Meta(ge=2, le=32)] = 4
    kept_frames: Annotated[int, Meta(ge=1, le=64)] = 4
    dropped_first: Annotated[int, Meta(ge=0, le=1000)] = 4
    silence_ms: Annotated[float, Meta(ge=100, le=60_000)] = 2000.0
    folder: str | None = None  # not looked at: a deployment cannot take away what images had there

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for name, camera in self.cameras.items():
            if camera.node in seen:
                raise ValueError(f"{seen[camera.node]} and {name} both have the node {camera.node}")
            seen[camera.node] = name

    def controls_for(self, camera: str) -> dict[str, int]:
        """What to set on a camera: everyone's, then its own."""
        return {**self.controls, **self.cameras[camera].controls}

    def without_controls(self) -> "V4l2Configuration":
        """The same, whatever is set on the cameras."""
        cameras = {name: replace(camera, controls={}) for name, camera in self.cameras.items()}
        return replace(self, cameras=cameras, controls={})

    def with_controls(self, changes: Mapping[str, ControlValues]) -> "V4l2Configuration":
        """The same with other values for some controls of some cameras."""
        cameras = {
            name: replace(camera, controls={**camera.controls, **changes.get(name, {})})
            for name, camera in self.cameras.items()
        }
        return replace(self, cameras=cameras)
