"""Commands from the cloud: allowed or refused, noted, carried out, told and answered."""

import logging

from publisher.audit import Audit, Entry, ModeChange
from publisher.authorisation import MODE_KINDS, Decision, decide
from publisher.configuration import CommandsConfiguration, PublisherConfiguration
from publisher.outbox import OutboxError
from publisher.sender import Freight, Sender
from sightline.codec import encode
from sightline.commands import CARRIED_OUT_BY
from sightline.errors import MessageError, TransportError
from sightline.messages import Command, CommandCarriedOut, Mode, StationMode
from sightline.runtime import Context
from sightline.topics import COMMAND_ACCEPTED, COMMAND_OUTCOME, PUBLISHER, STATION_MODE

log = logging.getLogger(__name__)
ANNOUNCE_INTERVAL_NS = 1_000_000_000
ANSWERS_PER_SECOND = 10.0
GREATEST_SEQUENCE = 2**63 - 1
DISK = "audit-not-writable"
OUTCOMES = Freight(
    COMMAND_OUTCOME,
    "command_outcomes_sent",
    "command_outcomes_unreadable",
    "cloud-unreachable-command-outcomes",
    "command-outcome-unreadable",
    "audit-not-readable",
)
PRODUCTION = ModeChange("production", 0, "")


class Commands:
    """Nothing is carried out that is not in the audit trail; the mode outlasts a restart."""

    def __init__(self, context: Context[PublisherConfiguration], audit: Audit) -> None:
        self._context = context
        self._health = context.health
        self._allowed = context.configuration.commands
        self._audit = audit
        self._modes = [PRODUCTION, *audit.modes()]
        self._next_announcement_ns = 0
        self._sender = Sender(
            context.bus, audit, context.health, ANSWERS_PER_SECOND, freight=OUTCOMES
        )
        self._sender.start()

    def allow(self, allowed: CommandsConfiguration) -> None:
        """What is allowed from now on."""
        self._allowed = allowed

    def mode_at(self, utc_ns: int) -> Mode:
        """The mode that held at a time."""
        earlier = [change for change in self._modes if change.since_utc_ns <= utc_ns]
        return (earlier or self._modes)[-1].mode

    def take(self, command: Command) -> None:
        """Decide on a command that came, once by its id; a repeat gets the same answer again."""
        try:
            if self._audit.repeat(command.command_id):
                self._health.count("commands_repeated")
            else:
                self._take_new(command)
        except OutboxError as error:
            self._health.count("commands_not_taken")
            if self._health.raise_fault(DISK, str(error)):
                log.error("a command is not taken", extra={"error": str(error)})
            return
        self._health.clear_fault(DISK)
        self._sender.wake()

    def take_answer(self, answer: CommandCarriedOut) -> None:
        """A component carried a command out, or could not: note it and tell it, once."""
        try:
            is_news = self._audit.carried_out(answer)
        except OutboxError as error:  # the component answers again when it is told again
            if self._health.raise_fault(DISK, str(error)):
                log.error("an answer is not taken", extra={"error": str(error)})
            return
        if is_news:
            self._health.count(f"commands_{answer.result}")
            extra = {"command": answer.command_id, "result": answer.result}
            log.info("command carried out", extra={**extra, "reason": answer.reason})
            self._sender.wake()

    def tick(self, now_ns: int) -> int:
        """Announce the mode and what was allowed when due; returns when that is due next (monotonic)."""
        if now_ns >= self._next_announcement_ns:
            self._next_announcement_ns = now_ns + ANNOUNCE_INTERVAL_NS
            self._announce()
        return self._next_announcement_ns

    def close(self) -> None:
        """End the sender and give the audit trail back."""
        if self._sender.close():
            self._audit.close()

    def _take_new(self, command: Command) -> None:
        now_utc_ns = self._context.clock.utc_ns()
        decision = decide(command, self._allowed, now_utc_ns)
        decision = _if_it_can_be_told(command, decision, now_utc_ns)
        change = self._mode_change(command, now_utc_ns) if decision.result == "done" else None
        self._audit.add(command, decision, now_utc_ns, change)
        if change is not None:
            self._modes.append(change)
        self._health.count(f"commands_{decision.result}")
        extra = {"command": command.command_id, "kind": command.kind, "by": command.issued_by}
        log.info("command", extra={**extra, "result": decision.result, "reason": decision.reason})
        self._announce()  # before the answer, which says that it is in force

    def _mode_change(self, command: Command, now_utc_ns: int) -> ModeChange | None:
        mode = MODE_KINDS[command.kind]
        if mode == self._modes[-1].mode:
            return None
        return ModeChange(mode, now_utc_ns, command.command_id)

    def _announce(self) -> None:
        change, station_id = self._modes[-1], self._context.station_id
        self._health.gauge("paused", float(change.mode == "paused"))
        self._health.fact("mode", change.mode)
        mode = StationMode(
            station_id=station_id,
            mode=change.mode,
            since_utc_ns=change.since_utc_ns,
            command_id=change.command_id,
        )
        try:
            self._context.bus.publish(STATION_MODE, mode)
            for entry in self._audit.unannounced():
                self._announce_accepted(entry)
        except (TransportError, OutboxError) as error:
            self._health.count("messages_not_published")
            log.warning("not announced; again in a second", extra={"error": str(error)})

    def _announce_accepted(self, entry: Entry) -> None:
        try:
            self._context.bus.publish(COMMAND_ACCEPTED, entry.accepted())
        except MessageError as error:  # of an earlier version; it would end each start
            self._give_up(entry, str(error))
            return
        if entry.command.kind not in CARRIED_OUT_BY:
            self._audit.announced(entry)  # else again until the answer comes

    def _give_up(self, entry: Entry, reason: str) -> None:
        refused = CommandCarriedOut(
            station_id=self._context.station_id,
            command_id=entry.command.command_id,
            component=PUBLISHER,
            result="refused",
            decided_utc_ns=self._context.clock.utc_ns(),
            reason=reason,
        )
        self.take_answer(refused)
        self._audit.announced(entry)  # a mode is in force all the same


def _if_it_can_be_told(command: Command, decision: Decision, now_utc_ns: int) -> Decision:
    """Refused if the word of it to the station's components is too large for a message."""
    if decision.result not in ("done", "accepted"):
        return decision
    try:
        encode(Entry(GREATEST_SEQUENCE, now_utc_ns, command, decision).accepted())
    except MessageError as error:
        return Decision("refused", str(error))
    return decision
