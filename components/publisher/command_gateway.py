"""Commands from the cloud: allowed or refused, noted, carried out, told and answered."""

import logging
import threading
from pathlib import Path

from publisher.audit_trail import STATION_MODES, AuditEntry, AuditTrail, ModeChange
from publisher.cloud_sender import CloudSender, SenderChannel
from publisher.command_authorisation import (
    MODE_KINDS,
    RESTART_KIND,
    CommandDecision,
    decide_command,
)
from publisher.configuration import CommandsConfiguration, PublisherConfiguration
from publisher.outbox import OutboxError
from sightline.errors import CommandError, MessageError, TransportError
from sightline.kernel.commands import COMMAND_COMPONENTS, MAX_REASON_CHARACTERS
from sightline.kernel.component import ComponentContext
from sightline.kernel.health import ComponentHealth
from sightline.messaging.codec import encode
from sightline.messaging.messages import (
    Command,
    CommandCarriedOut,
    CommandResult,
    OperatingMode,
    StationMode,
)
from sightline.messaging.topics import COMMAND_ACCEPTED, COMMAND_OUTCOME, PUBLISHER, STATION_MODE
from sightline.storage.journal import DurableText
from sightline.text import truncate

log = logging.getLogger(__name__)
ANSWERS_PER_SECOND = 10.0
MAX_SEQUENCE = 2**63 - 1
AUDIT_WRITE_FAULT = "audit-not-writable"
AUDIT_DAMAGED_FAULT = "audit-damaged"
MODE_FILE = "mode.txt"
MODE_FROM_FILE_FAULT = "mode-from-file"
ANSWER_WAIT_NS = 600_000_000_000  # a component that carried a command out may be away for a while
OUTCOME_CHANNEL = SenderChannel(
    COMMAND_OUTCOME,
    "command_outcomes_sent",
    "command_outcomes_unreadable",
    "cloud-unreachable-command-outcomes",
    "command-outcome-unreadable",
    "audit-not-readable",
)
PRODUCTION_MODE = ModeChange("production", 0, "")


