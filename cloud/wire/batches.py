"""Decodes and checks messages from the broker; builds the batch to store, refusals included."""

import logging
import math
from dataclasses import dataclass

import msgspec

from cloud.store.record_identity import (
    check_correction,
    check_gap,
    check_message,
    check_record,
    find_message_id,
)
from cloud.store.stored_messages import (
    DeadLetterNotice,
    MessageBatch,
    StoredCorrection,
    StoredGap,
    StoredHealth,
    StoredOutcome,
    StoredRecord,
    StoredRefusal,
    StoredState,
    StoredStep,
    StoredView,
)
from cloud.wire.site_limits import LimitReachedError, SiteLimits
from cloud.wire.topic_routes import TopicRoute, parse_topic
from sightline.errors import MessageError
from sightline.messaging.codec import MAX_MESSAGE_BYTES, decode
from sightline.messaging.messages import (
    CameraView,
    CommandOutcome,
    CommissioningStep,
    GapRecord,
    GateCorrection,
    InspectionRecord,
    MachineState,
    StationHealth,
    StationMessage,
)
from sightline.text import truncate

log = logging.getLogger(__name__)
MAX_STORABLE_NUMBER = 2**63 - 1
MAX_REFUSED_BYTES = 1024
MAX_REASON_LENGTH = 1000


@dataclass(frozen=True)
class ArrivedMessage:
    """A message as the broker delivered it; truncated if it is too large."""

    topic: str
    payload: bytes
    received_utc_ns: int
    left_out_bytes: int = 0


def build_batch(arrivals: list[ArrivedMessage], limits: SiteLimits | None = None) -> MessageBatch:
    """Build a batch from the arrivals, in order; unreadable ones become refusals."""
    batch = MessageBatch()
    for arrival in arrivals:
        try:
            _add_to_batch(arrival, batch, limits or SiteLimits())
        except MessageError as error:
            refuse_message(arrival, str(error), batch)
        except LimitReachedError as error:  # the station keeps it: no letter
            batch.refusals.append(_build_refusal(arrival, str(error)))
        except Exception as error:
            log.exception(
                "unexpected error while reading a message", extra={"topic": arrival.topic}
            )
            refuse_message(arrival, f"cannot be read: {type(error).__name__}: {error}", batch)
    return batch


def refuse_message(arrival: ArrivedMessage, reason: str, batch: MessageBatch) -> None:
    """Refuse a message for good: keep it as refused, and send its station a dead letter."""
    refusal = _build_refusal(arrival, reason)
    batch.refusals.append(refusal)
    route = parse_topic(arrival.topic)
    record_id = "" if route is None else find_message_id(route.stream.message, arrival.payload)
    if route is not None and record_id:
        batch.dead_letters.append(DeadLetterNotice(route.thing, record_id, refusal.reason))


def _add_to_batch(arrival: ArrivedMessage, batch: MessageBatch, limits: SiteLimits) -> None:
    route = parse_topic(arrival.topic)
    if route is None:
        raise MessageError(f"topic {arrival.topic!r} belongs to no stream of the catalogue")
    name = route.stream.message.__name__
    if arrival.left_out_bytes:
        raise MessageError(
            f"{name}: found {len(arrival.payload) + arrival.left_out_bytes} bytes; "
            f"at most {MAX_MESSAGE_BYTES} are allowed"
        )
    message = decode(route.stream.message, arrival.payload)
    _check_numbers(name, msgspec.to_builtins(message))
    body = _decode_payload(arrival.payload)
    thing, at = route.thing, arrival.received_utc_ns
    if isinstance(message, InspectionRecord):
        check_record(message, thing)
        limits.admit_station(thing)
        batch.records.append(StoredRecord(thing, at, message, body))
    elif isinstance(message, GateCorrection):
        check_correction(message, thing)
        limits.admit_station(thing)
        batch.corrections.append(StoredCorrection(thing, at, message))
    elif isinstance(message, GapRecord):
        check_gap(message, thing)
        limits.admit_station(thing)
        batch.gaps.append(StoredGap(thing, at, message, body))
    elif isinstance(message, StationMessage):
        check_message(message, thing)
        limits.admit_station(thing)
        _add_station_message(route, message, body, at, batch, limits)


def _add_station_message(
    route: TopicRoute,
    message: StationMessage,
    body: str,
    at: int,
    batch: MessageBatch,
    limits: SiteLimits,
) -> None:
    """Add a message that the station does not keep for a receipt."""
    thing = route.thing
    if isinstance(message, MachineState):
        limits.admit_machine(thing, message.equipment_id)
        batch.states.append(StoredState(thing, message, body, at))
    elif isinstance(message, StationHealth):
        limits.admit_component(thing, message.component)
        batch.health.append(StoredHealth(thing, message, body, at))
    elif isinstance(message, CommandOutcome):
        batch.outcomes.append(StoredOutcome(thing, message, body))
    elif isinstance(message, CommissioningStep):
        batch.steps.append(StoredStep(thing, message, body))
    elif isinstance(message, CameraView):
        batch.views.append(StoredView(thing, message, at))


def _check_numbers(name: str, content: object) -> None:
    """MessageError for the first number that neither the database nor the page's JSON can hold."""
    if isinstance(content, dict):
        for key, value in content.items():
            _check_numbers(f"{name}.{key}", value)
    elif isinstance(content, list | tuple):
        for value in content:
            _check_numbers(name, value)
    elif isinstance(content, int):
        if not -MAX_STORABLE_NUMBER <= content <= MAX_STORABLE_NUMBER:
            raise MessageError(f"{name} is out of range; at most {MAX_STORABLE_NUMBER} is allowed")
        if content < 0 and name.endswith("_utc_ns"):
            raise MessageError(f"{name} is {content}; times before 1970 are not allowed")
    elif isinstance(content, float) and not math.isfinite(content):
        raise MessageError(f"{name} is {content}; a finite number is expected")


def _decode_payload(payload: bytes) -> str:
    """The message as text, checked to be valid JSON as a whole, unknown fields included."""
    try:
        msgspec.json.decode(payload)
        return payload.decode("utf-8")
    except (msgspec.DecodeError, RecursionError) as error:
        raise MessageError(f"the message is not valid JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise MessageError(f"the message is not UTF-8 text: {error}") from error


def _build_refusal(arrival: ArrivedMessage, reason: str) -> StoredRefusal:
    return StoredRefusal(
        topic=_to_printable(arrival.topic),
        reason=truncate(_to_printable(reason), MAX_REASON_LENGTH),
        payload=arrival.payload[:MAX_REFUSED_BYTES],
        refused_utc_ns=arrival.received_utc_ns,
    )


def _to_printable(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode("utf-8")
