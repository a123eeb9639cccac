"""What the line makes: product, lot and planned challenge, changed between two parts and stored on disk.

Who sets it: the PLC, where its trigger names a product or a lot; else the last command; else the
configuration, which also holds again when a deployment changes it.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from capture.configuration import CaptureConfiguration
from capture.sources.v4l2_configuration import V4l2Configuration
from capture.triggers.trigger import TriggerEvent
from sightline.errors import MessageError
from sightline.kernel.commands import MAX_STORED_REPLIES
from sightline.messaging.codec import decode_of_any_size, encode_of_any_size
from sightline.messaging.messages import CommandCarriedOut, Part
from sightline.storage.journal import DamageReport, DurableText
from sightline.storage.products import Product

replace = msgspec.structs.replace


class PlannedChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """A challenge to come: the part of this number in this epoch; with neither, the first part at all."""

    label: str
    epoch: int | None = None
    number: int | None = None

    def is_part(self, part: Part) -> bool:
        """Whether this part is the challenge."""
        return self.number is None or (part.epoch, part.part_number) == (self.epoch, self.number)

    def is_over(self, last: Part) -> bool:
        """Whether no part after this one can be the challenge."""
        return self.number is None or last >= Part(self.epoch or 0, self.number)


class ChangeoverState(msgspec.Struct, frozen=True, kw_only=True):
    """What commands set, and the replies they got; `configured` is what they set it in place of.

    `is_lost`: commands set something, and it cannot be read any more what.
    """

    product: str
    lot: str
    configured: tuple[str, str]
    challenge: PlannedChallenge | None = None
    replies: tuple[CommandCarriedOut, ...] = msgspec.field(default=(), name="answers")
    is_lost: bool = False


class PartAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """What a part is: `version` is empty for a product that the station does not know."""

    product: str = ""
    version: str = ""
    lot: str = ""
    challenge: str = ""


def resolve_state(
    configuration: CaptureConfiguration, stored: ChangeoverState | None
) -> ChangeoverState:
    """What holds at a start: what was stored, unless the configuration says otherwise since."""
    configured = (configuration.product, configuration.lot)
    if stored is not None and stored.configured == configured:
        return stored
    replies = stored.replies if stored is not None else ()
    product, lot = configured
    return ChangeoverState(product=product, lot=lot, configured=configured, replies=replies)


def build_part_attributes(
    state: ChangeoverState,
    triggered: TriggerEvent,
    products: dict[str, Product],
    part: Part | None = None,
) -> PartAttributes:
    """What the part is by PLC, command and configuration; a challenge only if its number is known."""
    name = triggered.product or state.product
    planned = state.challenge
    is_challenge = planned is not None and part is not None and planned.is_part(part)
    return PartAttributes(
        product=name,
        version=products[name].version if name in products else "",
        lot=triggered.lot or state.lot,
        challenge=planned.label if planned is not None and is_challenge else "",
    )


def with_reply(state: ChangeoverState, reply: CommandCarriedOut) -> ChangeoverState:
    """The same, and the reply to the command that brought it about."""
    return replace(state, replies=(*state.replies, reply)[-MAX_STORED_REPLIES:])


def find_reply(state: ChangeoverState, command_id: str) -> CommandCarriedOut | None:
    """The reply that a command got, or None if it is new."""
    return next((reply for reply in state.replies if reply.command_id == command_id), None)


def configuration_for_product(
    configuration: CaptureConfiguration,
    product: Product | None,
    device_of: Callable[[str], str] = str,
) -> CaptureConfiguration:
    """The station's configuration as this product needs it; ValueError if the limits contradict.

    A product's controls are for positions; they go to the camera that stands there.
    """
    if product is None:
        return configuration
    limits, source = configuration.conditions, configuration.source
    changes = {
        name: value
        for name in product.conditions.__struct_fields__
        if (value := getattr(product.conditions, name)) is not None
    }
    if limits.reference is not None and product.reference:
        folder = str(Path(limits.reference.folder) / product.reference)
        changes["reference"] = replace(limits.reference, folder=folder)
    if product.cameras and isinstance(source, V4l2Configuration):
        source = source.with_controls(
            {device_of(position): camera.controls for position, camera in product.cameras.items()}
        )
    deadline_ms = min(configuration.deadline_ms, product.deadline_ms or configuration.deadline_ms)
    return replace(
        configuration,
        conditions=replace(limits, **changes),
        source=source,
        deadline_ms=deadline_ms,
    )


class ChangeoverStateFile:
    """Keeps the state; on disk before any part is of it."""

    def __init__(self, path: Path) -> None:
        self._text = DurableText(path)

    def load(self, report: DamageReport) -> ChangeoverState | None:
        """What was stored; None if there is nothing, or nothing that can be read: that is set aside."""
        text = self._text.load_or_set_aside(report)
        if text is None:
            return None
        try:
            return decode_of_any_size(ChangeoverState, text.encode())
        except MessageError as error:
            self._text.set_aside(str(error), report)
            return None

    def store(self, state: ChangeoverState) -> None:
        """On disk when this returns; OSError."""
        self._text.store(encode_of_any_size(state).decode())
