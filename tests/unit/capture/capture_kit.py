"""A capture component as its nucleus would run it, with a clock held by hand and real pictures."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.component import CaptureComponent, build_capture_component
from capture.configuration import CaptureConfiguration
from sightline.clock import SystemClock, boot_id
from sightline.configuration import load_configuration
from sightline.imaging.frame_ring import RingReader, ring_path
from sightline.kernel.component import ComponentContext, NewConfiguration
from sightline.kernel.health import ComponentHealth
from sightline.messaging.bus import Delivery, Inbox, MessageBus
from sightline.messaging.memory_bus import MemoryBus, MemoryExchange
from sightline.messaging.messages import (
    CounterAnnounced,
    PartCaptured,
    PartsAnnounced,
    PartTriggered,
)
from sightline.messaging.topics import (
    CAPTURE,
    COUNTER_ANNOUNCED,
    PART_CAPTURED,
    PART_TRIGGERED,
    PARTS_ANNOUNCED,
)

CAMERAS = ("cam1", "cam2", "cam3", "cam4")
WIDTH, HEIGHT = 64, 48
Picture = NDArray[np.uint8]


class ManualClock:
    """Stands until it is told to go on."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000_000
        self.utc_offset_ns = 1_800_000_000_000_000_000

    def monotonic_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return self.now_ns + self.utc_offset_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


class MachineClock(ManualClock):
    """The machine's own clocks: threads wait by them."""

    def monotonic_ns(self) -> int:
        return SystemClock().monotonic_ns()

    def utc_ns(self) -> int:
        return SystemClock().utc_ns()


def wait_until(what: str, holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Until a condition holds; the test fails with its name if it never does."""
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, f"waited {timeout_s:.0f} s in vain: {what}"
        time.sleep(0.005)


def plain_picture(
    blue: int, green: int, red: int, width: int = WIDTH, height: int = HEIGHT
) -> Picture:
    """One colour all over, BGR."""
    return np.full((height, width, 3), (blue, green, red), np.uint8)


def save_picture(file: Path, picture: Picture) -> Path:
    """Written as the suffix says; its folder is made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), picture)
    return file


def four_pictures(folder: Path) -> None:
    """One picture for each camera, in a folder of its own."""
    for index, camera in enumerate(CAMERAS):
        shade = 60 + 40 * index
        save_picture(folder / camera / "part.png", plain_picture(shade, shade, shade))


class CaptureUnderTest:
    """One life of the component; `again` begins the next on the same disk."""

    def __init__(
        self,
        folder: Path,
        name: str,
        clock: ManualClock | None = None,
        bus_around: Callable[[MemoryBus], MessageBus] | None = None,
        **values: Any,
    ) -> None:
        self.name = name
        self.folder = folder
        self.clock = clock or ManualClock()
        self.exchange = MemoryExchange()
        self.inbox = Inbox()
        self.values = {
            "frame": {"width": WIDTH, "height": HEIGHT},
            "ringSlots": 2,
            "stationFolder": str(folder / "station"),
            "source": {"kind": "images", "folder": str(folder / "pictures")},
            **values,
        }
        self.health = ComponentHealth(CAPTURE, "0", name, self.clock)
        bus: MessageBus = MemoryBus(self.exchange, self.inbox)
        if bus_around is not None:
            bus = bus_around(MemoryBus(self.exchange, self.inbox))
        self.capture: CaptureComponent = build_capture_component(
            ComponentContext(
                load_configuration(CaptureConfiguration, self.values),
                bus,
                self.inbox,
                self.clock,
                self.health,
                name,
                folder,
            )
        )
        self.capture.tick()

    def trigger(
        self,
        *counters: int,
        belt_speed_mps: float | None = None,
        product: str = "",
        lot: str = "",
    ) -> None:
        """The PLC counts parts, 100 ms apart."""
        for counter in counters:
            self.clock.advance(0.1)
            self.deliver(
                PART_TRIGGERED,
                PartTriggered(
                    station_id=self.name,
                    counter=counter,
                    counted_utc_ns=self.clock.utc_ns(),
                    received_monotonic_ns=self.clock.monotonic_ns(),
                    boot_id=boot_id(),
                    belt_speed_mps=belt_speed_mps,
                    product=product,
                    lot=lot,
                ),
            )

    def announce(self, counter: int) -> None:
        """The PLC's counter as equipment repeats it."""
        self.deliver(
            COUNTER_ANNOUNCED,
            CounterAnnounced(
                station_id=self.name, counter=counter, counted_utc_ns=self.clock.utc_ns()
            ),
        )

    def deliver(self, stream: Any, message: msgspec.Struct) -> None:
        """What the loop does with a message: handle it, then tick."""
        self.capture.handle(Delivery(stream, message, self.clock.monotonic_ns()))
        self.capture.tick()

    def advance(self, seconds: float) -> None:
        """Let time pass, ticking as often as the component wants."""
        end_ns = self.clock.now_ns + round(seconds * 1e9)
        while self.clock.now_ns < end_ns:
            wait_ns = max(1, round(self.capture.tick() * 1e9))
            self.clock.now_ns = min(end_ns, self.clock.now_ns + wait_ns)
        self.capture.tick()

    def configure(self, **values: Any) -> None:
        """The nucleus changes these values."""
        self.values = {**self.values, **values}
        changed = load_configuration(CaptureConfiguration, self.values)
        self.capture.handle(NewConfiguration(changed))

    @property
    def captured(self) -> list[PartCaptured]:
        return [
            message
            for message in self.exchange.messages_on(PART_CAPTURED)
            if isinstance(message, PartCaptured)
        ]

    @property
    def announced(self) -> list[PartsAnnounced]:
        return [
            message
            for message in self.exchange.messages_on(PARTS_ANNOUNCED)
            if isinstance(message, PartsAnnounced)
        ]

    @property
    def numbers(self) -> list[int]:
        return [message.part.part_number for message in self.captured]

    @property
    def faults(self) -> dict[str, str]:
        return {fault.code: fault.text for fault in self.health.build_report().faults}

    def counter(self, name: str) -> int:
        return self.health.build_report().counters.get(name, 0)

    def pixels(self, part: PartCaptured, camera: str) -> Picture:
        """A camera's frame out of the ring, as BGR."""
        reader = RingReader(ring_path(self.name), self.cameras)
        (ref,) = (ref for ref in part.frames if ref.camera == camera)
        picture: Picture = cv2.cvtColor(reader.copy(ref), cv2.COLOR_YUV2BGR_UYVY)
        return picture

    @property
    def cameras(self) -> Sequence[str]:
        return list(self.values.get("cameras", CAMERAS))
