"""The configuration of the capture component; the defaults are the recipe's."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.configuration import ConfigurationStruct
from sightline.messaging.messages import PixelFormat
from sightline.messaging.topics import CAPTURE
from sightline.old_component_keys import OLD_COMPONENT_KEYS
from sightline.storage.station_folder import DEFAULT_STATION_FOLDER

CameraName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
CameraNames = Annotated[tuple[CameraName, ...], Meta(min_length=1, max_length=8)]
PixelCount = Annotated[int, Meta(ge=16, le=8192, multiple_of=2)]
Milliseconds = Annotated[float, Meta(ge=1, le=60_000)]
ShortText = Annotated[str, Meta(max_length=64)]
LumaLevel = Annotated[float, Meta(ge=0, le=255)]


class ImagesConfiguration(
    ConfigurationStruct, frozen=True, kw_only=True, tag_field="kind", tag="images"
):
    """Cameras that play a folder of pictures."""

    folder: Annotated[str, Meta(min_length=1)] = "pictures"


class MessageTriggerConfiguration(
    ConfigurationStruct, frozen=True, kw_only=True, tag_field="kind", tag="message"
):
    """The PLC says that a part is there, and its number."""


class IntervalTriggerConfiguration(
    ConfigurationStruct, frozen=True, kw_only=True, tag_field="kind", tag="interval"
):
    """A part is taken to be there each interval; capture counts by itself."""

    interval_ms: Milliseconds = 1000.0


class GpioTriggerConfiguration(
    ConfigurationStruct, frozen=True, kw_only=True, tag_field="kind", tag="gpio"
):
    """A sensor at a GPIO line: an edge says that a part is there; capture counts by itself.

    `line` is the line's name or its number on the chip; `activeLow` makes a falling edge the trigger.
    """

    chip: Annotated[str, Meta(min_length=1)] = "/dev/gpiochip0"
    line: Annotated[str, Meta(min_length=1, max_length=64)] = "0"
    active_low: bool = False
    bias: Literal["as-is", "disabled", "pull-up", "pull-down"] = "as-is"
    debounce_ms: Annotated[float, Meta(ge=0, le=1000)] = 2.0


class FrameConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """The size of each camera's frames, in pixels."""

    width: PixelCount = 1280
    height: PixelCount = 720


class ReferenceConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """How far a frame may be from a good part's picture, `<camera>.png` or `.jpg` in `folder`.

    Brightness in levels of luma, saturation in levels of distance from grey, sharpness as a share of
    the reference's, shift in pixels of the full frame; likeness is how sure the shift is, 0 to 1.
    """

    folder: Annotated[str, Meta(min_length=1)]
    max_brightness_change: LumaLevel = 25.0
    max_saturation_change: LumaLevel = 12.0
    min_sharpness_share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    max_shift_px: Annotated[float, Meta(ge=0, le=8192)] = 60.0
    min_likeness: Annotated[float, Meta(ge=0, le=1)] = 0.3


class ConditionLimits(ConfigurationStruct, frozen=True, kw_only=True):
    """Outside of these a frame is no ground for an ok: mean luma, and variance of the Laplacian."""

    min_brightness: LumaLevel = 8.0
    max_brightness: LumaLevel = 247.0
    min_sharpness: Annotated[float, Meta(ge=0)] = 2.0
    reference: ReferenceConfiguration | None = None

    def __post_init__(self) -> None:
        if self.min_brightness > self.max_brightness:
            raise ValueError("minBrightness is above maxBrightness; no frame could be ok")


SourceConfiguration = ImagesConfiguration | V4l2Configuration
TriggerConfiguration = (
    MessageTriggerConfiguration | IntervalTriggerConfiguration | GpioTriggerConfiguration
)


class CaptureConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """Cameras, trigger, and the way to the gate; the gate's deadline is at most `deadline_ms`.

    `frame`: of all cameras; not given: as the pictures of a folder are, 1280 x 720 of V4L2 cameras.
    `maxTriggerDelayMs`: a part whose trigger is told later than that gets no picture, for it could show
    another one. `keepAwakeS`: for how long after a part no processor may sleep; 0: they may at any time.
    """

    OLD_KEYS: ClassVar[Mapping[str, str]] = OLD_COMPONENT_KEYS[CAPTURE]

    cameras: CameraNames = ("cam1", "cam2", "cam3", "cam4")
    station_folder: Annotated[str, Meta(min_length=1)] = DEFAULT_STATION_FOLDER
    evidence_folder: str = ""  # the publisher's, where it is on this machine
    frame: FrameConfiguration | None = None
    ring_slots: Annotated[int, Meta(ge=2, le=256)] = 8
    source: SourceConfiguration = ImagesConfiguration()
    trigger: TriggerConfiguration = MessageTriggerConfiguration()
    distance_to_gate_mm: Annotated[float, Meta(gt=0, le=100_000)] = 750.0
    belt_speed_mps: Annotated[float, Meta(gt=0, le=100)] = 0.5
    deadline_ms: Milliseconds = 2000.0
    max_trigger_delay_ms: Annotated[float, Meta(ge=0, le=10_000)] = 50.0
    keep_awake_s: Annotated[float, Meta(ge=0, le=3600)] = 5.0
    conditions: ConditionLimits = ConditionLimits()
    calibration_version: ShortText = ""
    product: ShortText = ""
    lot: ShortText = ""

    def __post_init__(self) -> None:
        for place, camera in enumerate(self.cameras):
            if camera in self.cameras[:place]:
                raise ValueError(
                    f"cameras names {camera} twice; each camera needs a name of its own"
                )
            if isinstance(self.source, V4l2Configuration) and camera not in self.source.cameras:
                raise ValueError(f"source.cameras has no node for {camera}")

    @property
    def max_trigger_delay_ns(self) -> int:
        """What is allowed; never more than the window in which a camera's frame is looked for."""
        allowed_ms = self.max_trigger_delay_ms
        if isinstance(self.source, V4l2Configuration):
            matching = self.source.matching
            allowed_ms = min(allowed_ms, matching.before_ms + matching.after_ms)
        return round(allowed_ms * 1e6)

    @property
    def frame_size(self) -> FrameConfiguration:
        """The frames' size; of a folder's pictures it is known once they were opened."""
        return self.frame or FrameConfiguration()

    @property
    def pixel_format(self) -> PixelFormat:
        """The format in which all cameras give their frames."""
        return self.source.pixel_format if isinstance(self.source, V4l2Configuration) else "UYVY"
