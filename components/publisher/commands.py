"""Commands from the cloud: allowed or refused, noted, carried out, told and answered."""

import logging
import threading
from pathlib import Path

from publisher.audit import MODES, Audit, Entry, ModeChange
from publisher.authorisation import MODE_KINDS, RESTART, Decision, decide
from publisher.configuration import CommandsConfiguration, PublisherConfiguration
from publisher.outbox import OutboxError
from publisher.sender import Freight, Sender
from sightline.codec import encode
from sightline.commands import CARRIED_OUT_BY, LONGEST_REASON
from sightline.errors import CommandError, MessageError, TransportError
from sightline.health import Health
from sightline.journal import DurableText
from sightline.messages import Command, CommandCarriedOut, CommandResult, Mode, StationMode
from sightline.runtime import Context
from sightline.texts import cut
from sightline.topics import COMMAND_ACCEPTED, COMMAND_OUTCOME, PUBLISHER, STATION_MODE

log = logging.getLogger(__name__)
ANNOUNCE_INTERVAL_NS = 1_000_000_000
ANSWERS_PER_SECOND = 10.0
GREATEST_SEQUENCE = 2**63 - 1
DISK = "audit-not-writable"
DAMAGED = "audit-damaged"
MODE_FILE = "mode.txt"
MODE_FROM_FILE = "mode-from-file"
ANSWER_WAIT_NS = 600_000_000_000  # a component that carried a command out may be away for a while
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
        self._mode_file = DurableText(context.work_folder / MODE_FILE)
        self._modes = [PRODUCTION, *self._known_modes()]
        self._keep_mode()
        self._next_announcement_ns = 0
        self._sender = Sender(
            context.bus, audit, context.health, ANSWERS_PER_SECOND, freight=OUTCOMES
        )
        self._sender.start()
        self._close_unanswered()

    @property
    def damage(self) -> str:
        """Whether the audit trail was found to be damaged, in words."""
        return self._audit.damage

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
        is_restart = command.kind == RESTART
        self._audit.add(command, decision, now_utc_ns, change, announced=is_restart)
        if change is not None:
            self._modes.append(change)
            self._keep_mode()
            self._health.clear_fault(MODE_FROM_FILE)
        self._health.count(f"commands_{decision.result}")
        extra = {"command": command.command_id, "kind": command.kind, "by": command.issued_by}
        log.info("command", extra={**extra, "result": decision.result, "reason": decision.reason})
        self._announce()  # before the answer, which says that it is in force
        if is_restart and decision.result == "accepted":
            self._begin_restart(command)

    def _begin_restart(self, command: Command) -> None:
        """The nucleus is asked from a thread of its own: parts are recorded meanwhile."""
        if command.arguments["component"] == PUBLISHER:
            self.take_answer(self._answer(command, "done", "the publisher starts again"))
        threading.Thread(
            target=self._restart, args=(command,), name="restart-component", daemon=True
        ).start()

    def _restart(self, command: Command) -> None:
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
        self._context.inbox.post(self._answer(command, result, reason))

    def _close_unanswered(self) -> None:
        """A restart that was asked for by an earlier process is not asked for again."""
        try:
            for entry in self._audit.unanswered():
                if entry.command.kind == RESTART:
                    name = entry.command.arguments.get("component")
                    reason = (
                        f"the publisher ended before the nucleus answered: look whether {name} runs"
                    )
                    self.take_answer(self._answer(entry.command, "refused", reason))
        except OutboxError as error:
            log.warning("unanswered commands stay", extra={"error": str(error)})

    def _known_modes(self) -> list[ModeChange]:
        """The modes of the trail; where it tells none, the last mode that was kept beside it.

        Bypass lets pass what is not ok, so it is never taken from there.
        """
        try:
            modes = self._audit.modes()
        except OutboxError as error:
            modes = []
            log.error("the trail tells no mode", extra={"error": str(error)})
        if modes:
            return modes
        mode = self._mode_file.load_or_set_aside(lambda text: _report(self._health, DAMAGED, text))
        if mode not in MODES - {"production", "bypass"}:
            return []
        text = f"The audit trail tells no mode; the station goes on in {mode}, as it was last."
        _report(self._health, MODE_FROM_FILE, text)
        return [ModeChange(mode, 0, "")]  # type: ignore[arg-type]

    def _keep_mode(self) -> None:
        try:
            self._mode_file.store(self._modes[-1].mode)
        except OSError as error:
            log.warning("the mode is kept in the trail only", extra={"error": str(error)})

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
        if self._is_over(entry):
            self._give_up(entry, "expired", "its end came before a component carried it out")
            return
        try:
            self._context.bus.publish(COMMAND_ACCEPTED, entry.accepted())
        except MessageError as error:  # of an earlier version; it would end each start
            self._give_up(entry, "refused", str(error))
            return
        if entry.command.kind not in CARRIED_OUT_BY:
            self._audit.announced(entry)  # else again until the answer comes

    def _is_over(self, entry: Entry) -> bool:
        """Whether a command is told no more: it would be carried out late, or is never answered.

        One that is answered may have been carried out in time by a component that is away just now.
        """
        if entry.decision.result != "accepted":
            return False
        wait_ns = ANSWER_WAIT_NS if entry.command.kind in CARRIED_OUT_BY else 0
        return self._context.clock.utc_ns() >= entry.command.expires_utc_ns + wait_ns

    def _give_up(self, entry: Entry, result: CommandResult, reason: str) -> None:
        self.take_answer(self._answer(entry.command, result, reason))
        self._audit.announced(entry)  # a mode is in force all the same

    def _answer(self, command: Command, result: CommandResult, reason: str) -> CommandCarriedOut:
        return CommandCarriedOut(
            station_id=self._context.station_id,
            command_id=command.command_id,
            component=PUBLISHER,
            result=result,
            decided_utc_ns=self._context.clock.utc_ns(),
            reason=cut(reason, LONGEST_REASON),
        )


def open_audit(path: Path, health: Health) -> Audit:
    """The audit trail; a damaged one is set aside and reported, and a new one begins."""
    return Audit(path, lambda text: _report(health, DAMAGED, text))


def _report(health: Health, code: str, text: str) -> None:
    log.error("damaged", extra={"fault": code, "text": text})
    health.raise_fault(code, text)


def _if_it_can_be_told(command: Command, decision: Decision, now_utc_ns: int) -> Decision:
    """Refused if the word of it to the station's components is too large for a message."""
    if decision.result not in ("done", "accepted"):
        return decision
    try:
        encode(Entry(GREATEST_SEQUENCE, now_utc_ns, command, decision).accepted())
    except MessageError as error:
        return Decision("refused", str(error))
    return decision
