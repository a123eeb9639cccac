"""The line's changeover in capture: carries out its commands and says what each part is."""

import contextlib
import logging
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from capture.changeover import (
    Chosen,
    ChosenFile,
    Planned,
    Stamp,
    answer_of,
    begin,
    fitted,
    stamp_of,
    with_answer,
)
from capture.commissioning.positions import Positions
from capture.configuration import CaptureConfiguration, Text
from capture.triggers.trigger import Triggered
from sightline.commands import answer_to, arguments_of, refuse_late
from sightline.configuration import Configuration
from sightline.errors import CommandError
from sightline.messages import CommandAccepted, CommandCarriedOut, Part
from sightline.product_store import Products
from sightline.products import ConditionChanges, Label, Product, ProductName
from sightline.runtime import Context
from sightline.station_folder import StationFolder

log = logging.getLogger(__name__)
CHOSEN_FILE = "chosen.json"
NOT_READABLE = "choice-not-readable"
BAD_PRODUCT = "product-refused"
UNKNOWN_PRODUCT = "product-unknown"
UNFIT_PRODUCT = "product-limits"


class ChangeProduct(Configuration, frozen=True, kw_only=True):
    """Arguments of change_product; a lot begins with it where one is named."""

    product: ProductName
    lot: Text = ""


class LotStart(Configuration, frozen=True, kw_only=True):
    """Arguments of lot_start."""

    lot: Annotated[str, Meta(min_length=1, max_length=64)]


class LotEnd(Configuration, frozen=True, kw_only=True):
    """Arguments of lot_end: none."""


class ChallengePart(Configuration, frozen=True, kw_only=True):
    """Arguments of challenge_part: the label that is on the part; 0 is the next part."""

    label: Label
    part_number: int = 0


