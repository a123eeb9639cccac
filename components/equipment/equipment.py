"""The component: one main loop between the bus and the machine's link."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from equipment.configuration import EquipmentConfiguration
from equipment.counting import Count, Counting
from equipment.dry_run_desk import DryRunDesk, why_none
from equipment.gate import (
    OWN_COUNT,
    TOO_LATE,
    MissedInARow,
    line_stop_in_words,
    new_outcomes,
    order_of,
)
from equipment.links.link import (
    Beat,
    CounterSeen,
    LineStopSeen,
    LinkDown,
    LinkFault,
    LinkUp,
    MachineLink,
    OutcomesRead,
    ReadOutcomes,
    ReadTags,
    StopLine,
    TagsRead,
    VerdictEchoed,
    VerdictOrder,
    VerdictTooLate,
    new_count_id,
)
from equipment.links.registry import open_link
from equipment.links.told import LONGEST_TEXT, UNREADABLE, text_of
from equipment.modes import Modes
from equipment.poller import Poller
from equipment.schedule import Every
from equipment.timeliness import Timeliness, TriggerTimeliness
from sightline.bus import Delivery
from sightline.clock import boot_id
from sightline.codec import encode
from sightline.errors import MessageError, TransportError
from sightline.messages import (
    CommandAccepted,
    CounterAnnounced,
    GateActed,
    Message,
    PartJudged,
    PartSettled,
    PartTriggered,
    StationMode,
)
from sightline.runtime import Context, NewConfiguration
from sightline.topics import (
    COUNTER_ANNOUNCED,
    GATE_ACTED,
    MACHINE_SAMPLES,
    PART_TRIGGERED,
    Stream,
)

log = logging.getLogger(__name__)
GREATEST_UNDER_WAY = 1000
BYPASS_WITHIN_NS = 500_000_000
COUNTED_BY_STATION = "counted-by-station"
COUNTER_UNREADABLE = "counter-unreadable"
VERDICTS_LATE = "verdicts-late"
TRIGGERS_LATE = "triggers-late"
PLC_TEXT = "plc-text"


class Equipment:
    """Triggers in, verdicts to the gate, outcomes and readings out."""

    def __init__(self, context: Context[EquipmentConfiguration], link: MachineLink) -> None:
        self._context = context
        self._health = context.health
        self._link = link
        self._counting = Counting()
        self._modes = Modes(context.work_folder / "mode.txt", context.health, context.clock)
        self._timeliness = Timeliness()
        self._trigger_timeliness = TriggerTimeliness()
        self._link_faults: set[str] = set()
        self._count_id = 0
        self._ignored_to = 0
        self._let_through: deque[int] = deque(maxlen=GREATEST_UNDER_WAY)
        self._link_is_up = False
        self._outcome_counter: int | None = None
        self._repeat_outcomes = True
        self._awaits_outcomes = False
        self._unpublished: deque[GateActed] = deque()
        self._dry_runs = DryRunDesk(context.bus, context.clock, context.health, context.station_id)
        self._configure(context.configuration)
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            Delivery: self._deliver,
            CounterSeen: self._see_counter,
            TagsRead: self._take_readings,
            OutcomesRead: self._take_outcomes,
            VerdictEchoed: self._see_echo,
            VerdictTooLate: self._see_not_written,
            LinkFault: self._see_link_fault,
            LineStopSeen: self._see_line_stop,
            LinkUp: self._link_up,
            LinkDown: self._link_down,
            NewConfiguration: self._reconfigure,
        }
        endpoint = context.configuration.link.endpoint
        self._health.raise_fault("plc-away", f"{endpoint}: not connected yet")
        link.start()

    def handle(self, event: object) -> None:
        """Take a verdict from the bus or an event of the link."""
        handler = self._handlers.get(type(event))
        if handler is None:
            log.warning("unknown event", extra={"event": repr(event)})
        else:
            handler(event)

    def tick(self) -> float:
        """Beat, poll and announce when due; returns the seconds until the next of these."""
        now_ns = self._context.clock.monotonic_ns()
        self._modes.tick()
        if self._heartbeat.due(now_ns):
            # from here, not from the link's thread: it means that this loop runs
            self._link.request(Beat())
            self._publish_outcomes()
            self._dry_runs.tick(self._order)
        if self._sampling.due(now_ns):
            self._begin_interval()
        if self._announcing.due(now_ns):
            self._announce()
        times = (self._heartbeat.next_ns, self._sampling.next_ns, self._announcing.next_ns)
        return max(0.0, (min(times) - now_ns) / 1e9)

    def close(self) -> None:
        """Leave the machine and the bus."""
        self._link.close()
        self._context.bus.close()

    def _configure(self, configuration: EquipmentConfiguration) -> None:
        now_ns = self._context.clock.monotonic_ns()
        self._configuration = configuration
        self._modes.configure(configuration.allow_bypass)
        self._poller = Poller(self._context.station_id, configuration)
        self._missed = MissedInARow(configuration.line_stop_after_missed)
        self._heartbeat = Every(configuration.heartbeat_interval_ms / 1000, now_ns)
        self._sampling = Every(configuration.sample_interval_s, now_ns)
        self._announcing = Every(configuration.counter_announce_interval_s, now_ns)

    def _reconfigure(self, event: NewConfiguration) -> None:
        configuration = event.configuration
        assert isinstance(configuration, EquipmentConfiguration)
        self._link.close()
        self._ignored_to = new_count_id()  # what the old link posted may still wait in the inbox
        self._link_down(LinkDown("the configuration changed"))
        context = self._context
        self._configure(configuration)
        self._link = open_link(configuration.link, configuration.tags, context.inbox, context.clock)
        self._link.start()

    def _deliver(self, delivery: Delivery) -> None:
        if isinstance(delivery.message, PartJudged):
            self._forward(delivery.message)
            self._count_missed(delivery.message)
        elif isinstance(delivery.message, PartSettled) and delivery.message.begins:
            self._repeat_outcomes = True  # the publisher may lack some
            self._link.request(ReadOutcomes())
        elif isinstance(delivery.message, StationMode):
            self._modes.hear(delivery.message)
            self._show_ready()
        elif isinstance(delivery.message, CommandAccepted):
            lacking = self._why_no_dry_run()
            self._dry_runs.take(delivery.message, lacking, self._modes.counts_as_production)

    def _why_no_dry_run(self) -> str:
        last = self._counting.last
        return why_none(
            self._link_is_up,
            self._configuration.link.takes_dry_runs,
            None if last is None else last.counter,
        )

    def _see_echo(self, echoed: VerdictEchoed) -> None:
        if not self._dry_runs.see_echo(echoed.part_number):
            self._health.count("verdicts_taken_by_plc")

    def _order(self, order: VerdictOrder) -> None:
        """Hand an order over, void in any count of the PLC's but the one that is known here."""
        self._link.request(replace(order, count_id=self._count_id))

    def _forward(self, judged: PartJudged) -> None:
        self._show_who_counts(judged)
        margin_ns = round(self._configuration.verdict_margin_ms * 1e6)
        order = order_of(
            judged,
            boot_id=boot_id(),
            now_ns=self._context.clock.monotonic_ns(),
            margin_ns=margin_ns,
            counting_since_ns=self._counting.since_monotonic_ns,
            withheld=self._modes.withheld,
        )
        if judged.part.part_number in self._let_through:
            order = "the bypass let its part through when it was counted"
        if not self._link_is_up:
            order = "the PLC is away"
        if isinstance(order, VerdictOrder):
            self._order(order)
            self._health.count("verdicts_forwarded")
            self._timeliness.see_in_time()
        else:
            self._refuse(judged.part.part_number, order)
            if order == TOO_LATE and judged.gap_from is None:
                self._see_late(judged.deadline_monotonic_ns - margin_ns)
        self._show_timeliness()

    def _show_who_counts(self, judged: PartJudged) -> None:
        if judged.counted_by == "plc":
            self._health.clear_fault(COUNTED_BY_STATION)
        elif not judged.replayed and self._health.raise_fault(COUNTED_BY_STATION, OWN_COUNT):
            log.error("the station counts the parts itself; no verdict goes to the PLC")

    def _see_not_written(self, event: VerdictTooLate) -> None:
        order = event.order
        self._refuse(order.part_number, event.reason)
        if event.is_late and not order.dry_run:
            self._see_late(order.not_after_monotonic_ns, after_all=True)
            self._show_timeliness()

    def _see_late(self, until_ns: int, after_all: bool = False) -> None:
        now_ns = self._context.clock.monotonic_ns()
        late_ms = max(0.0, (now_ns - until_ns) / 1e6)
        see = self._timeliness.see_late_after_all if after_all else self._timeliness.see_late
        see(late_ms, now_ns)

    def _show_timeliness(self) -> None:
        self._show_ready()
        if not self._timeliness.are_late:
            self._health.clear_fault(VERDICTS_LATE)
        elif self._health.raise_fault(VERDICTS_LATE, self._timeliness.in_words()):
            log.error("verdicts are late", extra={"reason": self._timeliness.in_words()})

    def _show_ready(self) -> None:
        """Ready is who does all of its part: counts, and orders in time what is judged."""
        self._health.set_ready(
            self._link_is_up
            and self._counting.last is not None
            and COUNTER_UNREADABLE not in self._link_faults
            and self._modes.is_known
            and not self._timeliness.are_late
        )

    def _see_link_fault(self, event: LinkFault) -> None:
        if not self._link_is_up:  # of a connection that is gone; a new one tells it again
            return
        if event.text:
            self._link_faults.add(event.code)
            self._show_ready()  # before the fault: whoever reads that finds it not ready
            if self._health.raise_fault(event.code, event.text):
                log.error("the link has a fault", extra={"code": event.code, "reason": event.text})
        elif event.code in self._link_faults:
            self._link_faults.remove(event.code)
            self._health.clear_fault(event.code)
            if event.code == COUNTER_UNREADABLE:
                self._announce()
        self._show_ready()

    def _count_missed(self, judged: PartJudged) -> None:
        over_this_connection = (
            self._link_is_up
            and judged.boot_id == boot_id()
            and judged.triggered_monotonic_ns >= self._counting.since_monotonic_ns
        )
        if over_this_connection and self._missed.see(judged):
            log.error("too many parts missed in a row; asking for a line-stop")
            self._health.count("line_stops_asked_for")
            self._link.request(StopLine())

    def _see_line_stop(self, seen: LineStopSeen) -> None:
        if seen.stopped:
            text = line_stop_in_words(self._configuration.line_stop_after_missed)
            self._health.raise_fault("line-stop", text)
        else:
            self._health.clear_fault("line-stop")

    def _refuse(self, part_number: int, reason: str) -> None:
        self._health.count("verdicts_not_forwarded")
        log.info("verdict not forwarded", extra={"part_number": part_number, "reason": reason})

    def _link_up(self, event: LinkUp) -> None:
        if event.count_id < self._ignored_to:
            return
        self._link_is_up = True
        self._repeat_outcomes = True
        self._count_id = event.count_id
        self._counting.connected(event.connected_monotonic_ns)
        self._health.clear_fault("plc-away")
        self._show_ready()
        log.info("PLC connected")

    def _link_down(self, event: LinkDown) -> None:
        self._link_is_up = False
        self._poller.forget_count()
        self._dry_runs.link_lost()
        for code in self._link_faults:
            self._health.clear_fault(code)
        self._link_faults.clear()
        self._show_ready()
        if self._health.raise_fault("plc-away", event.reason):
            log.error("PLC is away", extra={"reason": event.reason})

    def _see_counter(self, seen: CounterSeen) -> None:
        if seen.count_id < self._ignored_to:
            return
        what = self._counting.see(seen)
        self._count_id = seen.count_id
        self._dry_runs.see_counter(seen.counter)
        if what == "start" and self._awaits_outcomes:
            self._awaits_outcomes = False
            self._link.request(ReadOutcomes())
        if what in ("start", "restart"):
            self._let_through.clear()  # the numbers may come again
        if what in ("wrap", "restart"):
            self._poller.forget_count()
        if what == "start" or (what == "restart" and seen.counter == 0):
            self._announce()
        elif what != "known":
            self._trigger(seen)
        if what == "restart":
            log.error("the PLC's counter ran backwards", extra={"counter": seen.counter})
            self._health.count("counter_restarts")
        self._show_ready()

    def _trigger(self, seen: CounterSeen) -> None:
        self._health.count("parts_triggered")
        self._health.gauge("trigger_delay_ms", seen.delay_ms)
        self._trigger_timeliness.see(seen.delay_ms)
        if self._trigger_timeliness.are_late:
            self._health.raise_fault(TRIGGERS_LATE, self._trigger_timeliness.in_words())
        else:
            self._health.clear_fault(TRIGGERS_LATE)
        self._dry_runs.part_came(self._modes.counts_as_production)
        if (
            seen.counter in self._let_through
        ):  # an earlier part of this number: the counter went round
            self._let_through.remove(seen.counter)
        if self._modes.bypasses:
            self._bypass(seen)
        if self._counting.ended is not None:  # parts up to the top of the counter were not told
            self._tell_counter(self._counting.ended)
        product = text_of(seen.product)
        triggered = PartTriggered(
            station_id=self._context.station_id,
            counter=seen.counter,
            counted_utc_ns=seen.counted_utc_ns,
            received_monotonic_ns=seen.received_monotonic_ns,
            boot_id=boot_id(),
            delay_ms=seen.delay_ms,
            belt_speed_mps=seen.belt_speed_mps,
            product=self._configuration.products.get(product, product),
            lot=text_of(seen.lot),
        )
        self._publish_trigger(triggered)

    def _publish_trigger(self, triggered: PartTriggered) -> None:
        """Tell of a part, without the PLC's texts if these cannot be told: then it is never ok."""
        untold = [name for name in ("product", "lot") if getattr(triggered, name) == UNREADABLE]
        try:
            encode(triggered)
        except (MessageError, UnicodeError) as error:
            log.error("the PLC's texts cannot be told", extra={"error": str(error)})
            untold = ["product", "lot"]
            triggered = msgspec.structs.replace(triggered, product=UNREADABLE, lot=UNREADABLE)
        if untold:
            self._health.raise_fault(
                PLC_TEXT,
                f"The PLC's {' and '.join(untold)} cannot be used: unreadable, longer than {LONGEST_TEXT} "
                "characters, or with control characters. Parts are told without, and none of an unknown "
                "product passes. Correct the text at the PLC.",
            )
        else:
            self._health.clear_fault(PLC_TEXT)
        self._publish(PART_TRIGGERED, triggered)

    def _bypass(self, seen: CounterSeen) -> None:
        """Let a part through at once, whatever is found on it, and be the station's rest alive or not."""
        self._let_through.append(seen.counter)
        not_after_ns = seen.received_monotonic_ns + BYPASS_WITHIN_NS
        self._order(VerdictOrder(seen.counter, "ok", not_after_ns))
        self._health.count("parts_bypassed")

    def _announce(self) -> None:
        count = self._counting.announce(self._poller.last_read) if self._link_is_up else None
        if count is not None:
            self._tell_counter(count)

    def _tell_counter(self, count: Count) -> None:
        self._publish(
            COUNTER_ANNOUNCED,
            CounterAnnounced(
                station_id=self._context.station_id,
                counter=count.counter,
                counted_utc_ns=count.counted_utc_ns,
            ),
        )

    def _begin_interval(self) -> None:
        for batch in self._poller.interval(self._link_is_up, self._context.clock.utc_ns()):
            self._publish(MACHINE_SAMPLES, batch)
        if self._link_is_up:
            self._link.request(ReadTags())

    def _take_readings(self, read: TagsRead) -> None:
        for batch in self._poller.answer(read, self._context.clock.utc_ns()):
            self._publish(MACHINE_SAMPLES, batch)

    def _take_outcomes(self, reading: OutcomesRead) -> None:
        if self._counting.last is None:  # only the counter tells parts from earlier dry runs
            self._awaits_outcomes = True
            return
        told, lost = new_outcomes(
            self._context.station_id,
            self._outcome_counter,
            reading,
            repeat_all=self._repeat_outcomes,
        )
        self._outcome_counter, self._repeat_outcomes = reading.counter, False
        self._dry_runs.see_outcomes(reading)
        is_trial = self._dry_runs.is_trial
        self._unpublished.extend(acted for acted in told if not is_trial(acted.part_number))
        if lost:
            self._health.count("gate_outcomes_lost", lost)
            log.error("the PLC forgot outcomes before they were read", extra={"lost": lost})
        self._publish_outcomes()

    def _publish_outcomes(self) -> None:
        while self._unpublished and self._publish(GATE_ACTED, self._unpublished[0]):
            self._unpublished.popleft()

    def _publish(self, stream: Stream, message: Message) -> bool:
        try:
            self._context.bus.publish(stream, message)
        except (TransportError, MessageError, UnicodeError) as error:  # a PLC's text may be any
            self._health.count("messages_not_published")
            log.error("not published", extra={"stream": stream.name, "error": str(error)})
            return False
        return True


def build_equipment(context: Context[EquipmentConfiguration]) -> Equipment:
    """The component with the configured link."""
    configuration = context.configuration
    link = open_link(configuration.link, configuration.tags, context.inbox, context.clock)
    return Equipment(context, link)
