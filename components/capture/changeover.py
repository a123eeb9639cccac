"""The line's changeover in capture: its commands, and what each part is."""

import contextlib
import logging
from dataclasses import dataclass
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
from sightline.kernel.command_execution import Reply
from sightline.kernel.commands import build_command_reply
from sightline.kernel.component import ComponentContext
from sightline.messaging.messages import CommandAccepted, CommandCarriedOut, CommandResult, Part
from sightline.messaging.topics import COMMAND_CARRIED_OUT
from sightline.storage.product_store import ProductStoreReader
from sightline.storage.products import ConditionOverrides, LabelName, Product, ProductName
from sightline.storage.station_folder import StationFolder

log = logging.getLogger(__name__)
CHANGEOVER_FILE = "chosen.json"
NOT_READABLE = "choice-not-readable"
BAD_PRODUCT = "product-refused"
UNKNOWN_PRODUCT = "product-unknown"
UNFIT_PRODUCT = "product-limits"
NOT_STORED_TEXT = "The change cannot be stored and is not in force"


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


@dataclass(frozen=True)
class PlannedChange:
    """What a command would change, and in words."""

    text: str
    state: ChangeoverState


class Changeover:
    """Product, lot and challenge of the parts; used by the component's main thread.

    Also keeps the replies to its commands, each stored in one file with what the command changed.
    """

    stream = COMMAND_CARRIED_OUT

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
        self._select_if_changed()

    @property
    def configuration(self) -> CaptureConfiguration:
        """The configuration as the product of this part, or of the last, needs it."""
        return self._selected[1]

    @property
    def attributes(self) -> PartAttributes:
        """What a part would be for which the PLC sets what it set for the last."""
        return self._selected[0]

    @property
    def is_product_in_doubt(self) -> bool:
        """Whether the line may make another product than its parts are said to be."""
        is_set_here = not self._plc_trigger.product and bool(self.products.current)
        return self._state.is_lost and is_set_here

    def note_trigger(self, trigger: TriggerEvent) -> None:
        """Note what the PLC set with a part's trigger; it holds until the next."""
        self._plc_trigger = trigger
        self._select_if_changed()

    def assign_positions(self, positions: CameraPositions) -> None:
        """Let a product's camera settings follow its positions to other cameras."""
        if positions != self._positions:
            self._positions = positions
            self._select()

    def configure(self, configuration: CaptureConfiguration) -> None:
        """Put a new configuration into force; a product or lot that it names anew holds from now on."""
        self._configuration = configuration
        self._state = resolve_state(configuration, self._state)
        self.products = self._open_products()
        self.refresh_products()
        self._select()

    def refresh_products(self) -> None:
        """Load products that were deployed; report what is wrong with others, and what holds now."""
        if not self._is_stored:
            self._store_state()
        if self.products.refresh():
            self._select()
        problems = "; ".join(self.products.problems.values())
        if problems:
            self._health.raise_fault(BAD_PRODUCT, problems)
        else:
            self._health.clear_fault(BAD_PRODUCT)
        self._report_facts()

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
        attributes = build_part_attributes(self._state, trigger, self.products.current, part)
        planned = self._state.challenge
        if planned is not None and planned.is_over(part):
            if not attributes.challenge:
                self._health.count("challenges_not_seen")
                log.error("the challenge part was not seen", extra={"planned": planned.number})
            self._state = replace(self._state, challenge=None)
            if planned.number is None:
                self._store_state()  # no number would tell the next process that it is over
            else:
                self._is_stored = False
        return attributes

    def change_product(self, arguments: ChangeProductArguments) -> PlannedChange:
        """Another product, and a lot where one is named; CommandError."""
        self._refuse_if_plc_sets("product")
        self.products.refresh()
        self._select_if_changed()  # what was deployed is in force, whatever becomes of the command
        product = self.products.current.get(arguments.product)
        if product is None:
            problem = self.products.problems.get(arguments.product)
            known = ", ".join(sorted(self.products.current)) or "none"
            raise CommandError(
                problem or f"Product {arguments.product} is not on this station; it has {known}"
            )
        if arguments.lot:
            self._refuse_if_plc_sets("lot")
        lot = arguments.lot or self._state.lot
        text = f"Product {product.name}, version {product.version}"
        text += f", lot {arguments.lot}" if arguments.lot else ""
        return PlannedChange(
            text, replace(self._state, product=product.name, lot=lot, is_lost=False)
        )

    def change_lot(self, lot: str) -> PlannedChange:
        """Another lot; without a name none; CommandError."""
        self._refuse_if_plc_sets("lot")
        before = self._state.lot
        ended = f"Lot {before} ended" if before and before != lot else ""
        started = f"Lot {lot} started" if lot else "No lot"
        return PlannedChange(
            "; ".join(filter(None, (ended, started))), replace(self._state, lot=lot)
        )

    def plan_challenge(
        self, arguments: ChallengePartArguments, next_part: Part | None
    ) -> PlannedChange:
        """A part to come is a challenge part; CommandError."""
        product = self.products.current.get(self.attributes.product)
        if product is not None and arguments.label not in product.defects:
            known = ", ".join(sorted(product.defects))
            raise CommandError(
                f"Product {product.name} has no defect {arguments.label}; its defects are {known}"
            )
        planned = PlannedChallenge(label=arguments.label)
        if next_part is not None:
            number = arguments.part_number or next_part.part_number
            if number < next_part.part_number:
                raise CommandError(
                    f"Part {number} has passed already; the next is part {next_part.part_number}"
                )
            planned = PlannedChallenge(label=arguments.label, epoch=next_part.epoch, number=number)
        elif arguments.part_number:
            raise CommandError("No part has passed yet; only the next part (0) can be named")
        which = "The first part" if planned.number is None else f"Part {planned.number}"
        return PlannedChange(
            f"{which} is a challenge part with {arguments.label}",
            replace(self._state, challenge=planned),
        )

    def find_reply(self, command_id: str) -> CommandCarriedOut | None:
        """The reply that a command got, or None if it is new."""
        return find_reply(self._state, command_id)

    def store_reply(
        self, command: CommandAccepted, result: CommandResult, reply: Reply, from_part: Part | None
    ) -> CommandCarriedOut:
        """Store the reply with the state that the command brings about, and put that into force.

        What the disk does not take is refused, and not in force: the next process would not know of it.
        """
        now_utc_ns = self._context.clock.utc_ns()
        message = build_command_reply(
            command, now_utc_ns, reply.text, result=result, from_part=from_part
        )
        state = with_reply(self._state if reply.change is None else reply.change, message)
        try:
            self._file.store(state)
        except OSError as error:
            log.error("changeover not stored", extra={"error": str(error)})
            return replace(
                message, result="refused", reason=f"{NOT_STORED_TEXT}: {error}", from_part=None
            )
        self._state = state
        self._select_if_changed()
        self._report_facts()
        return message

    def _store_state(self) -> None:
        """Store what the parts themselves changed: that a challenge is over. Again, if it fails."""
        try:
            self._file.store(self._state)
            self._is_stored = True
        except OSError as error:
            log.error("changeover not stored", extra={"error": str(error)})

    def _refuse_if_plc_sets(self, what: str) -> None:
        if getattr(self._plc_trigger, what):
            raise CommandError(f"The PLC sets the {what}; it cannot be changed by command")

    def _select_if_changed(self) -> None:
        attributes = build_part_attributes(self._state, self._plc_trigger, self.products.current)
        if attributes != self._selected[0]:
            self._select()
            self._report_facts()

    def _select(self) -> None:
        """Work out the configuration for the product of now."""
        attributes = build_part_attributes(self._state, self._plc_trigger, self.products.current)
        product = self.products.current.get(attributes.product)
        self._selected = (attributes, self._configuration_within_limits(product))
        if attributes.product and product is None:
            text = (
                f"The station knows no product {attributes.product}: no part of it is ok. Deploy the "
                "product to this station, or change the product."
            )
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
            text = (
                f"Product {product.name} {product.version} contradicts the station's limits: {error}. "
                "The station's own limits hold. Correct the product's conditions."
            )
            if self._health.raise_fault(UNFIT_PRODUCT, text):
                log.error("product contradicts the limits", extra={"reason": text})
            without = replace(product, conditions=ConditionOverrides())
            configuration = configuration_for_product(
                self._configuration, without, self._positions.device_for
            )
        return configuration

    def _report_facts(self) -> None:
        if self._state.is_lost:
            text = (
                f"Cannot read which product was set ({CHANGEOVER_FILE} was damaged): product and lot are "
                "as configured, and no part is ok. Set the product again, or let the PLC set it."
            )
            self._health.raise_fault(NOT_READABLE, text)
        else:
            self._health.clear_fault(NOT_READABLE)
        attributes, planned = self.attributes, self._state.challenge
        self._health.set_fact("product", attributes.product)
        self._health.set_fact("product_version", attributes.version)
        self._health.set_fact("lot", attributes.lot)
        number = "" if planned is None else f"part {planned.number or 'next'}: {planned.label}"
        self._health.set_fact("challenge", number)
        known = [f"{p.name} {p.version}" for _, p in sorted(self.products.current.items())]
        self._health.set_fact("products", ", ".join(known))

    def _open_products(self) -> ProductStoreReader:
        folder = self._context.work_folder / self._configuration.station_folder
        return ProductStoreReader(StationFolder(folder).products)

    def _report_damage(self, text: str) -> None:
        log.error("changeover not readable", extra={"reason": text})
        self._is_state_lost = True

    def _load_state(self, last: Part | None) -> ChangeoverState:
        stored = self._file.load(self._report_damage)
        state = resolve_state(self._configuration, stored)
        if self._is_state_lost:
            state = replace(state, is_lost=True)
            with contextlib.suppress(OSError):  # a full disk is reported elsewhere
                self._file.store(state)
        planned = state.challenge
        if planned is not None and last is not None and planned.is_over(last):
            return replace(state, challenge=None)
        return state
