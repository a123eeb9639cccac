"""From bytes of the broker to what is stored: decoded and checked, refused with a reason."""

from dataclasses import dataclass

import msgspec

from cloud.routes import Route, route_of
from cloud.store.store import (
    Batch,
    StoredHealth,
    StoredOutcome,
    StoredRecord,
    StoredRefusal,
    StoredState,
    StoredStep,
    StoredView,
)
from sightline.codec import decode
from sightline.errors import MessageError
from sightline.messages import (
    CameraView,
    CommandOutcome,
    CommissioningStep,
    InspectionRecord,
    MachineState,
    StationHealth,
)

GREATEST_NUMBER = 2**63 - 1
GREATEST_REFUSED_BYTES = 1024


@dataclass(frozen=True)
class Arrival:
    """A message as the broker delivered it."""

    topic: str
    payload: bytes
    received_utc_ns: int


def batch_of(arrivals: list[Arrival]) -> Batch:
    """What the arrivals say, in their order; what cannot be read becomes a refusal."""
    batch = Batch()
    for arrival in arrivals:
        try:
            _sort_in(arrival, batch)
        except MessageError as error:
            batch.refusals.append(_refusal(arrival, str(error)))
    return batch


def _sort_in(arrival: Arrival, batch: Batch) -> None:
    route = route_of(arrival.topic)
    if route is None:
        raise MessageError(f"no stream of the catalogue has the topic {arrival.topic!r}")
    message = decode(route.stream.message, arrival.payload)
    _check_numbers(route.stream.message.__name__, msgspec.to_builtins(message))
    body = _text(arrival.payload)
    at = arrival.received_utc_ns
    if isinstance(message, InspectionRecord):
        batch.records.append(_record(arrival, route, message, body))
    elif isinstance(message, MachineState):
        batch.states.append(StoredState(route.thing, message, body, at))
    elif isinstance(message, StationHealth):
        batch.health.append(StoredHealth(route.thing, message, body, at))
    elif isinstance(message, CommandOutcome):
        batch.outcomes.append(StoredOutcome(route.thing, message, body))
    elif isinstance(message, CommissioningStep):
        batch.steps.append(StoredStep(route.thing, message, body))
    elif isinstance(message, CameraView):
        batch.views.append(StoredView(route.thing, message, at))


def _record(arrival: Arrival, route: Route, record: InspectionRecord, body: str) -> StoredRecord:
    if not record.recordId:
        raise MessageError("InspectionRecord: recordId is empty; it must name the part")
    for name, number in (("epoch", record.epoch), ("partNumber", record.partNumber)):
        if number < 0:
            raise MessageError(f"InspectionRecord: {name} is {number}; it counts from 0")
    return StoredRecord(route.thing, arrival.received_utc_ns, record, body)


def _check_numbers(name: str, content: object) -> None:
    """MessageError for the first whole number that no database and no JSON for a page can hold."""
    if isinstance(content, dict):
        for key, value in content.items():
            _check_numbers(f"{name}.{key}", value)
    elif isinstance(content, list | tuple):
        for value in content:
            _check_numbers(name, value)
    elif isinstance(content, int) and not -GREATEST_NUMBER <= content <= GREATEST_NUMBER:
        raise MessageError(f"{name} is a number beyond {GREATEST_NUMBER}")


def _text(payload: bytes) -> str:
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MessageError(f"the message is no UTF-8 text: {error}") from error


def _refusal(arrival: Arrival, reason: str) -> StoredRefusal:
    return StoredRefusal(
        topic=_printable(arrival.topic),
        reason=_printable(reason),
        payload=arrival.payload[:GREATEST_REFUSED_BYTES],
        refused_utc_ns=arrival.received_utc_ns,
    )


def _printable(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode("utf-8")
