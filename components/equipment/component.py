"""The component: one main loop between the bus and the machine's link."""

import logging
from collections import deque
from dataclasses import replace

from equipment.configuration import EquipmentConfiguration
from equipment.counter_tracker import CounterTracker, CounterValue
from equipment.dry_run_handler import DryRunArguments, DryRunHandler, explain_no_dry_run
from equipment.gate_history import GateHistory
from equipment.gate_verdicts import (
    STATION_COUNTS_TEXT,
    VERDICT_TOO_LATE,
    MissedStreak,
    build_verdict_write,
    describe_line_stop,
)
from equipment.links.link import (
    BinFullSeen,
    ConfirmationsRead,
    CounterSeen,
    LineStopSeen,
    LinkDown,
    LinkFault,
    LinkUp,
    MachineLink,
    OutcomesRead,
    ReadConfirmations,
    ReadOutcomes,
    ReadTags,
    RequestsRepeated,
    StopLine,
    TagsRead,
    VerdictEchoed,
    VerdictNotWritten,
    WriteHeartbeat,
    WriteVerdict,
    new_count_id,
)
from equipment.links.registry import open_link
from equipment.part_trigger import (
    build_part_trigger,
    describe_unreadable_texts,
    find_unreadable_texts,
)
from equipment.reject_watch import RejectWatch
from equipment.sample_batcher import SampleBatcher
from equipment.station_mode import StationModeState
from equipment.timeliness import TriggerTimeliness, VerdictTimeliness
from sightline.clock import boot_id
from sightline.kernel.commissioning_replies import BackgroundPublisher, CommissioningReplies
from sightline.kernel.component import Component, ComponentContext, command, every, on
from sightline.kernel.stream_freshness import StreamSilent
from sightline.messaging.messages import (
    CounterAnnounced,
    Part,
    PartJudged,
    PartSettled,
    PartTriggered,
    StationMode,
)
from sightline.messaging.topics import (
    COUNTER_ANNOUNCED,
    EQUIPMENT,
    MACHINE_SAMPLES,
    PART_TRIGGERED,
    STATION_MODE,
)

log = logging.getLogger(__name__)
MAX_PARTS_UNDER_WAY = 1000
BYPASS_WITHIN_NS = 500_000_000
COUNTED_BY_STATION = "counted-by-station"
COUNTER_UNREADABLE = "counter-unreadable"
VERDICTS_LATE = "verdicts-late"
TRIGGERS_LATE = "triggers-late"
PLC_TEXT = "plc-text"


def _heartbeat_interval_s(component: "EquipmentComponent") -> float:
    return component.configuration.heartbeat_interval_ms / 1000


