"""The catalogue of streams: one row each. No topic string stands anywhere else.

A `local` stream goes over Greengrass IPC to components of the same station; a `cloud` stream goes to
IoT Core, with the thing's name in its topic. The recipes' accessControl is generated from these rows.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from sightline.messaging import messages

CAPTURE = "com.sightline.Capture"
INFERENCE = "com.sightline.Inference"
EQUIPMENT = "com.sightline.Equipment"
TELEMETRY = "com.sightline.Telemetry"
PUBLISHER = "com.sightline.Publisher"
COMPONENTS = (CAPTURE, INFERENCE, EQUIPMENT, TELEMETRY, PUBLISHER)
CLOUD = "cloud"


@dataclass(frozen=True)
class MessageStream:
    """One row: who sends what to whom, by which way, and how often at most."""

    name: str
    message: type[msgspec.Struct]
    topic: str
    senders: tuple[str, ...]
    readers: tuple[str, ...]
    max_rate_hz: float
    route: Literal["local", "cloud"] = "local"
    max_silence_s: float | None = None  # longer is a fault of its readers; never set for parts
    always_sent: bool = False  # also before its sender has something to say
    silence_fault: str = ""  # its code

    def build_topic(self, thing_name: str) -> str:
        """The topic on the wire; cloud topics name the thing."""
        return self.topic.format(thing=thing_name)


PART_TRIGGERED = MessageStream(
    "PartTriggered",
    messages.PartTriggered,
    "sightline/part/triggered",
    (EQUIPMENT,),
    (CAPTURE,),
    25,
)
COUNTER_ANNOUNCED = MessageStream(
    "CounterAnnounced",
    messages.CounterAnnounced,
    "sightline/part/counter",
    (EQUIPMENT,),
    (CAPTURE,),
    1,
)
PART_CAPTURED = MessageStream(
    "PartCaptured", messages.PartCaptured, "sightline/part/captured", (CAPTURE,), (INFERENCE,), 25
)
PARTS_ANNOUNCED = MessageStream(
    "PartsAnnounced",
    messages.PartsAnnounced,
    "sightline/part/announced",
    (CAPTURE,),
    (INFERENCE,),
    2,
    max_silence_s=20,
    silence_fault="announcements-silent",
)
PART_JUDGED = MessageStream(
    "PartJudged",
    messages.PartJudged,
    "sightline/part/judged",
    (INFERENCE,),
    (EQUIPMENT, PUBLISHER),
    100,
)
GATE_ACTED = MessageStream(
    "GateActed", messages.GateActed, "sightline/gate/acted", (EQUIPMENT,), (PUBLISHER,), 100
)
GATE_CONFIRMED = MessageStream(
    "GateConfirmed",
    messages.GateConfirmed,
    "sightline/gate/confirmed",
    (EQUIPMENT,),
    (PUBLISHER,),
    100,
)
PART_SETTLED = MessageStream(
    "PartSettled",
    messages.PartSettled,
    "sightline/part/settled",
    (PUBLISHER,),
    (CAPTURE, INFERENCE, EQUIPMENT),
    2,
    max_silence_s=20,
    silence_fault="settled-silent",
)
MACHINE_SAMPLES = MessageStream(
    "MachineSamples",
    messages.MachineSamples,
    "sightline/machine/samples",
    (EQUIPMENT,),
    (TELEMETRY,),
    10,
    max_silence_s=10,
    always_sent=True,
    silence_fault="no-readings",
)
MACHINE_STATE = MessageStream(
    "MachineState", messages.MachineState, "sightline/machine/state", (TELEMETRY,), (PUBLISHER,), 40
)
MACHINE_STATE_TO_CLOUD = MessageStream(
    "MachineStateToCloud",
    messages.MachineState,
    "sightline/{thing}/machine-state",
    (TELEMETRY,),
    (CLOUD,),
    4,
    "cloud",
)
STATION_HEALTH = MessageStream(
    "StationHealth",
    messages.StationHealth,
    "sightline/{thing}/health",
    COMPONENTS,
    (CLOUD,),
    5,
    "cloud",
)
INSPECTION_RECORD = MessageStream(
    "InspectionRecord",
    messages.InspectionRecord,
    "sightline/{thing}/records",
    (PUBLISHER,),
    (CLOUD,),
    100,
    "cloud",
)
RECORDS_STORED = MessageStream(
    "RecordsStored",
    messages.RecordsStored,
    "sightline/{thing}/records-stored",
    (CLOUD,),
    (PUBLISHER,),
    100,
    "cloud",
)
RECORDS_REFUSED = MessageStream(
    "RecordsRefused",
    messages.RecordsRefused,
    "sightline/{thing}/records-refused",
    (CLOUD,),
    (PUBLISHER,),
    10,
    "cloud",
)
GATE_CORRECTION = MessageStream(
    "GateCorrection",
    messages.GateCorrection,
    "sightline/{thing}/gate-corrections",
    (PUBLISHER,),
    (CLOUD,),
    100,
    "cloud",
)
GAP_RECORD = MessageStream(
    "GapRecord",
    messages.GapRecord,
    "sightline/{thing}/gap-records",
    (PUBLISHER,),
    (CLOUD,),
    1,
    "cloud",
)
STATION_MODE = MessageStream(
    "StationMode",
    messages.StationMode,
    "sightline/station/mode",
    (PUBLISHER,),
    (EQUIPMENT,),
    2,
    max_silence_s=10,
    silence_fault="mode-silent",
)
COMMAND_ACCEPTED = MessageStream(
    "CommandAccepted",
    messages.CommandAccepted,
    "sightline/command/accepted",
    (PUBLISHER,),
    (CAPTURE, INFERENCE, EQUIPMENT),
    2,
)
COMMAND_CARRIED_OUT = MessageStream(
    "CommandCarriedOut",
    messages.CommandCarriedOut,
    "sightline/command/carried-out",
    (CAPTURE, INFERENCE),
    (PUBLISHER,),
    4,
)
COMMAND = MessageStream(
    "Command", messages.Command, "sightline/{thing}/commands", (CLOUD,), (PUBLISHER,), 2, "cloud"
)
COMMAND_OUTCOME = MessageStream(
    "CommandOutcome",
    messages.CommandOutcome,
    "sightline/{thing}/command-outcomes",
    (PUBLISHER,),
    (CLOUD,),
    2,
    "cloud",
)
CAMERA_VIEW = MessageStream(
    "CameraView",
    messages.CameraView,
    "sightline/{thing}/camera-views",
    (CAPTURE,),
    (CLOUD,),
    16,
    "cloud",
)
COMMISSIONING_STEP = MessageStream(
    "CommissioningStep",
    messages.CommissioningStep,
    "sightline/{thing}/commissioning",
    (CAPTURE, EQUIPMENT),
    (CLOUD,),
    2,
    "cloud",
)

BEATS = {
    component: MessageStream(
        f"{component.rsplit('.', 1)[-1]}Beat",
        messages.Beat,
        f"sightline/beat/{component.rsplit('.', 1)[-1].lower()}",
        (component,),
        (component,),
        1,
    )
    for component in COMPONENTS
}
CLOUD_BEAT = MessageStream(
    "CloudBeat",
    messages.Beat,
    "sightline/{thing}/beat",
    (PUBLISHER,),
    (PUBLISHER,),
    1,
    "cloud",
)

CATALOGUE: tuple[MessageStream, ...] = (
    PART_TRIGGERED,
    COUNTER_ANNOUNCED,
    PART_CAPTURED,
    PARTS_ANNOUNCED,
    PART_JUDGED,
    GATE_ACTED,
    GATE_CONFIRMED,
    PART_SETTLED,
    MACHINE_SAMPLES,
    MACHINE_STATE,
    MACHINE_STATE_TO_CLOUD,
    STATION_HEALTH,
    INSPECTION_RECORD,
    RECORDS_STORED,
    RECORDS_REFUSED,
    GATE_CORRECTION,
    GAP_RECORD,
    STATION_MODE,
    COMMAND_ACCEPTED,
    COMMAND_CARRIED_OUT,
    COMMAND,
    COMMAND_OUTCOME,
    CAMERA_VIEW,
    COMMISSIONING_STEP,
    *BEATS.values(),
    CLOUD_BEAT,
)


def streams_read_by(component: str) -> tuple[MessageStream, ...]:
    """The rows that name this component as a reader."""
    return tuple(stream for stream in CATALOGUE if component in stream.readers)


def streams_sent_by(component: str) -> tuple[MessageStream, ...]:
    """The rows that name this component as a sender."""
    return tuple(stream for stream in CATALOGUE if component in stream.senders)
