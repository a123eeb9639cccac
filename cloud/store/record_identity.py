"""Checks that a message belongs to the thing of its topic: ids of records, corrections and gaps."""

import re

import msgspec

from sightline.errors import MessageError
from sightline.messaging.messages import GapRecord, GateCorrection, InspectionRecord, StationMessage

MAX_NUMBER = 2**53 - 1  # a page's numbers are exact up to it
MAX_GAP_WIDTH = 2**32
MAX_NAMED_ID_LENGTH = 1024
_ID_FIELDS = {
    InspectionRecord: "recordId",
    GateCorrection: "correctionId",
    GapRecord: "gapId",
}


def check_record(record: InspectionRecord, thing: str) -> None:
    """MessageError if a record does not belong to this thing."""
    name = "InspectionRecord"
    for field, number in (("epoch", record.epoch), ("partNumber", record.partNumber)):
        _check_number(name, field, number)
    _check_station(name, record.stationId, thing)
    wanted = f"{thing}-{record.epoch}-{record.partNumber}"
    _check_id(name, "recordId", record.recordId, wanted)


def check_correction(correction: GateCorrection, thing: str) -> None:
    """MessageError if a correction does not belong to a record of this thing."""
    name = "GateCorrection"
    _check_station(name, correction.stationId, thing)
    if not re.fullmatch(rf"{re.escape(thing)}-[0-9]+-[0-9]+", correction.recordId):
        raise MessageError(
            f"{name}: recordId is {correction.recordId!r}; records of {thing!r} are named "
            f"{thing}-EPOCH-NUMBER"
        )
    _check_id(name, "correctionId", correction.correctionId, f"{correction.recordId}/gate")


def check_gap(gap: GapRecord, thing: str) -> None:
    """MessageError if a gap does not belong to this thing, or covers no parts or too many."""
    name = "GapRecord"
    for field, number in (("epoch", gap.epoch), ("from", gap.from_), ("to", gap.to)):
        _check_number(name, field, number)
    _check_station(name, gap.stationId, thing)
    wanted = f"{thing}-{gap.epoch}-{gap.from_}-{gap.to}"  # and so never a record's
    _check_id(name, "gapId", gap.gapId, wanted)
    if not gap.from_ <= gap.to < gap.from_ + MAX_GAP_WIDTH:
        raise MessageError(
            f"{name}: it covers {gap.from_} to {gap.to}; 1 to {MAX_GAP_WIDTH} parts are allowed"
        )


def check_message(message: StationMessage, thing: str) -> None:
    """MessageError if station_id is not the sender: commands go to the station that the page shows."""
    name = type(message).__name__
    if message.station_id != thing:
        raise MessageError(
            f"{name}: station_id is {message.station_id!r}, but the topic belongs to {thing!r}"
        )


def parse_things(part_id: str) -> tuple[str, ...]:
    """The things that a record or gap id may belong to; thing names may contain dashes."""
    pieces = part_id.split("-")
    return tuple("-".join(pieces[:-count]) for count in (2, 3) if len(pieces) > count)


def find_message_id(message_type: type[msgspec.Struct], payload: bytes) -> str:
    """The id that a station expects a receipt for, from a possibly broken message; empty if none."""
    field = _ID_FIELDS.get(message_type)
    if field is None:
        return ""
    found = re.search(
        rb'"' + field.encode() + rb'"\s*:\s*("(?:[^"\\]|\\.){1,%d}")' % MAX_NAMED_ID_LENGTH, payload
    )
    if found is None:
        return ""
    try:
        return msgspec.json.decode(found[1], type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _check_number(name: str, field: str, number: int) -> None:
    if not 0 <= number <= MAX_NUMBER:
        raise MessageError(f"{name}: {field} is {number}; 0 to {MAX_NUMBER} is allowed")


def _check_station(name: str, station: str, thing: str) -> None:
    if station != thing:
        raise MessageError(f"{name}: stationId is {station!r}, but the topic belongs to {thing!r}")


def _check_id(name: str, field: str, found: str, wanted: str) -> None:
    if not found:
        raise MessageError(f"{name}: {field} is empty; it must be {wanted!r}")
    if found != wanted:
        raise MessageError(f"{name}: {field} is {found!r}; it must be {wanted!r}")
