"""The configuration of the telemetry component; the defaults are the recipe's."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
from msgspec.structs import force_setattr

from sightline.configuration import ConfigurationStruct, named_entries
from sightline.messaging.topics import TELEMETRY
from sightline.old_component_keys import OLD_COMPONENT_KEYS
from sightline.storage.station_folder import DEFAULT_STATION_FOLDER

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=64)]
Seconds = Annotated[float, msgspec.Meta(ge=0.1, le=600)]
log = logging.getLogger(__name__)


class TagProperties(ConfigurationStruct, frozen=True, kw_only=True):
    """What is known of a tag: its normal limits, the manufacturing step, the tags it moves with.

    `resolution` is the sensor's smallest step, in the tag's unit; without it the readings show it.
    """

    normal_low: float | None = None
    normal_high: float | None = None
    resolution: Annotated[float, msgspec.Meta(ge=0)] | None = None
    step: Text = ""
    related: tuple[Name, ...] = ()
    score_outliers: bool = True

    def __post_init__(self) -> None:
        low, high = self.normal_low, self.normal_high
        if low is not None and high is not None and low > high:
            raise ValueError(f"normalLow {low} is above normalHigh {high}")


class TagProfile(TagProperties, frozen=True, kw_only=True):
    """A profile with the name of its tag."""

    tag: Name


if TYPE_CHECKING:
    Profiles = tuple[TagProfile, ...]
else:  # a map by tag, because Nucleus Lite keeps a list as one value of at most 1,024 bytes
    Profiles = (
        Annotated[dict[Name, TagProperties], msgspec.Meta(max_length=200)]
        | Annotated[tuple[TagProfile, ...], msgspec.Meta(max_length=200)]
    )


class OutlierConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """How unusual values are found: against the last readings of the same status.

    `intervals_between_false_alarms` is the wanted average run length of a machine in good health: with an
    interval of a second, 86,400 is one false alarm a day.
    """

    window: Annotated[int, msgspec.Meta(ge=8, le=10_000)] = 120
    min_readings: Annotated[int, msgspec.Meta(ge=4, le=10_000)] = 20
    settle_intervals: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 3
    intervals_between_false_alarms: Annotated[int, msgspec.Meta(ge=100, le=100_000_000)] = 86_400

    def __post_init__(self) -> None:
        if self.min_readings > self.window:
            raise ValueError(
                f"minReadings {self.min_readings} is more than the window of {self.window} holds"
            )


DEFAULT_PROFILES = (
    TagProfile(tag="line_running", step="transport", score_outliers=False),
    TagProfile(
        tag="belt_speed",
        normal_low=0.1,
        normal_high=1.5,
        step="transport",
        related=("motor_current", "vibration"),
    ),
    TagProfile(
        tag="motor_current",
        normal_low=3.4,
        normal_high=5.2,
        step="transport",
        related=("motor_temperature", "vibration", "belt_speed"),
    ),
    TagProfile(
        tag="motor_temperature",
        normal_low=15.0,
        normal_high=70.0,
        step="transport",
        related=("motor_current",),
    ),
    TagProfile(
        tag="vibration",
        normal_low=0.5,
        normal_high=3.5,
        step="transport",
        related=("motor_current", "belt_speed"),
    ),
    TagProfile(tag="air_pressure", normal_low=5.5, normal_high=6.6, step="rejection", related=()),
)


class TelemetryConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """What a state is made of, and how often.

    `profiles` is written as a map by tag; where it is given it takes the place of all the defaults. A list
    is still read.
    """

    OLD_KEYS: ClassVar[Mapping[str, str]] = OLD_COMPONENT_KEYS[TELEMETRY]

    station_folder: Annotated[str, msgspec.Meta(min_length=1)] = DEFAULT_STATION_FOLDER
    interval_s: Seconds = 1.0
    running_tag: Text = "line_running"
    belt_speed_tag: Text = "belt_speed"
    stopped_below_mps: Annotated[float, msgspec.Meta(ge=0)] = 0.01
    profiles: Profiles = DEFAULT_PROFILES
    outliers: OutlierConfiguration = OutlierConfiguration()

    def __post_init__(self) -> None:
        given: object = self.profiles
        if isinstance(given, dict):
            force_setattr(self, "profiles", named_entries(TagProfile, "tag", given))
        elif self.profiles and self.profiles is not DEFAULT_PROFILES:
            log.warning(
                "profiles are a list, which the next release will not read; write a map by tag"
            )
