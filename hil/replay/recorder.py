"""A component that records the other components' messages, and the frames that they refer to.

It is deployed beside the station's components (`build_recorder_recipe`), reads the streams of the catalogue
over IPC, and copies frames out of the ring. It publishes nothing but its health.
"""

import logging
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hil.replay.frame_files import digest_frame
from hil.replay.segment import MESSAGES, RecordedMessage
from sightline.configuration import ConfigurationStruct
from sightline.errors import FrameOverwrittenError
from sightline.imaging.frame_ring import RingReader, ring_path
from sightline.kernel.component import ComponentContext
from sightline.kernel.runtime import run_component
from sightline.messaging.bus import Delivery
from sightline.messaging.messages import PartCaptured
from sightline.messaging.topics import CATALOGUE, INSPECTION_RECORD, STATION_HEALTH, MessageStream

log = logging.getLogger(__name__)

RECORDER_COMPONENT = "com.sightline.hil.Recorder"
RECORDER_VERSION = "1.0.0"
TICK_S = 1.0
RAW = "raw"


class RecorderConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """Where to write; `keeps_frames`: record pixels too, not only digests."""

    folder: str
    cameras: tuple[str, ...]
    keeps_frames: bool = True


def recorded_streams() -> tuple[MessageStream, ...]:
    """The streams to record: all between components, and the records."""
    local = tuple(stream for stream in CATALOGUE if stream.route == "local")
    return (*local, INSPECTION_RECORD)


class RunRecorder:
    """Writes each message as a line immediately."""

    def __init__(self, context: ComponentContext[RecorderConfiguration]) -> None:
        self._context = context
        configuration = context.configuration
        self._folder = Path(configuration.folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._ring = RingReader(ring_path(context.station_id), configuration.cameras)
        self._file = (self._folder / MESSAGES).open("ab", buffering=0)
        for stream in recorded_streams():
            context.bus.subscribe(stream)
        context.health.set_ready(True)

    def handle(self, event: object) -> None:
        """Record a message."""
        if not isinstance(event, Delivery):
            return
        frames = (
            self._record_frames(event.message) if isinstance(event.message, PartCaptured) else {}
        )
        noted = RecordedMessage(
            event.stream.name,
            event.received_monotonic_ns,
            msgspec.to_builtins(event.message),
            frames,
        )
        self._file.write(msgspec.json.encode(noted) + b"\n")
        self._context.health.count("messages_noted")

    def tick(self) -> float:
        """Do nothing; the recorder has no periodic work."""
        return TICK_S

    def close(self) -> None:
        """Close the file and disconnect."""
        self._file.close()
        self._context.bus.close()

    def _record_frames(self, captured: PartCaptured) -> dict[str, str]:
        digests = {}
        for ref in captured.frames:
            try:
                pixels = self._ring.copy(ref)
            except FrameOverwrittenError as error:
                self._context.health.count("frames_missed")
                log.error("frame no longer in the ring", extra={"reason": str(error)})
                continue
            digests[ref.camera] = digest_frame(pixels)
            if self._context.configuration.keeps_frames:
                place = self._folder / RAW / ref.camera / f"{captured.part.part_number:06}.npy"
                place.parent.mkdir(parents=True, exist_ok=True)
                np.save(place, pixels)
        return digests


def build_recorder_recipe(environment: dict[str, str]) -> dict[str, Any]:
    """Build the recorder's recipe as a dictionary; its accessControl follows from the catalogue."""
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": RECORDER_COMPONENT,
        "ComponentVersion": RECORDER_VERSION,
        "ComponentDescription": "Records messages and frames of a run",
        "ComponentPublisher": "Sightline",
        "ComponentConfiguration": {
            "DefaultConfiguration": {
                "folder": "recording",
                "keepsFrames": True,
                "accessControl": _build_access_control(),
            }
        },
        "Manifests": [
            {
                "Platform": {"os": "linux", "runtime": "*"},
                "Lifecycle": {
                    "run": {
                        "Script": 'exec "$SIGHTLINE_PYTHON" -m hil.replay.recorder',
                        "RequiresPrivilege": False,
                        "Setenv": environment,
                    }
                },
            }
        ],
    }


def _build_access_control() -> dict[str, Any]:
    local = [stream.topic for stream in recorded_streams() if stream.route == "local"]
    records, health = INSPECTION_RECORD.build_topic("+"), STATION_HEALTH.build_topic("+")
    return {
        "aws.greengrass.ipc.pubsub": {
            f"{RECORDER_COMPONENT}:pubsub:1": _build_policy("SubscribeToTopic", local)
        },
        "aws.greengrass.ipc.mqttproxy": {
            f"{RECORDER_COMPONENT}:mqttproxy:1": _build_policy("SubscribeToIoTCore", [records]),
            f"{RECORDER_COMPONENT}:mqttproxy:2": _build_policy("PublishToIoTCore", [health]),
        },
    }


def _build_policy(operation: str, resources: list[str]) -> dict[str, Any]:
    return {
        "policyDescription": "Records a run",
        "operations": [f"aws.greengrass#{operation}"],
        "resources": resources,
    }


def build_recorder(context: ComponentContext[RecorderConfiguration]) -> RunRecorder:
    """The component."""
    return RunRecorder(context)


if __name__ == "__main__":
    sys.exit(run_component(RECORDER_COMPONENT, RecorderConfiguration, build_recorder))
