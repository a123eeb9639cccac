"""The commands that inference carries out between two parts: set_threshold, acknowledge_hold."""

import logging

from inference.challenges import Challenges
from inference.notebook import Notebook, Thresholds
from inference.thresholds import SetThreshold, with_threshold
from sightline.clock import Clock
from sightline.commands import answer_to, arguments_of, refuse_late
from sightline.configuration import Configuration
from sightline.errors import CommandError
from sightline.messages import CommandAccepted, CommandCarriedOut, Part
from sightline.product_store import Products

log = logging.getLogger(__name__)


class AcknowledgeHold(Configuration, frozen=True, kw_only=True):
    """The command's arguments: the hold that the person saw, as the fault and the records name it.

    It frees this one only: another one may have come between his look and his click.
    """

    hold: str = ""


class Orders:
    """Answers each command once; what it changes is on disk with the answer."""

    def __init__(self, notebook: Notebook, challenges: Challenges, clock: Clock) -> None:
        self._notebook = notebook
        self._challenges = challenges
        self._clock = clock
        self.thresholds = notebook.thresholds()

    def carry_out(
        self, command: CommandAccepted, products: Products, next_part: Part | None
    ) -> CommandCarriedOut:
        """The answer, the same one to a repeat; in force from `next_part` on.

        LedgerError: nothing was changed, and there is no answer before the disk takes it.
        """
        known = self._notebook.answer(command.command_id)
        if known is not None:
            return known
        try:
            refuse_late(command, self._clock.utc_ns())
            if command.kind == "set_threshold":
                answer = self._set_threshold(command, products, next_part)
            else:
                answer = self._acknowledge(command, next_part)
        except CommandError as error:
            refusal = answer_to(command, self._clock.utc_ns(), str(error), result="refused")
            self._notebook.keep(refusal)
            log.warning("command refused", extra={"kind": command.kind, "reason": str(error)})
            return refusal
        log.info("command carried out", extra={"kind": command.kind, "what": answer.reason})
        return answer

    def _set_threshold(
        self, command: CommandAccepted, products: Products, next_part: Part | None
    ) -> CommandCarriedOut:
        asked = arguments_of(command, SetThreshold)
        products.look()
        product = products.current.get(asked.product)
        if product is None:
            known = ", ".join(sorted(products.current)) or "none"
            raise CommandError(f"the station knows no product {asked.product}; it knows {known}")
        after = with_threshold(product, self.thresholds.get(asked.product), asked)
        version = f"{after.version}+{after.changes}"
        answer = self._done(command, f"{asked.product} is version {version}", next_part)
        self._keep_thresholds(answer, asked.product, after)
        return answer

    def _keep_thresholds(self, answer: CommandCarriedOut, product: str, after: Thresholds) -> None:
        self._notebook.keep(answer, thresholds=(product, after))
        self.thresholds[product] = after

    def _acknowledge(self, command: CommandAccepted, next_part: Part | None) -> CommandCarriedOut:
        asked = arguments_of(command, AcknowledgeHold)
        names = [held.hold for held in self._challenges.open_holds]
        if not names:
            raise CommandError("nothing is held back")
        if not asked.hold:
            raise CommandError(f"hold: expected the name of one; open are {', '.join(names)}")
        if asked.hold not in names:
            raise CommandError(f"no hold {asked.hold} is open; open are {', '.join(names)}")
        left = [name for name in names if name != asked.hold]
        still = f"; still open are {', '.join(left)}" if left else ""
        answer = self._done(command, f"acknowledged {asked.hold}{still}", next_part)
        self._notebook.keep(answer, acknowledges=asked.hold)
        self._challenges.acknowledged(asked.hold)
        return answer

    def _done(
        self, command: CommandAccepted, what: str, next_part: Part | None
    ) -> CommandCarriedOut:
        return answer_to(command, self._clock.utc_ns(), what, from_part=next_part)
