"""The configuration of the capture component; the defaults are the recipe's."""

from typing import Annotated

from msgspec import Meta

from sightline.configuration import Configuration

CameraName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
Cameras = Annotated[tuple[CameraName, ...], Meta(min_length=1, max_length=8)]
Pixels = Annotated[int, Meta(ge=16, le=8192, multiple_of=2)]
Milliseconds = Annotated[float, Meta(ge=1, le=60_000)]
Text = Annotated[str, Meta(max_length=64)]
Luma = Annotated[float, Meta(ge=0, le=255)]


class ImagesConfiguration(Configuration, frozen=True, kw_only=True, tag_field="kind", tag="images"):
    """Cameras that play a folder of pictures."""

    folder: Annotated[str, Meta(min_length=1)] = "pictures"


class MessageTriggerConfiguration(
    Configuration, frozen=True, kw_only=True, tag_field="kind", tag="message"
):
    """The PLC says that a part is there, and its number."""


class IntervalTriggerConfiguration(
    Configuration, frozen=True, kw_only=True, tag_field="kind", tag="interval"
):
    """A part is taken to be there each interval; capture counts by itself."""

    interval_ms: Milliseconds = 1000.0


class FrameConfiguration(Configuration, frozen=True, kw_only=True):
    """The size of each camera's frames, in pixels."""

    width: Pixels = 1280
    height: Pixels = 720


class ConditionLimits(Configuration, frozen=True, kw_only=True):
    """Outside of these a frame is no ground for an ok: mean luma, and variance of the Laplacian."""

    lowest_brightness: Luma = 8.0
    highest_brightness: Luma = 247.0
    lowest_sharpness: Annotated[float, Meta(ge=0)] = 2.0

    def __post_init__(self) -> None:
        if self.lowest_brightness > self.highest_brightness:
            raise ValueError("lowestBrightness is above highestBrightness; no frame could be ok")


SourceConfiguration = ImagesConfiguration
TriggerConfiguration = MessageTriggerConfiguration | IntervalTriggerConfiguration


class CaptureConfiguration(Configuration, frozen=True, kw_only=True):
    """Cameras, trigger, and the way to the gate; the gate's deadline is at most `deadline_ms`."""

    cameras: Cameras = ("cam1", "cam2", "cam3", "cam4")
    frame: FrameConfiguration = FrameConfiguration()
    ring_slots: Annotated[int, Meta(ge=2, le=256)] = 8
    source: SourceConfiguration = ImagesConfiguration()
    trigger: TriggerConfiguration = MessageTriggerConfiguration()
    distance_to_gate_mm: Annotated[float, Meta(gt=0, le=100_000)] = 750.0
    belt_speed_mps: Annotated[float, Meta(gt=0, le=100)] = 0.5
    deadline_ms: Milliseconds = 2000.0
    conditions: ConditionLimits = ConditionLimits()
    calibration_version: Text = ""
    product: Text = ""
    lot: Text = ""

    def __post_init__(self) -> None:
        for place, camera in enumerate(self.cameras):
            if camera in self.cameras[:place]:
                raise ValueError(
                    f"cameras names {camera} twice; each camera needs a name of its own"
                )
