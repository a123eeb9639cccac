"""The command `load_model`: carried out once by the model loader, answered each time that it is told."""

from inference.configuration import InferenceConfiguration
from inference.ledger_error import DISK
from inference.models import LoadOrder
from inference.notebook import Notebook
from inference.telling import tell
from sightline.commands import answer_to, refuse_late
from sightline.errors import CommandError, ModelError
from sightline.messages import CommandAccepted, CommandResult
from sightline.runtime import Context
from sightline.topics import COMMAND_CARRIED_OUT


class LoadCommands:
    """A command waits for its answer, whatever becomes of its loader; the answer is kept on disk."""

    def __init__(self, context: Context[InferenceConfiguration], notebook: Notebook) -> None:
        self._context = context
        self._notebook = notebook
        self._waiting: dict[str, tuple[CommandAccepted, LoadOrder]] = {}

    @property
    def orders(self) -> list[LoadOrder]:
        """What has no answer yet, the oldest first."""
        return [order for _, order in self._waiting.values()]

    def take(self, command: CommandAccepted) -> LoadOrder | None:
        """What is to be loaded; None if that is known already, or refused. LedgerError."""
        if command.command_id in self._waiting:
            return None
        known = self._notebook.answer(command.command_id)
        if known is not None:
            tell(self._context.bus, COMMAND_CARRIED_OUT, known)
            return None
        try:
            refuse_late(command, self._context.clock.utc_ns())
            order = order_of(command)
        except (CommandError, ModelError) as error:
            self._keep(command, "refused", str(error))
            return None
        self._waiting[command.command_id] = (command, order)
        return order

    def answer(self, command_id: str, result: CommandResult, reason: str) -> None:
        """What became of it; LedgerError: it is looked at again when it is told again."""
        if command_id in self._waiting:
            command, _ = self._waiting.pop(command_id)
            self._keep(command, result, reason)

    def _keep(self, command: CommandAccepted, result: CommandResult, reason: str) -> None:
        answer = answer_to(command, self._context.clock.utc_ns(), reason, result=result)
        self._notebook.keep(answer)
        self._context.health.clear_fault(DISK)
        tell(self._context.bus, COMMAND_CARRIED_OUT, answer)


def order_of(command: CommandAccepted) -> LoadOrder:
    """What `load_model` asks for: `model`, a configured name, and `digest`, or its first digits."""
    known = {"model", "digest", "remark"}
    others = sorted(command.arguments.keys() - known)
    if others:
        raise ModelError(f"'load_model' takes {', '.join(sorted(known))}; found {others[0][:64]!r}")
    name, digest = command.arguments.get("model"), command.arguments.get("digest")
    if not isinstance(name, str) or not isinstance(digest, str):
        raise ModelError("'load_model' needs 'model', a configured name, and 'digest', both texts")
    return LoadOrder(name, digest, command.command_id)
