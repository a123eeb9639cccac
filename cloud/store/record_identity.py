"""Whose a message is: the ids of records, corrections and gaps belong to the thing of their topic."""

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
    """MessageError if a record is not that of a part of this thing."""
    name = "InspectionRecord"
    for field, number in (("epoch", record.epoch), ("partNumber", record.partNumber)):
        _check_number(name, field, number)
    _check_station(name, record.stationId, thing)
    wanted = f"{thing}-{record.epoch}-{record.partNumber}"
    _check_id(name, "recordId", record.recordId, wanted)


def check_correction(correction: GateCorrection, thing: str) -> None:
    """MessageError if a correction is not that of a record of this thing."""
    name = "GateCorrection"
    _check_station(name, correction.stationId, thing)
    if not re.fullmatch(rf"{re.escape(thing)}-[0-9]+-[0-9]+", correction.recordId):
        raise MessageError(
            f"{name}: recordId is {correction.recordId!r}; a record of {thing!r} is called "
            f"{thing}-EPOCH-NUMBER"
        )
    _check_id(name, "correctionId", correction.correctionId, f"{correction.recordId}/gate")


def check_gap(gap: GapRecord, thing: str) -> None:
    """MessageError if a gap is not one of this thing, or covers no parts or more than can be."""
    name = "GapRecord"
    for field, number in (("epoch", gap.epoch), ("from", gap.from_), ("to", gap.to)):
        _check_number(name, field, number)
    _check_station(name, gap.stationId, thing)
    wanted = f"{thing}-{gap.epoch}-{gap.from_}-{gap.to}"  # and so never a record's
    _check_id(name, "gapId", gap.gapId, wanted)
    if not gap.from_ <= gap.to < gap.from_ + MAX_GAP_WIDTH:
        raise MessageError(
            f"{name}: it goes from {gap.from_} to {gap.to}; 1 to {MAX_GAP_WIDTH} parts are allowed"
        )


def check_message(message: StationMessage, thing: str) -> None:
    """MessageError if another than its sender is told of: commands go to whom the page shows."""
    name = type(message).__name__
    if message.station_id != thing:
        raise MessageError(
            f"{name}: station_id is {message.station_id!r}, but it came on the topic of {thing!r}"
        )


def parse_things(part_id: str) -> tuple[str, ...]:
    """Of which things a record or a gap with this id may be: their names may hold dashes, too."""
    pieces = part_id.split("-")
    return tuple("-".join(pieces[:-count]) for count in (2, 3) if len(pieces) > count)


def find_message_id(message_type: type[msgspec.Struct], payload: bytes) -> str:
    """The id that a station waits on, read from a message that may be broken, or nothing."""
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
        raise MessageError(f"{name}: {field} is {number}; it counts from 0 to {MAX_NUMBER}")


def _check_station(name: str, station: str, thing: str) -> None:
    if station != thing:
        raise MessageError(
            f"{name}: stationId is {station!r}, but it came on the topic of {thing!r}"
        )


def _check_id(name: str, field: str, found: str, wanted: str) -> None:
    if not found:
        raise MessageError(f"{name}: {field} is empty; it must be {wanted!r}")
    if found != wanted:
        raise MessageError(f"{name}: {field} is {found!r}; it must be {wanted!r}")