class CommandGateway:
    """Nothing is carried out that is not in the audit trail; the mode outlasts a restart."""

    def __init__(
        self, context: ComponentContext[PublisherConfiguration], audit: AuditTrail
    ) -> None:
        self._context = context
        self._health = context.health
        self._allowed = context.configuration.commands
        self._audit = audit
        self._mode_file = DurableText(context.work_folder / MODE_FILE)
        self._modes = [PRODUCTION_MODE, *self._load_modes()]
        self._store_mode()
        self._sender = CloudSender(
            context.bus, audit, context.health, ANSWERS_PER_SECOND, channel=OUTCOME_CHANNEL
        )
        self._sender.start()
        self._refuse_unanswered_restarts()

    @property
    def damage(self) -> str:
        """Whether the audit trail was found to be damaged, in words."""
        return self._audit.damage

    def set_allowed(self, allowed: CommandsConfiguration) -> None:
        """What is allowed from now on."""
        self._allowed = allowed

    def mode_at(self, utc_ns: int) -> OperatingMode:
        """The mode that held at a time."""
        earlier = [change for change in self._modes if change.since_utc_ns <= utc_ns]
        return (earlier or self._modes)[-1].mode

    def handle(self, command: Command) -> None:
        """Decide on a command that came, once by its id; a repeat gets the same answer again."""
        try:
            if self._audit.note_repeat(command.command_id):
                self._health.count("commands_repeated")
            else:
                self._handle_new(command)
        except OutboxError as error:
            self._health.count("commands_not_taken")
            if self._health.raise_fault(AUDIT_WRITE_FAULT, str(error)):
                log.error("a command is not stored", extra={"error": str(error)})
            return
        self._health.clear_fault(AUDIT_WRITE_FAULT)
        self._sender.wake()

    def handle_carried_out(self, answer: CommandCarriedOut) -> None:
        """A component carried a command out, or could not: note it and tell it, once."""
        try:
            is_news = self._audit.store_carried_out(answer)
        except OutboxError as error:  # the component answers again when it is told again
            if self._health.raise_fault(AUDIT_WRITE_FAULT, str(error)):
                log.error("a reply is not stored", extra={"error": str(error)})
            return
        if is_news:
            self._health.count(f"commands_{answer.result}")
            extra = {"command": answer.command_id, "result": answer.result}
            log.info("command carried out", extra={**extra, "reason": answer.reason})
            self._sender.wake()

    def close(self) -> None:
        """End the sender and give the audit trail back."""
        if self._sender.close():
            self._audit.close()

    def _handle_new(self, command: Command) -> None:
        now_utc_ns = self._context.clock.utc_ns()
        decision = decide_command(command, self._allowed, now_utc_ns)
        decision = _refuse_if_too_large(command, decision, now_utc_ns)
        change = self._build_mode_change(command, now_utc_ns) if decision.result == "done" else None
        is_restart = command.kind == RESTART_KIND
        self._audit.append(command, decision, now_utc_ns, change, announced=is_restart)
        if change is not None:
            self._modes.append(change)
            self._store_mode()
            self._health.clear_fault(MODE_FROM_FILE_FAULT)
        self._health.count(f"commands_{decision.result}")
        extra = {"command": command.command_id, "kind": command.kind, "by": command.issued_by}
        log.info("command", extra={**extra, "result": decision.result, "reason": decision.reason})
        self.announce()  # before the answer, which says that it is in force
        if is_restart and decision.result == "accepted":
            self._begin_restart(command)

    def _begin_restart(self, command: Command) -> None:
        """The nucleus is asked from a thread of its own: parts are recorded meanwhile."""
        if command.arguments["component"] == PUBLISHER:
            self.handle_carried_out(
                self._build_carried_out(command, "done", "the publisher starts again")
            )
        threading.Thread(
            target=self._restart_component, args=(command,), name="restart-component", daemon=True
        ).start()

    def _restart_component(self, command: Command) -> None:
        name = str(command.arguments["component"])
        result: CommandResult = "refused"
        try:
            self._context.nucleus.restart_component(name)
        except (CommandError, TransportError) as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 whatever it is, who gave the command is told
            reason = f"{name} was not restarted: {type(error).__name__}: {error}"
        else:
            result, reason = "done", f"{name} starts again"
        self._context.inbox.post(self._build_carried_out(command, result, reason))

    def _refuse_unanswered_restarts(self) -> None:
        """A restart that was asked for by an earlier process is not asked for again."""
        try:
            for entry in self._audit.load_unanswered():
                if entry.command.kind == RESTART_KIND:
                    name = entry.command.arguments.get("component")
                    reason = f"the publisher ended before the nucleus answered: check that {name} is running"
                    self.handle_carried_out(
                        self._build_carried_out(entry.command, "refused", reason)
                    )
        except OutboxError as error:
            log.warning("unanswered commands are not refused yet", extra={"error": str(error)})

    def _load_modes(self) -> list[ModeChange]:
        """The modes of the trail; where it tells none, the last mode that was kept beside it.

        Bypass lets pass what is not ok, so it is never taken from there.
        """
        try:
            modes = self._audit.load_modes()
        except OutboxError as error:
            modes = []
            log.error("cannot read the mode from the audit trail", extra={"error": str(error)})
        if modes:
            return modes
        mode = self._mode_file.load_or_set_aside(
            lambda text: _report_damage(self._health, AUDIT_DAMAGED_FAULT, text)
        )
        if mode not in STATION_MODES - {"production", "bypass"}:
            return []
        text = f"The audit trail has no mode; the station continues in its last mode, {mode}."
        _report_damage(self._health, MODE_FROM_FILE_FAULT, text)
        return [ModeChange(mode, 0, "")]  # type: ignore[arg-type]

    def _store_mode(self) -> None:
        try:
            self._mode_file.store(self._modes[-1].mode)
        except OSError as error:
            log.warning("the mode is stored in the audit trail only", extra={"error": str(error)})

    def _build_mode_change(self, command: Command, now_utc_ns: int) -> ModeChange | None:
        mode = MODE_KINDS[command.kind]
        if mode == self._modes[-1].mode:
            return None
        return ModeChange(mode, now_utc_ns, command.command_id)

    def announce(self) -> None:
        """Publish the mode and the accepted commands that have no reply yet; due each second."""
        change, station_id = self._modes[-1], self._context.station_id
        self._health.set_gauge("paused", float(change.mode == "paused"))
        self._health.set_fact("mode", change.mode)
        mode = StationMode(
            station_id=station_id,
            mode=change.mode,
            since_utc_ns=change.since_utc_ns,
            command_id=change.command_id,
        )
        if not self._context.publish(STATION_MODE, mode):
            return
        try:
            for entry in self._audit.load_unannounced():
                if not self._announce_accepted(entry):
                    return
        except OutboxError as error:
            log.warning("commands are not announced; retrying", extra={"error": str(error)})

    def _announce_accepted(self, entry: AuditEntry) -> bool:
        """Whether the bus takes messages, and so the next command, too."""
        if self._has_expired(entry):
            self._close_entry(entry, "expired", "It expired before a component carried it out.")
            return True
        accepted = entry.build_accepted()
        try:
            encode(accepted)
        except MessageError as error:  # of an earlier version; it would end each start
            self._close_entry(entry, "refused", str(error))
            return True
        if not self._context.publish(COMMAND_ACCEPTED, accepted):
            return False
        if entry.command.kind not in COMMAND_COMPONENTS:
            self._audit.mark_announced(entry)  # else again until the reply comes
        return True

    def _has_expired(self, entry: AuditEntry) -> bool:
        """Whether a command is told no more: it would be carried out late, or is never answered.

        One that is answered may have been carried out in time by a component that is away just now.
        """
        if entry.decision.result != "accepted":
            return False
        wait_ns = ANSWER_WAIT_NS if entry.command.kind in COMMAND_COMPONENTS else 0
        return self._context.clock.utc_ns() >= entry.command.expires_utc_ns + wait_ns

    def _close_entry(self, entry: AuditEntry, result: CommandResult, reason: str) -> None:
        self.handle_carried_out(self._build_carried_out(entry.command, result, reason))
        self._audit.mark_announced(entry)  # a mode is in force all the same

    def _build_carried_out(
        self, command: Command, result: CommandResult, reason: str
    ) -> CommandCarriedOut:
        return CommandCarriedOut(
            station_id=self._context.station_id,
            command_id=command.command_id,
            component=PUBLISHER,
            result=result,
            decided_utc_ns=self._context.clock.utc_ns(),
            reason=truncate(reason, MAX_REASON_CHARACTERS),
        )


def open_audit_trail(path: Path, health: ComponentHealth) -> AuditTrail:
    """The audit trail; a damaged one is set aside and reported, and a new one begins."""
    return AuditTrail(path, lambda text: _report_damage(health, AUDIT_DAMAGED_FAULT, text))


def _report_damage(health: ComponentHealth, code: str, text: str) -> None:
    log.error("damaged", extra={"fault": code, "text": text})
    health.raise_fault(code, text)


def _refuse_if_too_large(
    command: Command, decision: CommandDecision, now_utc_ns: int
) -> CommandDecision:
    """Refused if the word of it to the station's components is too large for a message."""
    if decision.result not in ("done", "accepted"):
        return decision
    try:
        encode(AuditEntry(MAX_SEQUENCE, now_utc_ns, command, decision).build_accepted())
    except MessageError as error:
        return CommandDecision("refused", str(error))
    return decision
