"""The component: verdicts, gate outcomes and machine states in; durable records and pictures out."""

import logging
from collections import deque
from collections.abc import Sequence

from msgspec.structs import replace

from publisher.acceptance import Acceptance, Arrival, Decision
from publisher.commands import Commands, open_audit
from publisher.configuration import PublisherConfiguration
from publisher.evidence.registry import open_store
from publisher.gates import GatePart, Gates, was_seen
from publisher.joining import JoinedPart, Joining, MachineStates, waits_until_ns
from publisher.outbox import Outbox, OutboxError, Shipment
from publisher.record import Place, correction_of, gap_record_of, record_of
from publisher.salvage import open_outbox
from publisher.selection import is_wanted, rules_of
from publisher.sender import RecordSender
from publisher.uploader import Uploader
from publisher.wall_clock import WallClock
from publisher.way import with_way_to_gate
from sightline.bus import Delivery
from sightline.clock import boot_id
from sightline.errors import RestartNeededError, TransportError
from sightline.messages import (
    Command,
    CommandCarriedOut,
    GapRecord,
    GateActed,
    MachineState,
    Part,
    PartJudged,
    PartSettled,
    RecordsRefused,
    RecordsStored,
)
from sightline.runtime import Context, NewConfiguration
from sightline.station_folder import StationFolder
from sightline.topics import PART_SETTLED

log = logging.getLogger(__name__)
SETTLE_INTERVAL_NS = 1_000_000_000
DISK_RETRY_NS = 500_000_000
GREATEST_WAITING = 1000
DISK = "outbox-not-writable"
DAMAGED = "outbox-damaged"
BACKLOG = "outbox-backlog"
GAP = "parts-missing"
MISFITS = "gate-times-fit-no-part"
MIN_MISFITS = 20
NOTHING_SETTLED = Part(0, 0)
LONGEST_GAP_NS = 15_000_000_000
MIB = 1024 * 1024


