"""The line's changeover in capture: carries out its commands and says what each part is."""

import contextlib
import logging
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from capture.camera_positions import CameraPositions
from capture.changeover_state import (
    ChangeoverState,
    ChangeoverStateFile,
    PartAttributes,
    PlannedChallenge,
    build_part_attributes,
    configuration_for_product,
    find_reply,
    resolve_state,
    with_reply,
)
from capture.configuration import CaptureConfiguration, ShortText
from capture.triggers.trigger import TriggerEvent
from sightline.configuration import ConfigurationStruct
from sightline.errors import CommandError
from sightline.kernel.commands import build_command_reply, parse_arguments, refuse_expired
from sightline.kernel.component import ComponentContext
from sightline.messaging.messages import CommandAccepted, CommandCarriedOut, Part
from sightline.storage.product_store import ProductStoreReader
from sightline.storage.products import ConditionOverrides, LabelName, Product, ProductName
from sightline.storage.station_folder import StationFolder

log = logging.getLogger(__name__)
CHANGEOVER_FILE = "chosen.json"
NOT_READABLE = "choice-not-readable"
BAD_PRODUCT = "product-refused"
UNKNOWN_PRODUCT = "product-unknown"
UNFIT_PRODUCT = "product-limits"


class ChangeProductArguments(ConfigurationStruct, frozen=True, kw_only=True):
    """Arguments of change_product; a lot begins with it where one is named."""

    product: ProductName
    lot: ShortText = ""


class LotStartArguments(ConfigurationStruct, frozen=True, kw_only=True):
    """Arguments of lot_start."""

    lot: Annotated[str, Meta(min_length=1, max_length=64)]


class LotEndArguments(ConfigurationStruct, frozen=True, kw_only=True):
    """Arguments of lot_end: none."""


class ChallengePartArguments(ConfigurationStruct, frozen=True, kw_only=True):
    """Arguments of challenge_part: the label that is on the part; 0 is the next part."""

    label: LabelName
    part_number: int = 0


