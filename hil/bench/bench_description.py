"""Reads bench.yaml, which lists a bench's hardware. Tests of hardware that is not listed are skipped."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta, field

from sightline.configuration import ConfigurationStruct, find_old_keys, load_configuration
from sightline.errors import ConfigurationError, TextError
from sightline.messaging.messages import PixelFormat
from sightline.old_component_keys import place_components_below
from sightline.strict_yaml import read_yaml

BENCH_VARIABLE = "SIGHTLINE_BENCH"
MAX_TIME_TO_GATE_S = 60.0  # the longest deadline that capture can be given
BY_ID = Path("/dev/v4l/by-id")
Positive = Annotated[float, Meta(gt=0)]
CommandWords = Annotated[tuple[str, ...], Meta(min_length=1)]


class BenchCamera(ConfigurationStruct, frozen=True, kw_only=True):
    """A camera, by device node or by the serial number in its name under /dev/v4l/by-id.

    `identity` is what its driver must tell as card or bus; `loop` an output whose pictures it sees.
    """

    node: str = ""
    serial: str = ""
    identity: str = ""
    loop: str = ""

    def __post_init__(self) -> None:
        if bool(self.node) == bool(self.serial):
            raise ValueError("a camera needs exactly one of node and serial")


class FrameSettings(ConfigurationStruct, frozen=True, kw_only=True):
    """The frame format requested from the cameras."""

    width: Annotated[int, Meta(ge=16, multiple_of=2)] = 1280
    height: Annotated[int, Meta(ge=16, multiple_of=2)] = 720
    pixel_format: PixelFormat = "UYVY"
    controls: dict[str, int] = field(default_factory=dict)
    matching: dict[str, Any] = field(default_factory=dict)


class TriggerLine(ConfigurationStruct, frozen=True, kw_only=True):
    """A trigger sensor at a GPIO line, instead of the PLC's counter."""

    chip: str
    line: str
    active_low: bool = False


class PlcEndpoint(ConfigurationStruct, frozen=True, kw_only=True):
    """A real PLC; without one the plant simulator counts the parts."""

    protocol: Literal["opcua", "modbus"]
    endpoint: str


class BenchGpu(ConfigurationStruct, frozen=True, kw_only=True):
    """Run the models with TensorRT; `runtime` is the library that provides it."""

    name: str
    runtime: Literal["tensorrt", "tensorrt-rtx"] = "tensorrt"


class CameraRelay(ConfigurationStruct, frozen=True, kw_only=True):
    """Commands that disconnect and reconnect some cameras."""

    cameras: CommandWords
    unplug: CommandWords
    plug: CommandWords


class ExposureControl(ConfigurationStruct, frozen=True, kw_only=True):
    """A control that changes the pictures' brightness."""

    control: str
    low: int
    high: int


class BenchExpectations(ConfigurationStruct, frozen=True, kw_only=True):
    """What the tests expect; times that are not given are not checked.

    `stretchAboveS`: an emulated bench on a busy machine is slow. If the interpreter takes longer than this
    to load the libraries, parts come slower and have a longer way to the gate, in proportion.
    """

    parts: Annotated[int, Meta(ge=1)] = 60
    parts_per_second: Positive = 2.0
    time_to_gate_s: Positive = 1.5
    ready_s: Positive = 120.0
    heartbeat_timeout_s: Positive = 0.5
    frame_sync_skew_ms: Positive | None = None
    trigger_to_verdict_p99_ms: Positive | None = None
    soak_s: Positive | None = None
    max_celsius: Positive = 95.0
    stretch_above_s: Positive | None = None

    def stretch_times(self, loading_s: float) -> "BenchExpectations":
        """The same expectations with times stretched for slow loading."""
        factor = max(1.0, loading_s / (self.stretch_above_s or loading_s))
        return msgspec.structs.replace(
            self,
            parts_per_second=self.parts_per_second / factor,
            time_to_gate_s=min(MAX_TIME_TO_GATE_S, self.time_to_gate_s * factor),
        )

    @property
    def fed_parts(self) -> int:
        """The number of parts: as configured, or enough for the soak's duration."""
        return max(self.parts, round((self.soak_s or 0.0) * self.parts_per_second))


