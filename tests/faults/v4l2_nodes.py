"""The kernel's test driver vivid: its capture nodes, its injected errors, its leaving and returning."""

import importlib.util
from pathlib import Path
from typing import Any

from capture.configuration import FrameConfiguration
from capture.sources.source import CameraFault, CameraFrame
from capture.sources.streaming import StreamingSource
from capture.sources.v4l2 import open_v4l2
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.clock import SystemClock
from sightline.configuration import load_configuration
from sightline.kernel.health import ComponentHealth
from tests.unit.capture.capture_kit import wait_until

CLASS = Path("/sys/class/video4linux")
DRIVER = Path("/sys/bus/platform/drivers/vivid")
PLATFORM_DEVICE = "vivid.0"
MILLISECOND_NS = 1_000_000


def vivid_nodes() -> list[str]:
    """The nodes that capture, in the order of their numbers."""
    found = sorted(CLASS.glob("video*"), key=lambda entry: int(entry.name.removeprefix("video")))
    return [
        f"/dev/{entry.name}"
        for entry in found
        if (name := (entry / "name").read_text().strip()).startswith("vivid") and "vid-cap" in name
    ]


def why_skipped() -> str:
    """Why no test with nodes can run here; empty if they can."""
    if importlib.util.find_spec("linuxpy") is None:
        return "linuxpy is not installed (the extra `cameras`)"
    if not CLASS.is_dir():
        return "the kernel here has no V4L2 nodes (hil/rig/run.sh starts one that has)"
    if len(vivid_nodes()) < 2:
        return "fewer than two capture nodes of vivid (modprobe vivid n_devs=2 makes them)"
    return ""


def press(node: str, control: str) -> None:
    """Push one of the driver's buttons, by the words in its name."""
    from linuxpy.video.device import Device

    with Device(node) as device:
        (button,) = [c for c in device.controls.values() if control in c.config_name]
        button.push()


def set_value(node: str, control: str, value: int) -> None:
    """Set one of the driver's controls, by its name."""
    from linuxpy.video.device import Device

    with Device(node) as device:
        device.controls[control].value = value


def read_value(node: str, control: str) -> int:
    """What one of the driver's controls reads."""
    from linuxpy.video.device import Device

    with Device(node) as device:
        return int(device.controls[control].value)


class VividNodes:
    """The real source with the real library over the driver's nodes."""

    def __init__(self, **values: Any) -> None:
        nodes = vivid_nodes()[:2]
        self.names = tuple(f"cam{index + 1}" for index in range(len(nodes)))
        self.node_of = dict(zip(self.names, nodes, strict=True))
        self.clock = SystemClock()
        self.health = ComponentHealth("capture", "0", "test", self.clock)
        self.values: dict[str, Any] = {
            "cameras": {name: {"node": node} for name, node in self.node_of.items()},
            "droppedFirst": 2,
            "matching": {"beforeMs": 1000, "afterMs": 1000, "arrivalMs": 5000},
            **values,
        }
        self.source: StreamingSource | None = None

    def start(self, width: int = 640, height: int = 360) -> None:
        """Open the nodes."""
        configuration = load_configuration(V4l2Configuration, self.values)
        frame = FrameConfiguration(width=width, height=height)
        self.source = open_v4l2(configuration, self.names, frame, self.health, self.clock)

    def wait_until_streaming(self, *names: str) -> None:
        """Until these cameras (all, if none is named) are past their first frames."""
        for name in names or self.names:
            wait_until(
                f"{name} streams: {self.faults}",
                lambda name=name: self.gauges.get(f"camera_streams_{name}") == 1.0,  # type: ignore[misc]
                timeout_s=60,
            )

    def frames(self) -> tuple[CameraFrame | CameraFault, ...]:
        """What the cameras see now."""
        assert self.source is not None
        return self.source.collect_frames(1, self.clock.monotonic_ns())

    @property
    def gauges(self) -> dict[str, float]:
        return self.health.build_report().gauges

    @property
    def faults(self) -> dict[str, str]:
        return {fault.code: fault.text for fault in self.health.build_report().faults}

    def counter(self, name: str) -> int:
        return self.health.build_report().counters.get(name, 0)

    def close(self) -> None:
        if self.source is not None:
            self.source.close()


def unbind_driver() -> None:
    """All nodes of the driver vanish."""
    (DRIVER / "unbind").write_text(PLATFORM_DEVICE)


def bind_driver() -> None:
    """They are there again."""
    (DRIVER / "bind").write_text(PLATFORM_DEVICE)
