"""The component: one main loop between the bus and the machine's link."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from equipment.configuration import EquipmentConfiguration
from equipment.counter_tracker import CounterTracker, CounterValue
from equipment.dry_run_handler import DryRunHandler, explain_no_dry_run
from equipment.gate_verdicts import (
    STATION_COUNTS_TEXT,
    VERDICT_TOO_LATE,
    MissedStreak,
    build_verdict_write,
    describe_line_stop,
    find_new_outcomes,
)
from equipment.links.link import (
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
    VerdictNotWritten,
    WriteHeartbeat,
    WriteVerdict,
    new_count_id,
)
from equipment.links.register_history import MAX_PLC_TEXT, UNREADABLE_TEXT, parse_register_text
from equipment.links.registry import open_link
from equipment.sample_batcher import SampleBatcher
from equipment.station_mode import StationModeState
from equipment.timeliness import TriggerTimeliness, VerdictTimeliness
from sightline.clock import boot_id
from sightline.errors import MessageError, TransportError
from sightline.kernel.component import ComponentContext, NewConfiguration
from sightline.kernel.interval_timer import IntervalTimer
from sightline.messaging.bus import Delivery
from sightline.messaging.codec import encode
from sightline.messaging.messages import (
    CommandAccepted,
    CounterAnnounced,
    GateActed,
    PartJudged,
    PartSettled,
    PartTriggered,
    StationMessage,
    StationMode,
)
from sightline.messaging.topics import (
    COUNTER_ANNOUNCED,
    GATE_ACTED,
    MACHINE_SAMPLES,
    PART_TRIGGERED,
    MessageStream,
)

log = logging.getLogger(__name__)
MAX_PARTS_UNDER_WAY = 1000
BYPASS_WITHIN_NS = 500_000_000
COUNTED_BY_STATION = "counted-by-station"
COUNTER_UNREADABLE = "counter-unreadable"
VERDICTS_LATE = "verdicts-late"
TRIGGERS_LATE = "triggers-late"
PLC_TEXT = "plc-text"


class EquipmentComponent:
    """Triggers in, verdicts to the gate, outcomes and readings out."""

    def __init__(
        self, context: ComponentContext[EquipmentConfiguration], link: MachineLink
    ) -> None:
        self._context = context
        self._health = context.health
        self._link = link
        self._counter = CounterTracker()
        self._mode = StationModeState(
            context.work_folder / "mode.txt", context.health, context.clock
        )
        self._timeliness = VerdictTimeliness()
        self._trigger_timeliness = TriggerTimeliness()
        self._link_faults: set[str] = set()
        self._count_id = 0
        self._ignored_before_count_id = 0
        self._bypassed_numbers: deque[int] = deque(maxlen=MAX_PARTS_UNDER_WAY)
        self._link_is_up = False
        self._outcome_counter: int | None = None
        self._repeat_outcomes = True
        self._awaits_outcomes = False
        self._unpublished: deque[GateActed] = deque()
        self._dry_runs = DryRunHandler(
            context.bus, context.clock, context.health, context.station_id
        )
        self._configure(context.configuration)
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            Delivery: self._handle_delivery,
            CounterSeen: self._handle_counter,
            TagsRead: self._handle_tags,
            OutcomesRead: self._handle_outcomes,
            VerdictEchoed: self._handle_echo,
            VerdictNotWritten: self._handle_unwritten_verdict,
            LinkFault: self._handle_link_fault,
            LineStopSeen: self._handle_line_stop,
            LinkUp: self._handle_link_up,
            LinkDown: self._handle_link_down,
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
        self._mode.tick()
        if self._heartbeat.advance_if_due(now_ns):
            # from here, not from the link's thread: it means that this loop runs
            self._link.request(WriteHeartbeat())
            self._publish_outcomes()
            self._dry_runs.tick(self._request_write)
        if self._sampling.advance_if_due(now_ns):
            self._begin_interval()
        if self._announcing.advance_if_due(now_ns):
            self._announce_counter()
        times = (self._heartbeat.next_ns, self._sampling.next_ns, self._announcing.next_ns)
        return max(0.0, (min(times) - now_ns) / 1e9)

    def close(self) -> None:
        """Leave the machine and the bus."""
        self._link.close()
        self._context.bus.close()

    def _configure(self, configuration: EquipmentConfiguration) -> None:
        now_ns = self._context.clock.monotonic_ns()
        self._configuration = configuration
        self._mode.configure(configuration.allow_bypass)
        self._batcher = SampleBatcher(self._context.station_id, configuration)
        self._missed_streak = MissedStreak(configuration.line_stop_after_missed)
        self._heartbeat = IntervalTimer(configuration.heartbeat_interval_ms / 1000, now_ns)
        self._sampling = IntervalTimer(configuration.sample_interval_s, now_ns)
        self._announcing = IntervalTimer(configuration.counter_announce_interval_s, now_ns)

    def _reconfigure(self, event: NewConfiguration) -> None:
        configuration = event.configuration
        assert isinstance(configuration, EquipmentConfiguration)
        self._link.close()
        self._ignored_before_count_id = (
            new_count_id()
        )  # what the old link posted may still wait in the inbox
        self._handle_link_down(LinkDown("the configuration changed"))
        context = self._context
        self._configure(configuration)
        self._link = open_link(configuration.link, configuration.tags, context.inbox, context.clock)
        self._link.start()

    def _handle_delivery(self, delivery: Delivery) -> None:
        if isinstance(delivery.message, PartJudged):
            self._forward_verdict(delivery.message)
            self._count_missed(delivery.message)
        elif isinstance(delivery.message, PartSettled) and delivery.message.begins:
            self._repeat_outcomes = True  # the publisher may lack some
            self._link.request(ReadOutcomes())
        elif isinstance(delivery.message, StationMode):
            self._mode.update(delivery.message)
            self._update_ready()
        elif isinstance(delivery.message, CommandAccepted):
            lacking = self._explain_no_dry_run()
            self._dry_runs.handle_command(
                delivery.message, lacking, self._mode.counts_as_production
            )

    def _explain_no_dry_run(self) -> str:
        last = self._counter.last
        return explain_no_dry_run(
            self._link_is_up,
            self._configuration.link.supports_dry_runs,
            None if last is None else last.counter,
        )

    def _handle_echo(self, echoed: VerdictEchoed) -> None:
        if not self._dry_runs.record_echo(echoed.part_number):
            self._health.count("verdicts_taken_by_plc")

    def _request_write(self, order: WriteVerdict) -> None:
        """Hand an order over, void in any count of the PLC's but the one that is known here."""
        self._link.request(replace(order, count_id=self._count_id))

    def _forward_verdict(self, judged: PartJudged) -> None:
        self._report_counting_source(judged)
        margin_ns = round(self._configuration.verdict_margin_ms * 1e6)
        order = build_verdict_write(
            judged,
            boot_id=boot_id(),
            now_ns=self._context.clock.monotonic_ns(),
            margin_ns=margin_ns,
            counting_since_ns=self._counter.since_monotonic_ns,
            withheld=self._mode.withhold_reason,
        )
        if judged.part.part_number in self._bypassed_numbers:
            order = "the bypass let its part through when it was counted"
        if not self._link_is_up:
            order = "the PLC is away"
        if isinstance(order, WriteVerdict):
            self._request_write(order)
            self._health.count("verdicts_forwarded")
            self._timeliness.record_in_time()
        else:
            self._count_refused_verdict(judged.part.part_number, order)
            if order == VERDICT_TOO_LATE and judged.gap_from is None:
                self._record_late_verdict(judged.deadline_monotonic_ns - margin_ns)
        self._report_timeliness()

    def _report_counting_source(self, judged: PartJudged) -> None:
        if judged.counted_by == "plc":
            self._health.clear_fault(COUNTED_BY_STATION)
        elif not judged.replayed and self._health.raise_fault(
            COUNTED_BY_STATION, STATION_COUNTS_TEXT
        ):
            log.error("the station counts the parts itself; no verdict goes to the PLC")

    def _handle_unwritten_verdict(self, event: VerdictNotWritten) -> None:
        order = event.request
        self._count_refused_verdict(order.part_number, event.reason)
        if event.is_late and not order.dry_run:
            self._record_late_verdict(order.not_after_monotonic_ns, after_all=True)
            self._report_timeliness()

    def _record_late_verdict(self, until_ns: int, after_all: bool = False) -> None:
        now_ns = self._context.clock.monotonic_ns()
        late_ms = max(0.0, (now_ns - until_ns) / 1e6)
        see = self._timeliness.record_unwritten if after_all else self._timeliness.record_late
        see(late_ms, now_ns)

    def _report_timeliness(self) -> None:
        self._update_ready()
        if not self._timeliness.are_late:
            self._health.clear_fault(VERDICTS_LATE)
        elif self._health.raise_fault(VERDICTS_LATE, self._timeliness.describe()):
            log.error("verdicts are late", extra={"reason": self._timeliness.describe()})

    def _update_ready(self) -> None:
        """Ready is who does all of its part: counts, and orders in time what is judged."""
        self._health.set_ready(
            self._link_is_up
            and self._counter.last is not None
            and COUNTER_UNREADABLE not in self._link_faults
            and self._mode.is_known
            and not self._timeliness.are_late
        )

    def _handle_link_fault(self, event: LinkFault) -> None:
        if not self._link_is_up:  # of a connection that is gone; a new one tells it again
            return
        if event.text:
            self._link_faults.add(event.code)
            self._update_ready()  # before the fault: whoever reads that finds it not ready
            if self._health.raise_fault(event.code, event.text):
                log.error("the link has a fault", extra={"code": event.code, "reason": event.text})
        elif event.code in self._link_faults:
            self._link_faults.remove(event.code)
            self._health.clear_fault(event.code)
            if event.code == COUNTER_UNREADABLE:
                self._announce_counter()
        self._update_ready()

    def _count_missed(self, judged: PartJudged) -> None:
        over_this_connection = (
            self._link_is_up
            and judged.boot_id == boot_id()
            and judged.triggered_monotonic_ns >= self._counter.since_monotonic_ns
        )
        if over_this_connection and self._missed_streak.record(judged):
            log.error("too many parts missed in a row; asking for a line-stop")
            self._health.count("line_stops_asked_for")
            self._link.request(StopLine())

    def _handle_line_stop(self, seen: LineStopSeen) -> None:
        if seen.stopped:
            text = describe_line_stop(self._configuration.line_stop_after_missed)
            self._health.raise_fault("line-stop", text)
        else:
            self._health.clear_fault("line-stop")

    def _count_refused_verdict(self, part_number: int, reason: str) -> None:
        self._health.count("verdicts_not_forwarded")
        log.info("verdict not forwarded", extra={"part_number": part_number, "reason": reason})

    def _handle_link_up(self, event: LinkUp) -> None:
        if event.count_id < self._ignored_before_count_id:
            return
        self._link_is_up = True
        self._repeat_outcomes = True
        self._count_id = event.count_id
        self._counter.start_connection(event.connected_monotonic_ns)
        self._health.clear_fault("plc-away")
        self._update_ready()
        log.info("PLC connected")

    def _handle_link_down(self, event: LinkDown) -> None:
        self._link_is_up = False
        self._batcher.forget_count()
        self._dry_runs.handle_link_down()
        for code in self._link_faults:
            self._health.clear_fault(code)
        self._link_faults.clear()
        self._update_ready()
        if self._health.raise_fault("plc-away", event.reason):
            log.error("PLC is away", extra={"reason": event.reason})

    def _handle_counter(self, seen: CounterSeen) -> None:
        if seen.count_id < self._ignored_before_count_id:
            return
        what = self._counter.track(seen)
        self._count_id = seen.count_id
        self._dry_runs.record_counter(seen.counter)
        if what == "start" and self._awaits_outcomes:
            self._awaits_outcomes = False
            self._link.request(ReadOutcomes())
        if what in ("start", "restart"):
            self._bypassed_numbers.clear()  # the numbers may come again
        if what in ("wrap", "restart"):
            self._batcher.forget_count()
        if what == "start" or (what == "restart" and seen.counter == 0):
            self._announce_counter()
        elif what != "known":
            self._handle_part(seen)
        if what == "restart":
            log.error("the PLC's counter ran backwards", extra={"counter": seen.counter})
            self._health.count("counter_restarts")
        self._update_ready()

    def _handle_part(self, seen: CounterSeen) -> None:
        self._health.count("parts_triggered")
        self._health.set_gauge("trigger_delay_ms", seen.delay_ms)
        self._trigger_timeliness.record(seen.delay_ms)
        if self._trigger_timeliness.are_late:
            self._health.raise_fault(TRIGGERS_LATE, self._trigger_timeliness.describe())
        else:
            self._health.clear_fault(TRIGGERS_LATE)
        self._dry_runs.record_part(self._mode.counts_as_production)
        if (
            seen.counter in self._bypassed_numbers
        ):  # an earlier part of this number: the counter went round
            self._bypassed_numbers.remove(seen.counter)
        if self._mode.is_bypassing:
            self._bypass_part(seen)
        if self._counter.ended is not None:  # parts up to the top of the counter were not told
            self._publish_counter(self._counter.ended)
        product = parse_register_text(seen.product)
        triggered = PartTriggered(
            station_id=self._context.station_id,
            counter=seen.counter,
            counted_utc_ns=seen.counted_utc_ns,
            received_monotonic_ns=seen.received_monotonic_ns,
            boot_id=boot_id(),
            delay_ms=seen.delay_ms,
            belt_speed_mps=seen.belt_speed_mps,
            product=self._configuration.products.get(product, product),
            lot=parse_register_text(seen.lot),
        )
        self._publish_trigger(triggered)

    def _publish_trigger(self, triggered: PartTriggered) -> None:
        """Tell of a part, without the PLC's texts if these cannot be told: then it is never ok."""
        untold = [
            name for name in ("product", "lot") if getattr(triggered, name) == UNREADABLE_TEXT
        ]
        try:
            encode(triggered)
        except (MessageError, UnicodeError) as error:
            log.error("the PLC's texts cannot be told", extra={"error": str(error)})
            untold = ["product", "lot"]
            triggered = msgspec.structs.replace(
                triggered, product=UNREADABLE_TEXT, lot=UNREADABLE_TEXT
            )
        if untold:
            self._health.raise_fault(
                PLC_TEXT,
                f"The PLC's {' and '.join(untold)} cannot be used: unreadable, longer than {MAX_PLC_TEXT} "
                "characters, or with control characters. Parts are told without, and none of an unknown "
                "product passes. Correct the text at the PLC.",
            )
        else:
            self._health.clear_fault(PLC_TEXT)
        self._publish(PART_TRIGGERED, triggered)

    def _bypass_part(self, seen: CounterSeen) -> None:
        """Let a part through at once, whatever is found on it, and be the station's rest alive or not."""
        self._bypassed_numbers.append(seen.counter)
        not_after_ns = seen.received_monotonic_ns + BYPASS_WITHIN_NS
        self._request_write(WriteVerdict(seen.counter, "ok", not_after_ns))
        self._health.count("parts_bypassed")

    def _announce_counter(self) -> None:
        count = (
            self._counter.next_announcement(self._batcher.last_read) if self._link_is_up else None
        )
        if count is not None:
            self._publish_counter(count)

    def _publish_counter(self, count: CounterValue) -> None:
        self._publish(
            COUNTER_ANNOUNCED,
            CounterAnnounced(
                station_id=self._context.station_id,
                counter=count.counter,
                counted_utc_ns=count.counted_utc_ns,
            ),
        )

    def _begin_interval(self) -> None:
        for batch in self._batcher.begin_interval(self._link_is_up, self._context.clock.utc_ns()):
            self._publish(MACHINE_SAMPLES, batch)
        if self._link_is_up:
            self._link.request(ReadTags())

    def _handle_tags(self, read: TagsRead) -> None:
        for batch in self._batcher.batch_reading(read, self._context.clock.utc_ns()):
            self._publish(MACHINE_SAMPLES, batch)

    def _handle_outcomes(self, reading: OutcomesRead) -> None:
        if self._counter.last is None:  # only the counter tells parts from earlier dry runs
            self._awaits_outcomes = True
            return
        told, lost = find_new_outcomes(
            self._context.station_id,
            self._outcome_counter,
            reading,
            repeat_all=self._repeat_outcomes,
        )
        self._outcome_counter, self._repeat_outcomes = reading.counter, False
        self._dry_runs.record_outcomes(reading)
        is_trial = self._dry_runs.is_trial
        self._unpublished.extend(acted for acted in told if not is_trial(acted.part_number))
        if lost:
            self._health.count("gate_outcomes_lost", lost)
            log.error("the PLC forgot outcomes before they were read", extra={"lost": lost})
        self._publish_outcomes()

    def _publish_outcomes(self) -> None:
        while self._unpublished and self._publish(GATE_ACTED, self._unpublished[0]):
            self._unpublished.popleft()

    def _publish(self, stream: MessageStream, message: StationMessage) -> bool:
        try:
            self._context.bus.publish(stream, message)
        except (TransportError, MessageError, UnicodeError) as error:  # a PLC's text may be any
            self._health.count("messages_not_published")
            log.error("not published", extra={"stream": stream.name, "error": str(error)})
            return False
        return True


def build_equipment_component(
    context: ComponentContext[EquipmentConfiguration],
) -> EquipmentComponent:
    """The component with the configured link."""
    configuration = context.configuration
    link = open_link(configuration.link, configuration.tags, context.inbox, context.clock)
    return EquipmentComponent(context, link)
