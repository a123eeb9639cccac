"""The component: verdicts, gate outcomes and machine states in; durable records and pictures out."""

import dataclasses
import logging
from collections import deque
from collections.abc import Sequence

from msgspec.structs import replace

from publisher.cloud_sender import RecordSender
from publisher.command_gateway import CommandGateway, open_audit_trail
from publisher.configuration import PublisherConfiguration
from publisher.evidence.picture_selection import build_selection_rules, should_keep
from publisher.evidence.registry import open_evidence_store
from publisher.evidence.uploader import EvidenceUploader
from publisher.evidence.wall_clock import WallClock
from publisher.gate_matcher import GateMatcher, GatePart, was_trigger_seen
from publisher.gate_timing import add_gate_timings
from publisher.inspection_record import (
    RecordOrigin,
    build_correction,
    build_gap_record,
    build_record,
)
from publisher.outbox import Outbox, OutboxError, RecordOrGap
from publisher.outbox_salvage import open_outbox
from publisher.part_joiner import JoinedPart, MachineStateHistory, PartJoiner, find_gate_wait_end_ns
from publisher.verdict_sequencer import ReceivedVerdict, SequenceDecision, VerdictSequencer
from sightline.clock import boot_id
from sightline.errors import RestartNeededError
from sightline.kernel.component import Component, ComponentContext, every, on, on_error
from sightline.messaging.messages import (
    Command,
    CommandCarriedOut,
    GapRecord,
    GateActed,
    GateConfirmed,
    MachineState,
    Part,
    PartJudged,
    PartSettled,
    RecordsRefused,
    RecordsStored,
)
from sightline.messaging.topics import PART_SETTLED
from sightline.storage.station_folder import StationFolder

log = logging.getLogger(__name__)
DISK_RETRY_NS = 500_000_000
MAX_UNCOMMITTED_PARTS = 1000
OUTBOX_WRITE_FAULT = "outbox-not-writable"
OUTBOX_DAMAGED_FAULT = "outbox-damaged"
BACKLOG_FAULT = "outbox-backlog"
GAP_FAULT = "parts-missing"
MISFITS_FAULT = "gate-times-fit-no-part"
MIN_MISFITS = 20
PART_BEFORE_FIRST = Part(0, 0)
MAX_GAP_NS = 15_000_000_000
MIB = 1024 * 1024


