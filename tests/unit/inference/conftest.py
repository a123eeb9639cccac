"""A station's inference in one process: real ring, ledger, models and pictures; a bus in memory."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from inference.component import InferenceComponent
from inference.configuration import InferenceConfiguration, ModelConfiguration
from sightline.clock import SystemClock, boot_id
from sightline.imaging.frame_ring import RingWriter, ring_path
from sightline.imaging.pixels import bgr_to_uyvy
from sightline.kernel.component import ComponentContext
from sightline.kernel.health import ComponentHealth
from sightline.messaging.bus import Delivery, Inbox
from sightline.messaging.memory_bus import MemoryBus, MemoryExchange
from sightline.messaging.messages import (
    CaptureConditions,
    CommandAccepted,
    CommandArgument,
    CommandCarriedOut,
    CommandKind,
    FrameRef,
    Part,
    PartCaptured,
    PartJudged,
    PartSettled,
)
from sightline.messaging.topics import (
    COMMAND_ACCEPTED,
    COMMAND_CARRIED_OUT,
    INFERENCE,
    PART_CAPTURED,
    PART_JUDGED,
    PART_SETTLED,
    MessageStream,
)
from sightline.storage.products import LabelTiers, VerdictPolicy
from sightline.storage.station_folder import StationFolder
from tests.unit.inference.small_models import GREEN, RED, put, write_model

CAMERAS = ("cam1", "cam2", "cam3", "cam4")
FRAME_WIDTH, FRAME_HEIGHT = 320, 192
EPOCH = 100
NOTHING_SETTLED = Part(0, 0)


class InferenceUnderTest:
    """Inference on a bench: give it parts, read its verdicts, restart it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.station = f"test-{uuid.uuid4().hex[:8]}"
        self.store = StationFolder(folder / "station").models
        self.exchange = MemoryExchange()
        self.clock = SystemClock()
        self.ring = RingWriter(
            ring_path(self.station), CAMERAS, slots=2, slot_bytes=FRAME_WIDTH * FRAME_HEIGHT * 2
        )
        # its models find scratches and caps; a defect that no model finds would leave each part in doubt
        self.configuration = InferenceConfiguration(
            station_folder=str(folder / "station"),
            models=(ModelConfiguration(name="surface"), ModelConfiguration(name="cap")),
            policy=VerdictPolicy(defects={"scratch": LabelTiers()}),
        )
        self.inspector: InferenceComponent | None = None
        self.health: ComponentHealth

    def install_models(self) -> None:
        """Put both models into the store: green squares are caps, red ones scratches."""
        put(self.store, write_model(self.folder / "m1", "surface", "scratch", RED), "surface")
        put(self.store, write_model(self.folder / "m2", "cap", "cap_present", GREEN), "cap")

    def start(
        self, wait_for_models: bool = True, settled: Part | None = NOTHING_SETTLED
    ) -> InferenceComponent:
        """Start the component, as its process would; the publisher says what has records (None: nothing)."""
        self.inbox = Inbox()
        self.health = ComponentHealth(INFERENCE, "test", self.station, self.clock)
        self.inspector = InferenceComponent(
            ComponentContext(
                self.configuration,
                MemoryBus(self.exchange, self.inbox),
                self.inbox,
                self.clock,
                self.health,
                self.station,
                self.folder,
            )
        )
        if settled is not None:
            self.publish_recorded(settled)
        if wait_for_models:
            self.run_until("the models serve", lambda: self.health.build_report().ready)
        return self.inspector

    def publish_recorded(self, up_to: Part) -> None:
        """The publisher's word: all up to this part have a record."""
        self.deliver(PART_SETTLED, PartSettled(station_id=self.station, up_to=up_to))

    def stop(self) -> None:
        """End the component."""
        if self.inspector is not None:
            self.inspector.close()
            self.inspector = None

    def run_until(self, what: str, holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Let the component's loop run until a condition holds."""
        assert self.inspector is not None
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < deadline, f"waited in vain: {what}"
            event = self.inbox.next_event(0.02)
            if event is not None:
                self.inspector.handle(event)
            self.inspector.tick()

    def deliver(self, stream: MessageStream, message: msgspec.Struct) -> None:
        """Hand a message to the component, and let it do what follows each event."""
        assert self.inspector is not None
        self.inspector.handle(Delivery(stream, message, self.clock.monotonic_ns()))
        self.inspector.between_events()

    def send_command(
        self,
        command_id: str,
        kind: CommandKind,
        arguments: Mapping[str, CommandArgument],
        lifetime_s: int = 60,
    ) -> None:
        """A command that was accepted, as the publisher tells it."""
        now_utc_ns = self.clock.utc_ns()
        accepted = CommandAccepted(
            station_id=self.station,
            command_id=command_id,
            kind=kind,
            issued_by="quality",
            sequence=1,
            accepted_utc_ns=now_utc_ns,
            expires_utc_ns=now_utc_ns + lifetime_s * 1_000_000_000,
            arguments=dict(arguments),
        )
        self.deliver(COMMAND_ACCEPTED, accepted)

    def command_replies(self) -> list[CommandCarriedOut]:
        """What it made of commands so far."""
        told = self.exchange.messages_on(COMMAND_CARRIED_OUT)
        return [answer for answer in told if isinstance(answer, CommandCarriedOut)]

    def capture(
        self,
        number: int,
        *,
        epoch: int = EPOCH,
        caps: tuple[str, ...] = CAMERAS,
        scratches: tuple[str, ...] = (),
        cameras: tuple[str, ...] = CAMERAS,
        in_time_ms: float = 5000.0,
        boot: str | None = None,
        dark: tuple[str, ...] = (),
        first_number: int = 1,
    ) -> PartCaptured:
        """Put a part's frames into the ring; the message that tells of them."""
        now = self.clock.monotonic_ns()
        frames = tuple(
            self._write(camera, frame_with(camera in caps, camera in scratches), number)
            for camera in cameras
        )
        return PartCaptured(
            station_id=self.station,
            part=Part(epoch, number),
            triggered_utc_ns=self.clock.utc_ns(),
            triggered_monotonic_ns=now,
            captured_monotonic_ns=now,
            deadline_monotonic_ns=now + round(in_time_ms * 1e6),
            boot_id=boot_id() if boot is None else boot,
            frames=frames,
            missing_cameras=tuple(c for c in CAMERAS if c not in cameras),
            conditions=tuple(
                CaptureConditions(
                    camera=camera, brightness=3, sharpness=9, out_of_range=("brightness",)
                )
                for camera in dark
            ),
            first_number=first_number,
        )

    def _write(self, camera: str, picture: np.ndarray, number: int) -> FrameRef:
        return self.ring.write(
            camera,
            bgr_to_uyvy(picture),
            "UYVY",
            width=FRAME_WIDTH,
            height=FRAME_HEIGHT,
            sequence=number,
            captured_monotonic_ns=self.clock.monotonic_ns(),
        )

    def judge(self, number: int, **how: object) -> PartJudged:
        """Capture a part, give it to the component; its verdict."""
        self.deliver(PART_CAPTURED, self.capture(number, **how))  # type: ignore[arg-type]
        return self.verdicts()[-1]

    def deliver_captured(self, number: int, **how: object) -> None:
        """Capture a part and give it to the component, whatever comes of it."""
        self.deliver(PART_CAPTURED, self.capture(number, **how))  # type: ignore[arg-type]

    def verdicts(self) -> list[PartJudged]:
        """All verdicts told so far, in order."""
        return self.exchange.messages_on(PART_JUDGED)  # type: ignore[return-value]


def frame_with(cap: bool, scratch: bool) -> np.ndarray:
    """A BGR picture, grey, with a green square for a cap and a red one for a scratch."""
    picture = np.full((FRAME_HEIGHT, FRAME_WIDTH, 3), 90, np.uint8)
    if cap:
        cv2.rectangle(picture, (128, 32), (143, 47), (0, 255, 0), -1)
    if scratch:
        cv2.rectangle(picture, (64, 96), (79, 111), (0, 0, 255), -1)
    return picture


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[InferenceUnderTest]:
    """Inference with both models in the store, not yet started."""
    bench = InferenceUnderTest(tmp_path)
    bench.install_models()
    yield bench
    bench.stop()
    bench.ring.close()


@pytest.fixture
def running(bench: InferenceUnderTest) -> InferenceUnderTest:
    """Inference with both models serving."""
    bench.start()
    return bench
