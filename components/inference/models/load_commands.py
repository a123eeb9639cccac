"""The command `load_model`: carried out once by the model loader, answered each time that it is told."""

from inference.configuration import InferenceConfiguration
from inference.ledger.ledger_errors import LEDGER_FAULT
from inference.ledger.state_store import StateStore
from inference.models.model_loader import LoadRequest
from inference.publishing import publish_or_log
from sightline.errors import CommandError, ModelError
from sightline.kernel.commands import build_command_reply, refuse_expired
from sightline.kernel.component import ComponentContext
from sightline.messaging.messages import CommandAccepted, CommandResult
from sightline.messaging.topics import COMMAND_CARRIED_OUT


class PendingLoadCommands:
    """A command waits for its answer, whatever becomes of its loader; the answer is kept on disk."""

    def __init__(
        self, context: ComponentContext[InferenceConfiguration], notebook: StateStore
    ) -> None:
        self._context = context
        self._state_store = notebook
        self._waiting: dict[str, tuple[CommandAccepted, LoadRequest]] = {}

    @property
    def requests(self) -> list[LoadRequest]:
        """What has no answer yet, the oldest first."""
        return [order for _, order in self._waiting.values()]

    def accept_command(self, command: CommandAccepted) -> LoadRequest | None:
        """What is to be loaded; None if that is known already, or refused. LedgerError."""
        if command.command_id in self._waiting:
            return None
        known = self._state_store.load_reply(command.command_id)
        if known is not None:
            publish_or_log(self._context.bus, COMMAND_CARRIED_OUT, known)
            return None
        try:
            refuse_expired(command, self._context.clock.utc_ns())
            order = parse_load_request(command)
        except (CommandError, ModelError) as error:
            self._store_reply(command, "refused", str(error))
            return None
        self._waiting[command.command_id] = (command, order)
        return order

    def finish_command(self, command_id: str, result: CommandResult, reason: str) -> None:
        """What became of it; LedgerError: it is looked at again when it is told again."""
        if command_id in self._waiting:
            command, _ = self._waiting.pop(command_id)
            self._store_reply(command, result, reason)

    def _store_reply(self, command: CommandAccepted, result: CommandResult, reason: str) -> None:
        answer = build_command_reply(command, self._context.clock.utc_ns(), reason, result=result)
        self._state_store.store_reply(answer)
        self._context.health.clear_fault(LEDGER_FAULT)
        publish_or_log(self._context.bus, COMMAND_CARRIED_OUT, answer)


def parse_load_request(command: CommandAccepted) -> LoadRequest:
    """What `load_model` asks for: `model`, a configured name, and `digest`, or its first digits."""
    known = {"model", "digest", "remark"}
    others = sorted(command.arguments.keys() - known)
    if others:
        raise ModelError(f"'load_model' takes {', '.join(sorted(known))}; found {others[0][:64]!r}")
    name, digest = command.arguments.get("model"), command.arguments.get("digest")
    if not isinstance(name, str) or not isinstance(digest, str):
        raise ModelError("'load_model' needs 'model', a configured name, and 'digest', both texts")
    return LoadRequest(name, digest, command.command_id)