class PublisherComponent(Component[PublisherConfiguration]):
    """Commits one record a part, in the ledger's order, and publishes up to which part."""

    def __init__(
        self,
        context: ComponentContext[PublisherConfiguration],
        outbox: Outbox,
        commands: CommandGateway,
    ) -> None:
        super().__init__(context)
        self._outbox = outbox
        self._commands = commands
        self._settled_part: Part | None = outbox.load_settled_part()
        self._sequencer = VerdictSequencer(self._settled_part)
        self._gate_matcher = GateMatcher(outbox.load_gate_parts(), self.configuration.gate_wait_ms)
        self._corrections: deque[GatePart] = deque()
        self._joiner = PartJoiner(
            self._gate_matcher.find_part, self.configuration.confirmation_wait_ms
        )
        self._machine_states = MachineStateHistory()
        self._wall_clock = WallClock()  # older than each uploader: it knows of earlier jumps
        self._gap_since_ns: int | None = None
        self._disk_closed_until_ns = 0
        self._begins = True
        rate_hz = self.configuration.records.rate_hz
        self._sender = RecordSender(
            context.bus, outbox, context.health, rate_hz, nucleus=context.nucleus
        )
        self._uploader = self._build_uploader()
        self._sender.start()
        self._uploader.start()
        self.health.set_ready(True)
        log.info("outbox is open", extra={"settled": self._settled_part, "waiting": outbox.depth})

    @on(PartJudged)
    def part_judged(self, judged: PartJudged) -> None:
        """The next verdict, and those that waited for it, go to the joiner; others are replayed later."""
        if self._joiner.waiting_count >= MAX_UNCOMMITTED_PARTS:
            self.health.count("parts_deferred")  # the disk is closed; inference keeps them
            return
        before = self._sequencer.last_part
        decision, accepted = self._sequencer.push(
            ReceivedVerdict(judged, self.received_monotonic_ns)
        )
        if decision == "known":
            self.health.count("parts_ignored")
        elif decision == "out of order":
            self.health.count("parts_out_of_order")
            log.debug("not the next part", extra={"part": judged.part, "last": before})
        elif judged.follows is None and before is not None:
            self.health.count("ledgers_begun")
            log.warning("a new ledger began", extra={"part": judged.part, "last": before})
        for verdict in accepted:
            self._join_part(verdict)
        self._watch_gap(decision)

    @on(GateActed)
    def gate_acted(self, acted: GateActed) -> None:
        """What the gate did goes into the part's record, or into a correction of it."""
        self._queue_corrections(self._gate_matcher.add_outcome(acted))

    @on(GateConfirmed)
    def gate_confirmed(self, confirmed: GateConfirmed) -> None:
        """Where the sensors behind the gate saw a part goes into its record, unless that is committed."""
        part = self._gate_matcher.add_confirmation(confirmed)
        if part is not None and self._settled_part is not None and part.part <= self._settled_part:
            self.health.count("confirmations_not_recorded")

    @on(MachineState)
    def machine_state_changed(self, state: MachineState) -> None:
        """The state at the time of its trigger goes into a part's record."""
        self._machine_states.add(state)

    @on(Command)
    def command_arrived(self, command: Command) -> None:
        """A person's or an MES's command from the cloud."""
        self._commands.handle(command)

    @on(CommandCarriedOut)
    def command_carried_out(self, reply: CommandCarriedOut) -> None:
        """The reply of the component that carried a command out, or of the publisher itself."""
        self._commands.handle_carried_out(reply)

    @on(RecordsStored)
    def records_stored(self, stored: RecordsStored) -> None:
        """The cloud's receipt: these records may leave the outbox."""
        self._sender.note_confirmed(stored.record_ids)

    @on(RecordsRefused)
    def records_refused(self, refused: RecordsRefused) -> None:
        """What the cloud will never store becomes a dead letter."""
        self._sender.note_refused(refused.refused)

    def between_events(self) -> float | None:
        """Commit what is ready; returns the seconds until the next part is."""
        with self.foreseen_errors():
            self._commit_ready()
            self._commit_corrections()
        self._restart_if_damaged()
        due_ns = self._joiner.due_ns()
        if due_ns is None:
            return None
        return (max(due_ns, self._disk_closed_until_ns) - self.clock.monotonic_ns()) / 1e9

    @every(seconds=1)
    def publish_settled(self) -> None:
        """Up to which part all is durable: inference replays what comes after it."""
        up_to = self._settled_part or PART_BEFORE_FIRST
        settled = PartSettled(station_id=self.context.station_id, up_to=up_to, begins=self._begins)
        if self.publish(PART_SETTLED, settled):
            self._begins = False

    @every(seconds=1)
    def announce_commands(self) -> None:
        """The station's mode, and the commands that have no reply yet."""
        self._commands.announce()

    @every(seconds=1)
    def report_backlog(self) -> None:
        """How much waits, and why."""
        depth, max_backlog = self._outbox.depth, self.configuration.records.max_backlog
        self.health.set_gauge("outbox_depth", depth)
        self.health.set_gauge("parts_waiting", self._joiner.waiting_count)
        self._report_gap()
        self._report_misfits()
        if depth > max_backlog:
            self.health.raise_fault(
                BACKLOG_FAULT,
                f"{depth} records wait for the cloud; at most {max_backlog} are expected "
                "(records.maxBacklog). Check the connection to AWS IoT Core.",
            )
        else:
            self.health.clear_fault(BACKLOG_FAULT)

    @on_error(OutboxError)
    def outbox_failed(self, error: OutboxError) -> None:
        """Nothing is committed for a moment; inference keeps its verdicts, and nothing is lost."""
        self._disk_closed_until_ns = self.clock.monotonic_ns() + DISK_RETRY_NS
        if self.health.raise_fault(OUTBOX_WRITE_FAULT, str(error)):
            log.error("records are not committed", extra={"error": str(error)})

    def reconfigure(self, before: PublisherConfiguration) -> None:
        """Pass on what changed; the uploader starts again only where its own settings did."""
        configuration = self.configuration
        self._sender.set_rate(configuration.records.rate_hz)
        self._commands.set_allowed(configuration.commands)
        self._gate_matcher.set_late_gate(configuration.gate_wait_ms)
        self._joiner.confirmation_wait_ms = configuration.confirmation_wait_ms
        if _select_evidence_settings(before) != _select_evidence_settings(configuration):
            self._uploader.close()
            self._uploader = self._build_uploader()
            self._uploader.start()

    def close(self) -> None:
        """Commit what is ready and leave; inference replays the rest."""
        try:
            self._commit_ready()
            self._commit_corrections()
        except OutboxError as error:
            self.outbox_failed(error)
        self._uploader.close()
        self._commands.close()
        if self._sender.close():
            self._outbox.close()
        self.context.bus.close()

    def _restart_if_damaged(self) -> None:
        """A new process sets the damaged file aside, which this one has open."""
        damage = self._outbox.damage or self._commands.damage
        if damage:
            raise RestartNeededError(damage)

    def _watch_gap(self, decision: SequenceDecision) -> None:
        if decision == "out of order" and self._gap_since_ns is None:
            self._gap_since_ns = self.clock.monotonic_ns()
        elif decision == "next" and not self._sequencer.held_count:
            self._gap_since_ns = None
            if self.health.clear_fault(GAP_FAULT):
                log.info("the gap is closed", extra={"last": self._sequencer.last_part})

    def _join_part(self, arrival: ReceivedVerdict) -> None:
        judged, received_ns = arrival.judged, arrival.received_ns
        timings = replace(
            judged.timings, trigger_to_verdict_ms=trigger_to_verdict_ms(judged, received_ns)
        )
        until_ns = find_gate_wait_end_ns(
            judged, received_ns, self.configuration.gate_wait_ms, boot_id()
        )
        settled = self._gate_matcher.add_part(judged)
        self._joiner.add_part(replace(judged, timings=timings), until_ns)
        self._queue_corrections(settled)

    def _queue_corrections(self, parts: Sequence[GatePart]) -> None:
        """A part in hand has its gate in its record; one whose record is committed gets a correction."""
        committed = self._settled_part
        if committed is not None:
            self._corrections.extend(part for part in parts if part.part <= committed)

    def _commit_corrections(self) -> None:
        if self.clock.monotonic_ns() < self._disk_closed_until_ns:
            return
        while self._corrections:
            gate = self._corrections[0]
            correction = build_correction(self.context.station_id, gate)
            is_news = self._outbox.commit_correction(gate, correction)
            self._corrections.popleft()
            self.health.clear_fault(OUTBOX_WRITE_FAULT)
            if is_news:
                self.health.count("gates_corrected")
                self._sender.wake()

    def _commit_ready(self) -> None:
        now_ns = self.clock.monotonic_ns()
        ready = self._joiner.find_ready(now_ns)
        if not ready or now_ns < self._disk_closed_until_ns:
            return
        last = ready[-1].judged.part
        messages = [
            self._build_record_or_gap(self._without_dropped_evidence(joined)) for joined in ready
        ]
        gates = [self._gate_matcher.find_part(joined.judged.part) for joined in ready]
        self._outbox.commit(messages, last, [gate for gate in gates if gate is not None])
        self._joiner.remove_committed(len(ready))
        self._settled_part = last
        self.health.clear_fault(OUTBOX_WRITE_FAULT)
        self._count_committed(messages)
        self._sender.wake()

    def _count_committed(self, messages: Sequence[RecordOrGap]) -> None:
        gaps = [sent for sent in messages if isinstance(sent, GapRecord)]
        self.health.count("records_committed", len(messages) - len(gaps))
        for gap in gaps:
            self.health.count("gaps_committed")
            self.health.count("parts_missed", gap.to - gap.from_ + 1)

    def _build_record_or_gap(self, joined: JoinedPart) -> RecordOrGap:
        configuration = self.configuration
        origin = RecordOrigin(
            site_id=configuration.site_id,
            line_id=configuration.line_id,
            belt_speed_tag=configuration.belt_speed_tag,
            product_labels=frozenset(configuration.product_labels),
        )
        mode = self._commands.mode_at(joined.judged.judged_utc_ns)
        if joined.judged.gap_from is not None:
            return build_gap_record(joined.judged, origin, mode)
        machine = self._machine_states.find_at(joined.judged.triggered_utc_ns)
        now_utc_ns = self.clock.utc_ns()
        judged = add_gate_timings(joined)
        return build_record(
            judged, joined.gate, machine, origin, now_utc_ns, mode, joined.confirmation
        )

    def _without_dropped_evidence(self, joined: JoinedPart) -> JoinedPart:
        """The record names no picture that is known not to reach the store."""
        judged = joined.judged
        dropped = judged.verdict == "ok" and (
            self._is_outbox_under_pressure() or self._uploader.under_pressure
        )
        if dropped or not should_keep(judged.verdict, judged.part, self.configuration.keep):
            return dataclasses.replace(joined, judged=replace(judged, evidence=()))
        return joined

    def _is_outbox_under_pressure(self) -> bool:
        configuration = self.configuration
        limit = configuration.pressure_share * configuration.records.max_backlog
        return self._outbox.depth > limit

    def _report_misfits(self) -> None:
        """Where the PLC times triggers and outcomes by different clocks, no part is confirmed."""
        if self._gate_matcher.misfits < MIN_MISFITS:
            self.health.clear_fault(MISFITS_FAULT)
            return
        text = (
            f"The gate's times fit no part: the last outcome is {self._gate_matcher.misfit_s:.1f} s after "
            "its part's trigger. Records say 'unconfirmed'. Let the PLC give the time of its trigger by the "
            "same clock, set its clock, or raise gateWaitMs if the gate is that far."
        )
        if self.health.raise_fault(MISFITS_FAULT, text):
            log.error("gate times fit no part", extra={"misfit_s": self._gate_matcher.misfit_s})

    def _report_gap(self) -> None:
        since_ns = self._gap_since_ns
        if since_ns is None or self.clock.monotonic_ns() - since_ns < MAX_GAP_NS:
            return
        last = self._sequencer.last_part or PART_BEFORE_FIRST
        text = (
            f"Records are blocked: the verdict after part {last.part_number} of epoch {last.epoch} is "
            "missing and was not resent by inference. Check that Inference is running."
        )
        if self.health.raise_fault(GAP_FAULT, text):
            log.error("records are blocked by a gap", extra={"last": self._sequencer.last_part})

    def _build_uploader(self) -> EvidenceUploader:
        configuration, work_folder = self.configuration, self.context.work_folder
        station = StationFolder((work_folder / configuration.station_folder).resolve())
        keep_bytes = configuration.evidence_keep_mib * MIB
        store = open_evidence_store(configuration.evidence, work_folder, keep_bytes)
        return EvidenceUploader(
            station.evidence_spool,
            store,
            self.health,
            rules=build_selection_rules(configuration),
            find_verdicts=self._outbox.find_verdicts,
            is_outbox_under_pressure=self._is_outbox_under_pressure,
            clock=self._wall_clock,
        )


def trigger_to_verdict_ms(judged: PartJudged, received_ns: int) -> float | None:
    """From the trigger until the verdict was here; None for a replay, another boot, or no trigger known."""
    if judged.replayed or judged.boot_id != boot_id() or not was_trigger_seen(judged):
        return None
    return (received_ns - judged.triggered_monotonic_ns) / 1e6


def _select_evidence_settings(configuration: PublisherConfiguration) -> tuple[object, ...]:
    store = (configuration.evidence, configuration.evidence_keep_mib)
    return configuration.station_folder, *store, build_selection_rules(configuration)


def build_publisher(context: ComponentContext[PublisherConfiguration]) -> PublisherComponent:
    """The component with its journals in the work folder; damaged ones are set aside and reported."""
    health, folder = context.health, context.work_folder

    def report(text: str) -> None:
        log.error("the outbox is damaged", extra={"text": text})
        health.raise_fault(OUTBOX_DAMAGED_FAULT, text)

    commands = CommandGateway(context, open_audit_trail(folder / "commands.sqlite", health))
    return PublisherComponent(context, open_outbox(folder / "outbox.sqlite", report), commands)