class EquipmentComponent(Component[EquipmentConfiguration]):
    """Triggers in, verdicts to the gate, outcomes and readings out."""

    def __init__(
        self, context: ComponentContext[EquipmentConfiguration], link: MachineLink
    ) -> None:
        super().__init__(context)
        self._link = link
        self._link_is_up = False
        self._link_faults: set[str] = set()
        self._count_id = 0
        self._ignored_before_count_id = 0
        self._counter = CounterTracker()
        self._mode = StationModeState(context.work_folder / "mode.txt", context.health)
        self._bypassed_numbers: deque[int] = deque(maxlen=MAX_PARTS_UNDER_WAY)
        self._timeliness = VerdictTimeliness()
        self._trigger_timeliness = TriggerTimeliness()
        self._awaits_outcomes = False
        self._gate_history = GateHistory(context.station_id, context.health)
        self._rejects = RejectWatch(context.health, context.configuration)
        self._line_stop_reason = ""
        self._reply_publisher = BackgroundPublisher(context.publisher, context.health)
        commands = self.accept_commands(
            CommissioningReplies(EQUIPMENT, context.health, context.clock),
            publisher=self._reply_publisher,
        )
        self._dry_runs = DryRunHandler(context.clock, commands.finish)
        self._configure()
        endpoint = context.configuration.link.endpoint
        self.health.raise_fault("plc-away", f"{endpoint}: not connected yet")
        link.start()

    def close(self) -> None:
        """Leave the machine and the bus."""
        self._link.close()
        self._reply_publisher.close()
        self.context.bus.close()

    def reconfigure(self, before: EquipmentConfiguration) -> None:
        """Connect anew; what the old link posted may still wait in the inbox, and is ignored."""
        self._link.close()
        self._ignored_before_count_id = new_count_id()
        self.link_down(LinkDown("The configuration changed; connecting to the PLC again"))
        self._configure()
        configuration, context = self.configuration, self.context
        self._link = open_link(configuration.link, configuration.tags, context.inbox, context.clock)
        self._link.start()

    def _configure(self) -> None:
        self._mode.configure(self.configuration.allow_bypass)
        self._batcher = SampleBatcher(self.context.station_id, self.configuration)
        self._missed_streak = MissedStreak(self.configuration.line_stop_after_missed)
        self._rejects.configure(self.configuration)

    @on(LinkUp)
    def link_up(self, event: LinkUp) -> None:
        """The PLC answers; its counter follows."""
        if event.count_id < self._ignored_before_count_id:
            return
        self._link_is_up = True
        self._gate_history.begin_connection()
        self._rejects.begin_connection()
        self._count_id = event.count_id
        self._counter.start_connection(event.connected_monotonic_ns)
        self.health.clear_fault("plc-away")
        self._update_ready()
        log.info("PLC connected")

    @on(LinkDown)
    def link_down(self, event: LinkDown) -> None:
        """The PLC is away; what was under way over this connection ends."""
        self._link_is_up = False
        self._batcher.forget_count()
        self._dry_runs.record_link_down()
        for code in self._link_faults:
            self.health.clear_fault(code)
        self._link_faults.clear()
        self._update_ready()
        if self.health.raise_fault("plc-away", event.reason):
            log.error("PLC is away", extra={"reason": event.reason})

    @on(LinkFault)
    def link_fault_changed(self, event: LinkFault) -> None:
        """Something is wrong with the connection that stands, or is well again."""
        if not self._link_is_up:  # of a connection that is gone; a new one reports it again
            return
        if event.text:
            self._link_faults.add(event.code)
            self._update_ready()  # before the fault: whoever reads that finds it not ready
            if self.health.raise_fault(event.code, event.text):
                log.error("the link has a fault", extra={"code": event.code, "reason": event.text})
        elif event.code in self._link_faults:
            self._link_faults.remove(event.code)
            self.health.clear_fault(event.code)
            if event.code == COUNTER_UNREADABLE:
                self.announce_counter()
            self._update_ready()

    @every(seconds=_heartbeat_interval_s)
    def write_heartbeat(self) -> None:
        """Show the PLC that this loop runs: from here, not from the link's thread."""
        self._link.request(WriteHeartbeat())

    @on(CounterSeen)
    def counter_seen(self, seen: CounterSeen) -> None:
        """The PLC counted a part, or restarted its count, or shows where its counter is."""
        if seen.count_id < self._ignored_before_count_id:
            return
        change = self._counter.track(seen)
        self._count_id = seen.count_id
        self._dry_runs.record_counter(seen.counter)
        if change == "start" and self._awaits_outcomes:
            self._awaits_outcomes = False
            self._request_gate_history()
        if change in ("start", "restart"):
            self._bypassed_numbers.clear()  # the numbers may come again
            self._gate_history.begin_count()
        if change in ("wrap", "restart"):
            self._batcher.forget_count()
        if change == "start" or (change == "restart" and seen.counter == 0):
            self.announce_counter()
        elif change != "known":
            self._handle_part(seen)
        if change == "restart":
            log.error("the PLC's counter ran backwards", extra={"counter": seen.counter})
            self.health.count("counter_restarts")
        self._update_ready()

    def _handle_part(self, seen: CounterSeen) -> None:
        self.health.count("parts_triggered")
        self._gate_history.record_part(seen.counter, seen.counted_utc_ns)
        self._record_trigger_delay(seen.delay_ms)
        self._dry_runs.record_part(self._mode.counts_as_production)
        if seen.counter in self._bypassed_numbers:  # an earlier part's: the counter went round
            self._bypassed_numbers.remove(seen.counter)
        if self._mode.is_bypassing:
            self._bypass_part(seen)
        if self._counter.ended is not None:  # parts up to the top of the counter were not reported
            self._publish_counter(self._counter.ended)
        products = self.configuration.products
        triggered = build_part_trigger(self.context.station_id, boot_id(), seen, products)
        self._report_plc_texts(triggered)
        self.publish(PART_TRIGGERED, triggered)

    def _record_trigger_delay(self, delay_ms: float) -> None:
        self.health.set_gauge("trigger_delay_ms", delay_ms)
        self._trigger_timeliness.record(delay_ms)
        if self._trigger_timeliness.are_late:
            self.health.raise_fault(TRIGGERS_LATE, self._trigger_timeliness.describe())
        else:
            self.health.clear_fault(TRIGGERS_LATE)

    def _bypass_part(self, seen: CounterSeen) -> None:
        """Let a part through at once, whatever is found on it, and be the station's rest alive or not."""
        self._bypassed_numbers.append(seen.counter)
        not_after_ns = seen.received_monotonic_ns + BYPASS_WITHIN_NS
        self._request_write(WriteVerdict(seen.counter, "ok", not_after_ns))
        self.health.count("parts_bypassed")

    def _report_plc_texts(self, triggered: PartTriggered) -> None:
        unreadable = find_unreadable_texts(triggered)
        if unreadable:
            self.health.raise_fault(PLC_TEXT, describe_unreadable_texts(unreadable))
        else:
            self.health.clear_fault(PLC_TEXT)

    @on(PartJudged)
    def part_judged(self, judged: PartJudged) -> None:
        """Inference has a verdict: forward it to the gate while it counts."""
        self._report_counting_source(judged)
        margin_ns = round(self.configuration.verdict_margin_ms * 1e6)
        order = self._build_write(judged, margin_ns)
        if isinstance(order, WriteVerdict):
            self._request_write(order)
            self.health.count("verdicts_forwarded")
            self._timeliness.record_in_time()
        else:
            self._count_refused_verdict(judged.part.part_number, order)
            if order == VERDICT_TOO_LATE and judged.gap_from is None:
                self._record_late_verdict(judged.deadline_monotonic_ns - margin_ns)
        self._report_timeliness()
        self._count_missed(judged)

    def _build_write(self, judged: PartJudged, margin_ns: int) -> WriteVerdict | str:
        """The order for the gate, or why there must be none."""
        if not self._link_is_up:
            return "the PLC is not connected"
        if judged.part.part_number in self._bypassed_numbers:
            return "the bypass passed its part when it was counted"
        return build_verdict_write(
            judged,
            boot_id=boot_id(),
            now_ns=self.clock.monotonic_ns(),
            margin_ns=margin_ns,
            counting_since_ns=self._counter.since_monotonic_ns,
            withheld=self._mode.withhold_reason,
        )

    def _request_write(self, order: WriteVerdict) -> None:
        """Hand an order over, void in any count of the PLC's but the one that is known here."""
        self._link.request(replace(order, count_id=self._count_id))

    def _report_counting_source(self, judged: PartJudged) -> None:
        if judged.counted_by == "plc":
            self.health.clear_fault(COUNTED_BY_STATION)
        elif not judged.replayed and self.health.raise_fault(
            COUNTED_BY_STATION, STATION_COUNTS_TEXT
        ):
            log.error("the station counts the parts itself; no verdict goes to the PLC")

    def _count_missed(self, judged: PartJudged) -> None:
        over_this_connection = (
            self._link_is_up
            and judged.boot_id == boot_id()
            and judged.triggered_monotonic_ns >= self._counter.since_monotonic_ns
        )
        if over_this_connection and self._missed_streak.record(judged):
            limit = self.configuration.line_stop_after_missed
            self._stop_line(f"{limit} parts missed in a row (lineStopAfterMissed)")

    def _stop_line(self, reason: str) -> None:
        """Request a line stop, if there is a reason."""
        if reason:
            log.error("requesting a line stop", extra={"reason": reason})
            self.health.count("line_stops_asked_for")
            self._line_stop_reason = reason
            self._link.request(StopLine())

    @on(LineStopSeen)
    def line_stop_changed(self, seen: LineStopSeen) -> None:
        """The line stop was set, by whomever, or acknowledged at the PLC."""
        if seen.stopped:
            self.health.raise_fault("line-stop", describe_line_stop(self._line_stop_reason))
        elif self.health.clear_fault("line-stop"):
            self._line_stop_reason = ""
            self._stop_line(self._rejects.record_acknowledged())

    @on(RequestsRepeated)
    def requests_repeated(self, repeated: RequestsRepeated) -> None:
        """The PLC was busy for a moment; more than that ends the connection."""
        self.health.count("plc_requests_repeated", repeated.count)

    @on(VerdictEchoed)
    def verdict_echoed(self, echoed: VerdictEchoed) -> None:
        """The PLC took a verdict, of a part or of a trial."""
        self._dry_runs.record_echo(echoed.part_number)
        if not self._dry_runs.is_trial(echoed.part_number):
            self.health.count("verdicts_taken_by_plc")

    @on(VerdictNotWritten)
    def verdict_not_written(self, event: VerdictNotWritten) -> None:
        """The link gave a verdict up: its time was over, or it was void."""
        order = event.request
        self._count_refused_verdict(order.part_number, event.reason)
        if event.is_late and not order.dry_run:
            self._record_late_verdict(order.not_after_monotonic_ns, after_all=True)
            self._report_timeliness()

    def _count_refused_verdict(self, part_number: int, reason: str) -> None:
        self.health.count("verdicts_not_forwarded")
        log.info("verdict not forwarded", extra={"part_number": part_number, "reason": reason})

    def _record_late_verdict(self, until_ns: int, after_all: bool = False) -> None:
        now_ns = self.clock.monotonic_ns()
        late_ms = max(0.0, (now_ns - until_ns) / 1e6)
        if after_all:
            self._timeliness.record_unwritten(late_ms, now_ns)
        else:
            self._timeliness.record_late(late_ms, now_ns)

    def _report_timeliness(self) -> None:
        self._update_ready()
        if not self._timeliness.are_late:
            self.health.clear_fault(VERDICTS_LATE)
        elif self.health.raise_fault(VERDICTS_LATE, self._timeliness.describe()):
            log.error("verdicts are late", extra={"reason": self._timeliness.describe()})

    @on(OutcomesRead)
    def outcomes_read(self, reading: OutcomesRead) -> None:
        """What the gate did, as far as the PLC remembers it: parts' outcomes go to the publisher."""
        if self._counter.last is None:  # only the counter tells parts from earlier dry runs
            self._awaits_outcomes = True
            return
        self._dry_runs.record_outcomes(reading)
        fresh = self._gate_history.take_outcomes(
            reading,
            self._dry_runs.is_trial,
            awaits_confirmation=self.configuration.link.confirms_parts,
        )
        in_production = self._mode.counts_as_production
        self._stop_line(self._rejects.record_outcomes(fresh, in_production))
        self.publish_outcomes()

    @on(ConfirmationsRead)
    def confirmations_read(self, reading: ConfirmationsRead) -> None:
        """Where the sensors behind the gate saw parts, as far as the PLC remembers it."""
        if self._counter.last is None:
            self._awaits_outcomes = True
            return
        fresh = self._gate_history.take_confirmations(reading)
        self._stop_line(self._rejects.record_confirmations(fresh))
        self.publish_outcomes()

    @on(BinFullSeen)
    def bin_full_changed(self, seen: BinFullSeen) -> None:
        """The reject bin is full, or was emptied."""
        self._stop_line(self._rejects.record_bin(seen.is_full))

    @every(seconds=_heartbeat_interval_s)
    def publish_outcomes(self) -> None:
        """Publish in order what is not yet published; the rest waits for the bus."""
        self._gate_history.publish(self.publish)

    @on(PartSettled)
    def part_settled(self, settled: PartSettled) -> None:
        """A publisher that has just started may lack outcomes: all are read and published again."""
        if settled.begins:
            self._gate_history.repeat()
            self._request_gate_history()

    def _request_gate_history(self) -> None:
        self._link.request(ReadOutcomes())
        if self.configuration.link.confirms_parts:
            self._link.request(ReadConfirmations())

    @on(StationMode)
    def mode_announced(self, announced: StationMode) -> None:
        """The publisher says in which mode the station is."""
        self._mode.update(announced)
        self._update_ready()

    @on(StreamSilent)
    def stream_silent(self, event: StreamSilent) -> None:
        """Something that is announced again and again is not announced any more."""
        if event.stream == STATION_MODE:
            self._mode.handle_silence()

    @command("gate_dry_run", DryRunArguments)
    def start_dry_run(self, arguments: DryRunArguments, next_part: Part | None) -> None:
        """Send trials through the gate; the reply follows when the last one is through."""
        last = self._counter.last
        obstacle = explain_no_dry_run(
            self._link_is_up,
            self.configuration.link.supports_dry_runs,
            None if last is None else last.counter,
        )
        command_id, production = self.current_command.command_id, self._mode.counts_as_production
        self._dry_runs.start(command_id, arguments, obstacle, production)

    @every(seconds=_heartbeat_interval_s)
    def advance_dry_run(self) -> None:
        """Order the next trial once the one before is through."""
        self._dry_runs.advance(self._request_write)

    @every(seconds=lambda component: component.configuration.sample_interval_s)
    def request_readings(self) -> None:
        """An interval begins: publish what the last one lacked, and read all tags."""
        for batch in self._batcher.begin_interval(self._link_is_up, self.clock.utc_ns()):
            self.publish(MACHINE_SAMPLES, batch)
        if self._link_is_up:
            self._link.request(ReadTags())

    @on(TagsRead)
    def tags_read(self, read: TagsRead) -> None:
        """The machine's readings go to telemetry."""
        for batch in self._batcher.batch_reading(read, self.clock.utc_ns()):
            self.publish(MACHINE_SAMPLES, batch)

    @every(seconds=lambda component: component.configuration.counter_announce_interval_s)
    def announce_counter(self) -> None:
        """Say how far the PLC has counted, so that capture sees parts whose trigger was lost."""
        if self._link_is_up:
            count = self._counter.advance_announcement(self._batcher.last_read)
            if count is not None:
                self._publish_counter(count)

    def _publish_counter(self, count: CounterValue) -> None:
        self.publish(
            COUNTER_ANNOUNCED,
            CounterAnnounced(
                station_id=self.context.station_id,
                counter=count.counter,
                counted_utc_ns=count.counted_utc_ns,
            ),
        )

    def _update_ready(self) -> None:
        """Ready is who does all of its part: counts, and orders in time what is judged."""
        self.health.set_ready(
            self._link_is_up
            and self._counter.last is not None
            and COUNTER_UNREADABLE not in self._link_faults
            and self._mode.is_known
            and not self._timeliness.are_late
        )


def build_equipment_component(
    context: ComponentContext[EquipmentConfiguration],
) -> EquipmentComponent:
    """The component with the configured link."""
    configuration = context.configuration
    link = open_link(configuration.link, configuration.tags, context.inbox, context.clock)
    return EquipmentComponent(context, link)