class Changeover:
    """Product, lot and challenge of the parts; used by the component's main thread."""

    def __init__(self, context: ComponentContext[CaptureConfiguration], last: Part | None) -> None:
        self._context = context
        self._health = context.health
        self._configuration = context.configuration
        self._file = ChangeoverStateFile(context.work_folder / CHANGEOVER_FILE)
        self._is_state_lost = False
        self._state = self._load_state(last)
        self._is_stored = True
        self._plc_trigger = TriggerEvent(None, 0, 0)
        self.products = self._open_products()
        self._positions = CameraPositions({})
        self._selected: tuple[PartAttributes, CaptureConfiguration] = (
            PartAttributes(),
            context.configuration,
        )
        self.refresh_products()

    def assign_positions(self, positions: CameraPositions) -> None:
        """Let a product's camera settings follow its positions to other cameras."""
        if positions != self._positions:
            self._positions = positions
            self._select_for(self.current_attributes())

    def configure(self, configuration: CaptureConfiguration) -> None:
        """Take a new configuration; a product or lot that it names anew holds from now on."""
        self._configuration = configuration
        self._state = resolve_state(configuration, self._state)
        self.products = self._open_products()
        self.refresh_products()
        self._select_for(self.current_attributes())

    def refresh_products(self) -> None:
        """Take products that were deployed; say what is wrong with others, and what holds now."""
        if not self._is_stored:
            self._store_state()
        if self.products.refresh():
            self._select_for(self.current_attributes())
        problems = "; ".join(self.products.problems.values())
        if problems:
            self._health.raise_fault(BAD_PRODUCT, problems)
        else:
            self._health.clear_fault(BAD_PRODUCT)
        self._report_facts()

    def current_attributes(self) -> PartAttributes:
        """What a part would be that the PLC told as it told the last."""
        return build_part_attributes(self._state, self._plc_trigger, self.products.current)

    @property
    def is_product_in_doubt(self) -> bool:
        """Whether the line may make another product than its parts are stamped with."""
        is_chosen_here = not self._plc_trigger.product and bool(self.products.current)
        return self._state.is_lost and is_chosen_here

    def select_configuration(self, trigger: TriggerEvent | None = None) -> CaptureConfiguration:
        """The configuration as the product of this part, or of the last, needs it."""
        if trigger is not None:
            self._plc_trigger = trigger
        stamp = self.current_attributes()
        if stamp != self._selected[0]:
            self._select_for(stamp)
            self._report_facts()
        return self._selected[1]

    def configurations_by_product(self) -> dict[str, CaptureConfiguration]:
        """The configuration as each known product needs it, where it can be had."""
        found: dict[str, CaptureConfiguration] = {}
        for name, product in self.products.current.items():
            with contextlib.suppress(ValueError):
                found[name] = configuration_for_product(
                    self._configuration, product, self._positions.device_for
                )
        return found

    def assign_attributes(self, trigger: TriggerEvent, part: Part) -> PartAttributes:
        """What this part is; a challenge is one once, whatever happens to the process."""
        stamp = build_part_attributes(self._state, trigger, self.products.current, part)
        planned = self._state.challenge
        if planned is not None and planned.is_over(part):
            if not stamp.challenge:
                self._health.count("challenges_not_seen")
                log.error("the challenge part was not seen", extra={"planned": planned.number})
            self._state = replace(self._state, challenge=None)
            if planned.number is None:
                self._store_state()  # no number would tell the next process that it is over
            else:
                self._is_stored = False
        return stamp

    def handle_command(self, command: CommandAccepted, last: Part | None) -> CommandCarriedOut:
        """The answer, the same one to a repeat; in force from the part after `last` on."""
        known = find_reply(self._state, command.command_id)
        if known is not None:
            return known
        now_utc_ns = self._context.clock.utc_ns()
        try:
            refuse_expired(command, now_utc_ns)
            after, what = self._apply_command(command, last)
            next_part = None if last is None else Part(last.epoch, last.part_number + 1)
            answer = build_command_reply(command, now_utc_ns, what, from_part=next_part)
        except CommandError as error:
            after = self._state
            answer = build_command_reply(command, now_utc_ns, str(error), result="refused")
        return self._store_reply(after, answer)

    def _store_reply(self, after: ChangeoverState, answer: CommandCarriedOut) -> CommandCarriedOut:
        try:
            self._file.store(with_reply(after, answer))
        except OSError as error:  # not in force, then: the next process would not know of it
            log.error("the choice is not stored", extra={"error": str(error)})
            return replace(answer, result="refused", reason=f"it cannot be stored: {error}")
        self._state = with_reply(after, answer)
        self._report_facts()
        log.info("command", extra={"result": answer.result, "what": answer.reason})
        return answer

    def _store_state(self) -> None:
        """Keep what the parts themselves changed: that a challenge is over. Again, if it fails."""
        try:
            self._file.store(self._state)
            self._is_stored = True
        except OSError as error:
            log.error("the choice is not stored", extra={"error": str(error)})

    def _apply_command(
        self, command: CommandAccepted, last: Part | None
    ) -> tuple[ChangeoverState, str]:
        if command.kind == "change_product":
            return self._change_product(parse_arguments(command, ChangeProductArguments))
        if command.kind == "challenge_part":
            return self._plan_challenge(parse_arguments(command, ChallengePartArguments), last)
        lot = ""
        if command.kind == "lot_start":
            lot = parse_arguments(command, LotStartArguments).lot
        else:
            parse_arguments(command, LotEndArguments)
        self._refuse_if_plc_sets("lot")
        before, text = self._state.lot, f"lot {lot} begins" if lot else "no lot"
        ends = f"lot {before} ends" if before and before != lot else ""
        return replace(self._state, lot=lot), "; ".join(filter(None, (ends, text)))

    def _change_product(self, asked: ChangeProductArguments) -> tuple[ChangeoverState, str]:
        self._refuse_if_plc_sets("product")
        self.products.refresh()
        product = self.products.current.get(asked.product)
        if product is None:
            problem = self.products.problems.get(asked.product)
            known = ", ".join(sorted(self.products.current)) or "none"
            raise CommandError(
                problem or f"the station knows no product {asked.product}; it knows {known}"
            )
        if asked.lot:
            self._refuse_if_plc_sets("lot")
        lot = asked.lot or self._state.lot
        what = f"product {product.name}, version {product.version}"
        what += f", lot {asked.lot}" if asked.lot else ""
        return replace(self._state, product=product.name, lot=lot, is_lost=False), what

    def _plan_challenge(
        self, asked: ChallengePartArguments, last: Part | None
    ) -> tuple[ChangeoverState, str]:
        product = self.products.current.get(self.current_attributes().product)
        if product is not None and asked.label not in product.defects:
            known = ", ".join(sorted(product.defects))
            raise CommandError(f"{product.name} knows no defect {asked.label}; it knows {known}")
        if last is None:
            if asked.part_number:
                raise CommandError("no part was seen yet; only the next one can be named (0)")
            planned = PlannedChallenge(label=asked.label)
        else:
            number = asked.part_number or last.part_number + 1
            if number <= last.part_number:
                raise CommandError(
                    f"part {number} is over; {last.part_number + 1} is the next that can be named"
                )
            planned = PlannedChallenge(label=asked.label, epoch=last.epoch, number=number)
        which = "the first part" if planned.number is None else f"part {planned.number}"
        return replace(self._state, challenge=planned), f"{which} is to show {asked.label}"

    def _refuse_if_plc_sets(self, what: str) -> None:
        if getattr(self._plc_trigger, what):
            raise CommandError(f"the PLC names the {what}, with each part")

    def _select_for(self, stamp: PartAttributes) -> None:
        product = self.products.current.get(stamp.product)
        self._selected = (stamp, self._configuration_within_limits(product))
        if stamp.product and product is None:
            text = f"no product {stamp.product} is known to this station: no part of it is ok"
            self._health.raise_fault(UNKNOWN_PRODUCT, text)
        else:
            self._health.clear_fault(UNKNOWN_PRODUCT)

    def _configuration_within_limits(self, product: Product | None) -> CaptureConfiguration:
        """As the product needs it, but with the station's limits where its own contradict them."""
        try:
            configuration = configuration_for_product(
                self._configuration, product, self._positions.device_for
            )
            self._health.clear_fault(UNFIT_PRODUCT)
        except ValueError as error:
            assert product is not None
            text = f"{product.name} {product.version}: {error}; the station's own limits hold"
            if self._health.raise_fault(UNFIT_PRODUCT, text):
                log.error("the product's limits do not fit", extra={"reason": text})
            without = replace(product, conditions=ConditionOverrides())
            configuration = configuration_for_product(
                self._configuration, without, self._positions.device_for
            )
        return configuration

    def _report_facts(self) -> None:
        if self._state.is_lost:
            text = (
                f"What was chosen cannot be read ({CHANGEOVER_FILE} was damaged): product and lot are as "
                "configured, and no part is ok, until a product is chosen again or named by the PLC"
            )
            self._health.raise_fault(NOT_READABLE, text)
        else:
            self._health.clear_fault(NOT_READABLE)
        stamp, planned = self.current_attributes(), self._state.challenge
        self._health.set_fact("product", stamp.product)
        self._health.set_fact("product_version", stamp.version)
        self._health.set_fact("lot", stamp.lot)
        number = "" if planned is None else f"part {planned.number or 'next'}: {planned.label}"
        self._health.set_fact("challenge", number)
        known = [f"{p.name} {p.version}" for _, p in sorted(self.products.current.items())]
        self._health.set_fact("products", ", ".join(known))

    def _open_products(self) -> ProductStoreReader:
        folder = self._context.work_folder / self._configuration.station_folder
        return ProductStoreReader(StationFolder(folder).products)

    def _report_damage(self, text: str) -> None:
        log.error("the choice is not readable", extra={"reason": text})
        self._is_state_lost = True

    def _load_state(self, last: Part | None) -> ChangeoverState:
        kept = self._file.load(self._report_damage)
        chosen = resolve_state(self._configuration, kept)
        if self._is_state_lost:
            chosen = replace(chosen, is_lost=True)
            with contextlib.suppress(OSError):  # of a full disk more is told elsewhere
                self._file.store(chosen)
        planned = chosen.challenge
        if planned is not None and last is not None and planned.is_over(last):
            return replace(chosen, challenge=None)
        return chosen