class Line:
    """Product, lot and challenge of the parts; used by the component's main thread."""

    def __init__(self, context: Context[CaptureConfiguration], last: Part | None) -> None:
        self._context = context
        self._health = context.health
        self._configuration = context.configuration
        self._file = ChosenFile(context.work_folder / CHOSEN_FILE)
        self._is_choice_lost = False
        self._chosen = self._begin(last)
        self._is_stored = True
        self._told_by_plc = Triggered(None, 0, 0)
        self.products = self._open_products()
        self._positions = Positions({})
        self._fitted: tuple[Stamp, CaptureConfiguration] = (Stamp(), context.configuration)
        self.look()

    def place(self, positions: Positions) -> None:
        """Let a product's camera settings follow its positions to other cameras."""
        if positions != self._positions:
            self._positions = positions
            self._fit(self.now())

    def configure(self, configuration: CaptureConfiguration) -> None:
        """Take a new configuration; a product or lot that it names anew holds from now on."""
        self._configuration = configuration
        self._chosen = begin(configuration, self._chosen)
        self.products = self._open_products()
        self.look()
        self._fit(self.now())

    def look(self) -> None:
        """Take products that were deployed; say what is wrong with others, and what holds now."""
        if not self._is_stored:
            self._store()
        if self.products.look():
            self._fit(self.now())
        problems = "; ".join(self.products.problems.values())
        if problems:
            self._health.raise_fault(BAD_PRODUCT, problems)
        else:
            self._health.clear_fault(BAD_PRODUCT)
        self._tell()

    def now(self) -> Stamp:
        """What a part would be that the PLC told as it told the last."""
        return stamp_of(self._chosen, self._told_by_plc, self.products.current)

    @property
    def is_product_in_doubt(self) -> bool:
        """Whether the line may make another product than its parts are stamped with."""
        is_chosen_here = not self._told_by_plc.product and bool(self.products.current)
        return self._chosen.is_lost and is_chosen_here

    def fitted(self, triggered: Triggered | None = None) -> CaptureConfiguration:
        """The configuration as the product of this part, or of the last, needs it."""
        if triggered is not None:
            self._told_by_plc = triggered
        stamp = self.now()
        if stamp != self._fitted[0]:
            self._fit(stamp)
            self._tell()
        return self._fitted[1]

    def configurations(self) -> dict[str, CaptureConfiguration]:
        """The configuration as each known product needs it, where it can be had."""
        found: dict[str, CaptureConfiguration] = {}
        for name, product in self.products.current.items():
            with contextlib.suppress(ValueError):
                found[name] = fitted(self._configuration, product, self._positions.device_of)
        return found

    def stamp(self, triggered: Triggered, part: Part) -> Stamp:
        """What this part is; a challenge is one once, whatever happens to the process."""
        stamp = stamp_of(self._chosen, triggered, self.products.current, part)
        planned = self._chosen.challenge
        if planned is not None and planned.is_over(part):
            if not stamp.challenge:
                self._health.count("challenges_not_seen")
                log.error("the challenge part was not seen", extra={"planned": planned.number})
            self._chosen = replace(self._chosen, challenge=None)
            if planned.number is None:
                self._store()  # no number would tell the next process that it is over
            else:
                self._is_stored = False
        return stamp

    def carry_out(self, command: CommandAccepted, last: Part | None) -> CommandCarriedOut:
        """The answer, the same one to a repeat; in force from the part after `last` on."""
        known = answer_of(self._chosen, command.command_id)
        if known is not None:
            return known
        now_utc_ns = self._context.clock.utc_ns()
        try:
            refuse_late(command, now_utc_ns)
            after, what = self._changed(command, last)
            next_part = None if last is None else Part(last.epoch, last.part_number + 1)
            answer = answer_to(command, now_utc_ns, what, from_part=next_part)
        except CommandError as error:
            after = self._chosen
            answer = answer_to(command, now_utc_ns, str(error), result="refused")
        return self._keep(after, answer)

    def _keep(self, after: Chosen, answer: CommandCarriedOut) -> CommandCarriedOut:
        try:
            self._file.store(with_answer(after, answer))
        except OSError as error:  # not in force, then: the next process would not know of it
            log.error("the choice is not stored", extra={"error": str(error)})
            return replace(answer, result="refused", reason=f"it cannot be stored: {error}")
        self._chosen = with_answer(after, answer)
        self._tell()
        log.info("command", extra={"result": answer.result, "what": answer.reason})
        return answer

    def _store(self) -> None:
        """Keep what the parts themselves changed: that a challenge is over. Again, if it fails."""
        try:
            self._file.store(self._chosen)
            self._is_stored = True
        except OSError as error:
            log.error("the choice is not stored", extra={"error": str(error)})

    def _changed(self, command: CommandAccepted, last: Part | None) -> tuple[Chosen, str]:
        if command.kind == "change_product":
            return self._change_product(arguments_of(command, ChangeProduct))
        if command.kind == "challenge_part":
            return self._plan_challenge(arguments_of(command, ChallengePart), last)
        lot = ""
        if command.kind == "lot_start":
            lot = arguments_of(command, LotStart).lot
        else:
            arguments_of(command, LotEnd)
        self._refuse_against_plc("lot")
        before, text = self._chosen.lot, f"lot {lot} begins" if lot else "no lot"
        ends = f"lot {before} ends" if before and before != lot else ""
        return replace(self._chosen, lot=lot), "; ".join(filter(None, (ends, text)))

    def _change_product(self, asked: ChangeProduct) -> tuple[Chosen, str]:
        self._refuse_against_plc("product")
        self.products.look()
        product = self.products.current.get(asked.product)
        if product is None:
            problem = self.products.problems.get(asked.product)
            known = ", ".join(sorted(self.products.current)) or "none"
            raise CommandError(
                problem or f"the station knows no product {asked.product}; it knows {known}"
            )
        if asked.lot:
            self._refuse_against_plc("lot")
        lot = asked.lot or self._chosen.lot
        what = f"product {product.name}, version {product.version}"
        what += f", lot {asked.lot}" if asked.lot else ""
        return replace(self._chosen, product=product.name, lot=lot, is_lost=False), what

    def _plan_challenge(self, asked: ChallengePart, last: Part | None) -> tuple[Chosen, str]:
        product = self.products.current.get(self.now().product)
        if product is not None and asked.label not in product.defects:
            known = ", ".join(sorted(product.defects))
            raise CommandError(f"{product.name} knows no defect {asked.label}; it knows {known}")
        if last is None:
            if asked.part_number:
                raise CommandError("no part was seen yet; only the next one can be named (0)")
            planned = Planned(label=asked.label)
        else:
            number = asked.part_number or last.part_number + 1
            if number <= last.part_number:
                raise CommandError(
                    f"part {number} is over; {last.part_number + 1} is the next that can be named"
                )
            planned = Planned(label=asked.label, epoch=last.epoch, number=number)
        which = "the first part" if planned.number is None else f"part {planned.number}"
        return replace(self._chosen, challenge=planned), f"{which} is to show {asked.label}"

    def _refuse_against_plc(self, what: str) -> None:
        if getattr(self._told_by_plc, what):
            raise CommandError(f"the PLC names the {what}, with each part")

    def _fit(self, stamp: Stamp) -> None:
        product = self.products.current.get(stamp.product)
        self._fitted = (stamp, self._fitted_to(product))
        if stamp.product and product is None:
            text = f"no product {stamp.product} is known to this station: no part of it is ok"
            self._health.raise_fault(UNKNOWN_PRODUCT, text)
        else:
            self._health.clear_fault(UNKNOWN_PRODUCT)

    def _fitted_to(self, product: Product | None) -> CaptureConfiguration:
        """As the product needs it, but with the station's limits where its own contradict them."""
        try:
            configuration = fitted(self._configuration, product, self._positions.device_of)
            self._health.clear_fault(UNFIT_PRODUCT)
        except ValueError as error:
            assert product is not None
            text = f"{product.name} {product.version}: {error}; the station's own limits hold"
            if self._health.raise_fault(UNFIT_PRODUCT, text):
                log.error("the product's limits do not fit", extra={"reason": text})
            without = replace(product, conditions=ConditionChanges())
            configuration = fitted(self._configuration, without, self._positions.device_of)
        return configuration

    def _tell(self) -> None:
        if self._chosen.is_lost:
            text = (
                f"What was chosen cannot be read ({CHOSEN_FILE} was damaged): product and lot are as "
                "configured, and no part is ok, until a product is chosen again or named by the PLC"
            )
            self._health.raise_fault(NOT_READABLE, text)
        else:
            self._health.clear_fault(NOT_READABLE)
        stamp, planned = self.now(), self._chosen.challenge
        self._health.fact("product", stamp.product)
        self._health.fact("product_version", stamp.version)
        self._health.fact("lot", stamp.lot)
        number = "" if planned is None else f"part {planned.number or 'next'}: {planned.label}"
        self._health.fact("challenge", number)
        known = [f"{p.name} {p.version}" for _, p in sorted(self.products.current.items())]
        self._health.fact("products", ", ".join(known))

    def _open_products(self) -> Products:
        folder = self._context.work_folder / self._configuration.station_folder
        return Products(StationFolder(folder).products)

    def _report_damage(self, text: str) -> None:
        log.error("the choice is not readable", extra={"reason": text})
        self._is_choice_lost = True

    def _begin(self, last: Part | None) -> Chosen:
        kept = self._file.load(self._report_damage)
        chosen = begin(self._configuration, kept)
        if self._is_choice_lost:
            chosen = replace(chosen, is_lost=True)
            with contextlib.suppress(OSError):  # of a full disk more is told elsewhere
                self._file.store(chosen)
        planned = chosen.challenge
        if planned is not None and last is not None and planned.is_over(last):
            return replace(chosen, challenge=None)
        return chosen