class BenchDescription(ConfigurationStruct, frozen=True, kw_only=True):
    """One bench; `segment` is played to the cameras through their HDMI loops.

    `merges`: configuration by component, beside what follows from the rest.
    """

    OLD_KEYS: ClassVar[Mapping[str, str]] = {
        "/expected/wayToGateS": "timeToGateS",
        "/expected/greatestCelsius": "maxCelsius",
        **place_components_below("/merges"),
    }

    name: str
    cameras: dict[str, BenchCamera]
    frames: FrameSettings = FrameSettings()
    trigger_line: TriggerLine | None = None
    plc: PlcEndpoint | None = None
    gpu: BenchGpu | None = None
    relay: CameraRelay | None = None
    exposure: ExposureControl | None = None
    segment: str = ""
    merges: dict[str, dict[str, Any]] = field(default_factory=dict)
    expected: BenchExpectations = BenchExpectations()

    def find_node(self, camera: str) -> str:
        """A camera's device node; ConfigurationError if none has its serial number."""
        described = self.cameras[camera]
        if described.node:
            return described.node
        found = sorted(BY_ID.glob(f"*{described.serial}*index0")) if BY_ID.is_dir() else []
        if len(found) != 1:
            raise ConfigurationError(
                f"{camera}: {len(found)} nodes in {BY_ID} have the serial {described.serial!r}; expected one"
            )
        return str(found[0])

    def missing_cameras(self) -> list[str]:
        """Each camera whose device node is missing, with the node."""
        nodes = {camera: self.find_node(camera) for camera in self.cameras}
        return [f"{camera} at {node}" for camera, node in nodes.items() if not Path(node).exists()]

    def build_capture_merge(self) -> dict[str, Any]:
        """Build the capture component's configuration for this bench."""
        way_ms = self.expected.time_to_gate_s * 1000.0
        merge: dict[str, Any] = {
            "cameras": list(self.cameras),
            "frame": {"width": self.frames.width, "height": self.frames.height},
            "source": {
                "kind": "v4l2",
                "pixelFormat": self.frames.pixel_format,
                "controls": dict(self.frames.controls),
                "cameras": {camera: {"node": self.find_node(camera)} for camera in self.cameras},
                "matching": dict(self.frames.matching),
            },
            "distanceToGateMm": way_ms / 2,
            "beltSpeedMps": 0.5,
            "deadlineMs": way_ms,
        }
        if self.trigger_line is not None:
            line = self.trigger_line
            merge["trigger"] = {
                "kind": "gpio",
                "chip": line.chip,
                "line": line.line,
                "activeLow": line.active_low,
            }
        return merge


def load_bench(path: Path) -> BenchDescription:
    """Load a bench file; ConfigurationError names file, pointer, what was found and what is allowed."""
    try:
        values = read_yaml(path)
    except (OSError, TextError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} at /: found {values!r}; expected an object")
    try:
        bench = load_configuration(BenchDescription, values)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    for key in find_old_keys(BenchDescription, values):
        print(f"{path}: {key}; only this release reads the old key", file=sys.stderr)
    return bench


def stretch_bench_times(bench: BenchDescription) -> BenchDescription:
    """The bench with times stretched for this machine, if the bench allows it."""
    if bench.expected.stretch_above_s is None:
        return bench
    began_s = time.monotonic()
    subprocess.run((sys.executable, "-c", "import numpy, cv2"), check=True)
    expected = bench.expected.stretch_times(time.monotonic() - began_s)
    return msgspec.structs.replace(bench, expected=expected)


def load_bench_from_environment() -> BenchDescription:
    """Load the bench that `python -m hil.bench` selected."""
    path = os.environ.get(BENCH_VARIABLE)
    if not path:
        raise ConfigurationError(f"{BENCH_VARIABLE} is not set; run the tests with `make hil`")
    return load_bench(Path(path))
