"""What the PLC's gate did and what the sensors behind it saw: what is new, and what waits for the bus."""

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from equipment.links.link import ConfirmationRecord, ConfirmationsRead, GateRecord, OutcomesRead
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import GateActed, GateConfirmed
from sightline.messaging.topics import GATE_ACTED, GATE_CONFIRMED, MessageStream

log = logging.getLogger(__name__)
T = TypeVar("T")
MAX_KEPT_PARTS = 1000
Publish = Callable[[MessageStream, GateActed | GateConfirmed], bool]


class GateHistory:
    """Remembers how far the PLC's histories were read, and publishes in order what is read."""

    def __init__(self, station_id: str, health: ComponentHealth) -> None:
        self._station_id = station_id
        self._health = health
        self._outcomes_known: int | None = None
        self._confirmations_known: int | None = None
        self._repeats_outcomes = self._repeats_confirmations = True
        self._connection_has_outcomes = self._connection_has_confirmations = False
        self._counted_utc_ns: OrderedDict[int, int] = OrderedDict()  # of parts of the PLC's count
        self._unpublished: deque[tuple[MessageStream, GateActed | GateConfirmed]] = deque()

    def begin_connection(self) -> None:
        """All that the PLC keeps is published again; what happened before is no news of now."""
        self.repeat()
        self._connection_has_outcomes = self._connection_has_confirmations = False

    def begin_count(self) -> None:
        """The PLC's numbers mean other parts from now on."""
        self._counted_utc_ns.clear()

    def record_part(self, number: int, counted_utc_ns: int) -> None:
        """The PLC counted a part."""
        self._counted_utc_ns.pop(number, None)
        self._counted_utc_ns[number] = counted_utc_ns
        if len(self._counted_utc_ns) > MAX_KEPT_PARTS:
            self._counted_utc_ns.popitem(last=False)

    def repeat(self) -> None:
        """Publish all that the PLC keeps at the next reading."""
        self._repeats_outcomes = self._repeats_confirmations = True

    def take_outcomes(
        self, reading: OutcomesRead, is_trial: Callable[[int], bool], *, awaits_confirmation: bool
    ) -> tuple[GateActed, ...]:
        """Queue the parts' outcomes; those that came over this connection, each once."""
        found, lost = find_new_outcomes(
            self._station_id,
            self._outcomes_known,
            reading,
            repeat_all=self._repeats_outcomes,
        )
        found = tuple(
            replace(
                acted,
                awaits_confirmation=awaits_confirmation,
                counted_utc_ns=self._find_count_time(acted),
            )
            for acted in found
        )
        fresh, _ = find_fresh(self._outcomes_known, reading.counter, found)
        had, self._connection_has_outcomes = self._connection_has_outcomes, True
        self._outcomes_known, self._repeats_outcomes = reading.counter, False
        for acted in found:
            if not is_trial(acted.part_number):
                self._unpublished.append((GATE_ACTED, acted))
        if lost:
            self._health.count("gate_outcomes_lost", lost)
            log.error("the PLC forgot outcomes before they were read", extra={"lost": lost})
        return tuple(acted for acted in fresh if had and not is_trial(acted.part_number))

    def take_confirmations(self, reading: ConfirmationsRead) -> tuple[ConfirmationRecord, ...]:
        """Queue where parts were seen; those that came over this connection, each once."""
        fresh, lost = find_fresh(self._confirmations_known, reading.counter, reading.records)
        had, self._connection_has_confirmations = self._connection_has_confirmations, True
        found = reading.records if self._repeats_confirmations else fresh
        self._confirmations_known, self._repeats_confirmations = reading.counter, False
        for record in found:
            if not record.is_stray:
                confirmed = build_gate_confirmed(self._station_id, record)
                self._unpublished.append((GATE_CONFIRMED, confirmed))
        if lost:
            self._health.count("gate_confirmations_lost", lost)
            log.error("the PLC forgot confirmations before they were read", extra={"lost": lost})
        return tuple(fresh) if had else ()

    def _find_count_time(self, acted: GateActed) -> int | None:
        """When its part was counted; an outcome of before that is of an earlier part of its number."""
        counted_utc_ns = self._counted_utc_ns.get(acted.part_number)
        is_its = counted_utc_ns is not None and counted_utc_ns <= acted.acted_utc_ns
        return counted_utc_ns if is_its else None

    def publish(self, publish: Publish) -> None:
        """Publish in order what is not yet published; the rest waits for the bus."""
        while self._unpublished and publish(*self._unpublished[0]):
            self._unpublished.popleft()


def find_fresh(known: int | None, counter: int, records: Sequence[T]) -> tuple[Sequence[T], int]:
    """The records since the `known`th of all that ever were, and how many of those are lost."""
    if known is None or counter < known:  # our start, or the PLC's
        return records, 0
    more = counter - known
    fresh = records[-more:] if more else records[:0]
    return fresh, more - len(fresh)


def find_new_outcomes(
    station_id: str,
    known_counter: int | None,
    reading: OutcomesRead,
    *,
    repeat_all: bool,
) -> tuple[tuple[GateActed, ...], int]:
    """The outcomes to publish (all kept ones, or those since `known_counter`), and how many are lost."""
    fresh, lost = find_fresh(known_counter, reading.counter, reading.records)
    found = reading.records if repeat_all else fresh
    return tuple(build_gate_acted(station_id, one) for one in found), lost


def build_gate_acted(station_id: str, record: GateRecord) -> GateActed:
    """The PLC's record as a message."""
    return GateActed(
        station_id=station_id,
        part_number=record.part_number,
        action=record.action,
        acted_utc_ns=record.acted_utc_ns,
        cause=record.cause,
    )


def build_gate_confirmed(station_id: str, record: ConfirmationRecord) -> GateConfirmed:
    """What the PLC's sensors saw as a message."""
    return GateConfirmed(
        station_id=station_id,
        part_number=record.part_number,
        acted_utc_ns=record.acted_utc_ns,
        confirmation=record.confirmation,
    )
