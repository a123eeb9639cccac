"""The commands that inference carries out between two parts: set_threshold, acknowledge_hold."""

import logging

from inference.ledger.state_store import ProductThresholds, StateStore
from inference.verdicts.challenge_tracker import ChallengeTracker
from inference.verdicts.threshold_changes import SetThreshold, change_threshold
from sightline.clock import Clock
from sightline.configuration import ConfigurationStruct
from sightline.errors import CommandError
from sightline.kernel.commands import build_command_reply, parse_arguments, refuse_expired
from sightline.messaging.messages import CommandAccepted, CommandCarriedOut, Part
from sightline.storage.product_store import ProductStoreReader

log = logging.getLogger(__name__)


class AcknowledgeHold(ConfigurationStruct, frozen=True, kw_only=True):
    """The command's arguments: the hold that the person saw, as the fault and the records name it.

    It frees this one only: another one may have come between his look and his click.
    """

    hold: str = ""


class JudgingCommandHandler:
    """Answers each command once; what it changes is on disk with the answer."""

    def __init__(self, notebook: StateStore, challenges: ChallengeTracker, clock: Clock) -> None:
        self._state_store = notebook
        self._challenges = challenges
        self._clock = clock
        self.thresholds = notebook.load_thresholds()

    def execute_command(
        self, command: CommandAccepted, products: ProductStoreReader, next_part: Part | None
    ) -> CommandCarriedOut:
        """The answer, the same one to a repeat; in force from `next_part` on.

        LedgerError: nothing was changed, and there is no answer before the disk takes it.
        """
        known = self._state_store.load_reply(command.command_id)
        if known is not None:
            return known
        try:
            refuse_expired(command, self._clock.utc_ns())
            if command.kind == "set_threshold":
                answer = self._set_threshold(command, products, next_part)
            else:
                answer = self._acknowledge_hold(command, next_part)
        except CommandError as error:
            refusal = build_command_reply(
                command, self._clock.utc_ns(), str(error), result="refused"
            )
            self._state_store.store_reply(refusal)
            log.warning("command refused", extra={"kind": command.kind, "reason": str(error)})
            return refusal
        log.info("command carried out", extra={"kind": command.kind, "what": answer.reason})
        return answer

    def _set_threshold(
        self, command: CommandAccepted, products: ProductStoreReader, next_part: Part | None
    ) -> CommandCarriedOut:
        asked = parse_arguments(command, SetThreshold)
        products.refresh()
        product = products.current.get(asked.product)
        if product is None:
            known = ", ".join(sorted(products.current)) or "none"
            raise CommandError(f"the station knows no product {asked.product}; it knows {known}")
        after = change_threshold(product, self.thresholds.get(asked.product), asked)
        version = f"{after.version}+{after.changes}"
        answer = self._build_reply(command, f"{asked.product} is version {version}", next_part)
        self._store_thresholds(answer, asked.product, after)
        return answer

    def _store_thresholds(
        self, answer: CommandCarriedOut, product: str, after: ProductThresholds
    ) -> None:
        self._state_store.store_reply(answer, thresholds=(product, after))
        self.thresholds[product] = after

    def _acknowledge_hold(
        self, command: CommandAccepted, next_part: Part | None
    ) -> CommandCarriedOut:
        asked = parse_arguments(command, AcknowledgeHold)
        names = [held.hold for held in self._challenges.open_holds]
        if not names:
            raise CommandError("nothing is held back")
        if not asked.hold:
            raise CommandError(f"hold: expected the name of one; open are {', '.join(names)}")
        if asked.hold not in names:
            raise CommandError(f"no hold {asked.hold} is open; open are {', '.join(names)}")
        left = [name for name in names if name != asked.hold]
        still = f"; still open are {', '.join(left)}" if left else ""
        answer = self._build_reply(command, f"acknowledged {asked.hold}{still}", next_part)
        self._state_store.store_reply(answer, acknowledges=asked.hold)
        self._challenges.release_hold(asked.hold)
        return answer

    def _build_reply(
        self, command: CommandAccepted, what: str, next_part: Part | None
    ) -> CommandCarriedOut:
        return build_command_reply(command, self._clock.utc_ns(), what, from_part=next_part)