class Recorder:
    """Commits one record a part, in the ledger's order, and tells how far it came."""

    def __init__(
        self, context: Context[PublisherConfiguration], outbox: Outbox, commands: Commands
    ) -> None:
        self._context = context
        self._configuration = context.configuration
        self._health = context.health
        self._outbox = outbox
        self._commands = commands
        self._settled: Part | None = outbox.settled()
        self._acceptance = Acceptance(self._settled)
        self._gates = Gates(outbox.gates(), self._configuration.gate_wait_ms)
        self._corrections: deque[GatePart] = deque()
        self._joining = Joining(self._gates.of)
        self._machine = MachineStates()
        self._wall_clock = WallClock()  # older than each uploader: it knows of earlier jumps
        self._gap_since_ns: int | None = None
        self._next_settle_ns = 0
        self._disk_closed_until_ns = 0
        self._begins = True
        rate_hz = self._configuration.records.rate_hz
        self._sender = RecordSender(
            context.bus, outbox, context.health, rate_hz, nucleus=context.nucleus
        )
        self._uploader = self._new_uploader()
        self._sender.start()
        self._uploader.start()
        self._health.set_ready(True)
        log.info("outbox is open", extra={"settled": self._settled, "waiting": outbox.depth})

    def handle(self, event: object) -> None:
        """Take a message, a new configuration, or what became of a command that was carried out here."""
        if isinstance(event, NewConfiguration):
            self._reconfigure(event)
        elif isinstance(event, CommandCarriedOut):
            self._commands.take_answer(event)
        elif isinstance(event, Delivery):
            if isinstance(event.message, PartJudged):
                self._take_verdict(event.message, event.received_monotonic_ns)
            elif isinstance(event.message, GateActed):
                self._settle_gates(self._gates.add_outcome(event.message))
            elif isinstance(event.message, MachineState):
                self._machine.add(event.message)
            elif isinstance(event.message, Command):
                self._commands.take(event.message)
            elif isinstance(event.message, CommandCarriedOut):
                self._commands.take_answer(event.message)
            elif isinstance(event.message, RecordsStored):
                self._sender.confirm(event.message.record_ids)
            elif isinstance(event.message, RecordsRefused):
                self._sender.refuse(event.message.refused)

    def tick(self) -> float:
        """Commit what is ready, settle when due; returns the seconds until the next of these."""
        self._commit_ready()
        self._correct()
        self._leave_if_damaged()
        now_ns = self._context.clock.monotonic_ns()
        if now_ns >= self._next_settle_ns:
            self._next_settle_ns = now_ns + SETTLE_INTERVAL_NS
            self._tell_settled()
            self._report_depths()
        next_ns = min(self._next_settle_ns, self._commands.tick(now_ns))
        due_ns = self._joining.due_ns()
        if due_ns is not None:
            next_ns = min(next_ns, max(due_ns, self._disk_closed_until_ns))
        return max(0.0, (next_ns - now_ns) / 1e9)

    def close(self) -> None:
        """Commit what is ready and leave; inference tells the rest again."""
        self._commit_ready()
        self._correct()
        self._uploader.close()
        self._commands.close()
        if self._sender.close():
            self._outbox.close()
        self._context.bus.close()

    def _leave_if_damaged(self) -> None:
        """A new process sets the damaged file aside, which this one has open."""
        damage = self._outbox.damage or self._commands.damage
        if damage:
            raise RestartNeededError(damage)

    def _take_verdict(self, judged: PartJudged, received_ns: int) -> None:
        if self._joining.waiting >= GREATEST_WAITING:
            self._health.count("parts_deferred")  # the disk is closed; inference keeps them
            return
        before = self._acceptance.last
        decision, accepted = self._acceptance.take(Arrival(judged, received_ns))
        if decision == "known":
            self._health.count("parts_ignored")
        elif decision == "out of order":
            self._health.count("parts_out_of_order")
            log.debug("not the next part", extra={"part": judged.part, "last": before})
        elif judged.follows is None and before is not None:
            self._health.count("ledgers_begun")
            log.warning("a new ledger began", extra={"part": judged.part, "last": before})
        for arrival in accepted:
            self._join(arrival)
        self._watch_gap(decision)

    def _watch_gap(self, decision: Decision) -> None:
        if decision == "out of order" and self._gap_since_ns is None:
            self._gap_since_ns = self._context.clock.monotonic_ns()
        elif decision == "next" and not self._acceptance.held:
            self._gap_since_ns = None
            if self._health.clear_fault(GAP):
                log.info("the gap is closed", extra={"last": self._acceptance.last})

    def _join(self, arrival: Arrival) -> None:
        judged, received_ns = arrival.judged, arrival.received_ns
        timings = replace(
            judged.timings, trigger_to_verdict_ms=trigger_to_verdict_ms(judged, received_ns)
        )
        until_ns = waits_until_ns(judged, received_ns, self._configuration.gate_wait_ms, boot_id())
        settled = self._gates.add_part(judged)
        self._joining.add_part(replace(judged, timings=timings), until_ns)
        self._settle_gates(settled)

    def _settle_gates(self, parts: Sequence[GatePart]) -> None:
        """A part in hand has its gate in its record; one whose record is committed gets a correction."""
        committed = self._settled
        if committed is not None:
            self._corrections.extend(part for part in parts if part.part <= committed)

    def _correct(self) -> None:
        if self._context.clock.monotonic_ns() < self._disk_closed_until_ns:
            return
        while self._corrections:
            gate = self._corrections[0]
            try:
                is_news = self._outbox.correct(gate, correction_of(self._context.station_id, gate))
            except OutboxError as error:
                self._disk_refuses(error)
                return
            self._corrections.popleft()
            self._health.clear_fault(DISK)
            if is_news:
                self._health.count("gates_corrected")
                self._sender.wake()

    def _commit_ready(self) -> None:
        now_ns = self._context.clock.monotonic_ns()
        ready = self._joining.ready(now_ns)
        if not ready or now_ns < self._disk_closed_until_ns:
            return
        last = ready[-1].judged.part
        messages = [self._record(joined) for joined in ready]
        gates = [self._gates.of(joined.judged.part) for joined in ready]
        try:
            self._outbox.commit(messages, last, [gate for gate in gates if gate is not None])
        except OutboxError as error:
            self._disk_refuses(error)
            return
        self._joining.done(len(ready))
        self._settled = last
        self._health.clear_fault(DISK)
        self._count(messages)
        self._sender.wake()

    def _disk_refuses(self, error: OutboxError) -> None:
        self._disk_closed_until_ns = self._context.clock.monotonic_ns() + DISK_RETRY_NS
        if self._health.raise_fault(DISK, str(error)):
            log.error("records are not committed", extra={"error": str(error)})

    def _count(self, messages: Sequence[Shipment]) -> None:
        gaps = [sent for sent in messages if isinstance(sent, GapRecord)]
        self._health.count("records_committed", len(messages) - len(gaps))
        for gap in gaps:
            self._health.count("gaps_committed")
            self._health.count("parts_missed", gap.to - gap.from_ + 1)

    def _record(self, joined: JoinedPart) -> Shipment:
        configuration = self._configuration
        place = Place(
            site_id=configuration.site_id,
            line_id=configuration.line_id,
            belt_speed_tag=configuration.belt_speed_tag,
            product_labels=frozenset(configuration.product_labels),
        )
        mode = self._commands.mode_at(joined.judged.judged_utc_ns)
        if joined.judged.gap_from is not None:
            return gap_record_of(joined.judged, place, mode)
        machine = self._machine.at(joined.judged.triggered_utc_ns)
        now_utc_ns = self._context.clock.utc_ns()
        judged = self._with_kept(with_way_to_gate(joined))
        return record_of(judged, joined.gate, machine, place, now_utc_ns, mode)

    def _with_kept(self, judged: PartJudged) -> PartJudged:
        """The record names no picture that is known not to reach the store."""
        dropped = judged.verdict == "ok" and (self._outbox_pressed() or self._uploader.pressed)
        if dropped or not is_wanted(judged.verdict, judged.part, self._configuration.keep):
            return replace(judged, evidence=())
        return judged

    def _outbox_pressed(self) -> bool:
        configuration = self._configuration
        limit = configuration.pressure_share * configuration.records.greatest_backlog
        return self._outbox.depth > limit

    def _tell_settled(self) -> None:
        up_to = self._settled or NOTHING_SETTLED
        settled = PartSettled(station_id=self._context.station_id, up_to=up_to, begins=self._begins)
        try:
            self._context.bus.publish(PART_SETTLED, settled)
            self._begins = False
        except TransportError as error:
            self._health.count("messages_not_published")
            log.warning("settled not told; again in a second", extra={"error": str(error)})

    def _report_depths(self) -> None:
        depth, greatest = self._outbox.depth, self._configuration.records.greatest_backlog
        self._health.gauge("outbox_depth", depth)
        self._health.gauge("parts_waiting", self._joining.waiting)
        self._report_gap()
        self._report_misfits()
        if depth > greatest:
            self._health.raise_fault(
                BACKLOG, f"{depth} records wait; {greatest} are expected at most"
            )
        else:
            self._health.clear_fault(BACKLOG)

    def _report_misfits(self) -> None:
        """A PLC whose triggers and outcomes are told by different clocks has no part confirmed."""
        if self._gates.misfits < MIN_MISFITS:
            self._health.clear_fault(MISFITS)
            return
        text = (
            f"The gate's times fit no part: the last outcome is {self._gates.misfit_s:.1f} s after its "
            "part's trigger. Records say 'unconfirmed'. Have the PLC tell the time of its trigger by the "
            "same clock, set its clock, or raise gateWaitMs if the gate is that far."
        )
        if self._health.raise_fault(MISFITS, text):
            log.error("outcomes fit no part", extra={"misfit_s": self._gates.misfit_s})

    def _report_gap(self) -> None:
        since_ns = self._gap_since_ns
        if since_ns is None or self._context.clock.monotonic_ns() - since_ns < LONGEST_GAP_NS:
            return
        text = f"verdicts wait for the one after {self._acceptance.last}, which is not told again"
        if self._health.raise_fault(GAP, text):
            log.error("a gap stays open", extra={"last": self._acceptance.last})

    def _reconfigure(self, event: NewConfiguration) -> None:
        configuration = event.configuration
        assert isinstance(configuration, PublisherConfiguration)
        before, self._configuration = self._configuration, configuration
        self._sender.set_rate(configuration.records.rate_hz)
        self._commands.allow(configuration.commands)
        self._gates.set_late_gate(configuration.gate_wait_ms)
        if _evidence_of(before) != _evidence_of(configuration):
            self._uploader.close()
            self._uploader = self._new_uploader()
            self._uploader.start()

    def _new_uploader(self) -> Uploader:
        configuration, work_folder = self._configuration, self._context.work_folder
        station = StationFolder((work_folder / configuration.station_folder).resolve())
        keep_bytes = configuration.evidence_keep_mib * MIB
        store = open_store(configuration.evidence, work_folder, keep_bytes)
        return Uploader(
            station.evidence_spool,
            store,
            self._health,
            rules=rules_of(configuration),
            verdicts_of=self._outbox.verdicts_of,
            outbox_pressed=self._outbox_pressed,
            clock=self._wall_clock,
        )


def trigger_to_verdict_ms(judged: PartJudged, received_ns: int) -> float | None:
    """From the trigger until the verdict was here; None for a replay, another boot, or no trigger known."""
    if judged.replayed or judged.boot_id != boot_id() or not was_seen(judged):
        return None
    return (received_ns - judged.triggered_monotonic_ns) / 1e6


def _evidence_of(configuration: PublisherConfiguration) -> tuple[object, ...]:
    store = (configuration.evidence, configuration.evidence_keep_mib)
    return configuration.station_folder, *store, rules_of(configuration)


def build_recorder(context: Context[PublisherConfiguration]) -> Recorder:
    """The component with its journals in the work folder; damaged ones are set aside and reported."""
    health, folder = context.health, context.work_folder

    def report(text: str) -> None:
        log.error("the outbox is damaged", extra={"text": text})
        health.raise_fault(DAMAGED, text)

    commands = Commands(context, open_audit(folder / "commands.sqlite", health))
    return Recorder(context, open_outbox(folder / "outbox.sqlite", report), commands)
