"""The step `take_reference`: a part that went by becomes what all parts of its product are held against."""

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from capture.commissioning.past_parts import PastFrames, PastParts
from capture.commissioning.reference_store import NO_PRODUCT_SET, ReferenceStore
from capture.commissioning.step import StepContext
from capture.conditions import measure_conditions
from sightline.configuration import ConfigurationStruct
from sightline.errors import CameraError, FrameOverwrittenError
from sightline.kernel.command_execution import Reply
from sightline.kernel.commissioning_replies import StepDetails
from sightline.messaging.messages import Part

HALF_SIZE = "its stored pictures, at half size: sharpness is compared with a softer picture"


class TakeReferenceArguments(ConfigurationStruct, frozen=True, kw_only=True):
    """The part (0: the last one); or `forget`: no taken reference from now on.

    `product` is needed where the component has started since the part; to forget, the product of now
    is meant where none is said.
    """

    epoch: Annotated[int, Meta(ge=0)] = 0
    part_number: Annotated[int, Meta(ge=0)] = 0
    product: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,32}$")] = ""
    forget: bool = False


class TakeReferenceStep:
    """Nothing changes unless all cameras' pictures are there and good."""

    def __init__(
        self,
        context: StepContext,
        past: PastParts,
        references: ReferenceStore,
        product_now: Callable[[], str],
    ) -> None:
        self._context = context
        self._past_parts = past
        self._references = references
        self._product_now = product_now

    def __call__(self, arguments: TakeReferenceArguments) -> Reply:
        """In force from the next part on, or from the next second."""
        if arguments.forget:
            product = arguments.product or self._product_now()
            self._references.forget(product)
            return Reply(f"Removed the reference for {_format_product(product)}")
        part = (
            Part(arguments.epoch, arguments.part_number)
            if arguments.part_number
            else self._past_parts.last().part
        )
        found = self._find_frames(part, arguments.product)
        self._refuse_bad(found)
        version = self._context.new_version("ref")
        self._references.store(found.product, version, found.frames)
        return Reply(
            f"Part {part.part_number} is the reference for {_format_product(found.product)}: {found.where}",
            StepDetails(version=version),
        )

    def _find_frames(self, part: Part, product: str) -> PastFrames:
        configuration = self._context.cameras.configuration
        remembered = self._past_parts.find_product(part)
        product = product if remembered is None else remembered
        try:
            frames = self._past_parts.read_from_ring(part, configuration.cameras)
            where = "as the cameras captured it"
        except FrameOverwrittenError as gone:
            frame = configuration.frame_size
            folders = [self._context.station_folder.evidence_spool]
            if configuration.evidence_folder:
                folders.append(self._context.work_folder / configuration.evidence_folder)
            frames, smaller = self._past_parts.read_stored_pictures(
                part, configuration.cameras, (frame.width, frame.height), folders
            )
            if not frames:
                raise CameraError(
                    f"{gone}, and no picture of it is stored on this machine; use one of the last "
                    f"{configuration.ring_slots} parts"
                ) from gone
            where = HALF_SIZE if smaller else "its stored pictures"
        lacking = [camera for camera in configuration.cameras if camera not in frames]
        if lacking:
            raise CameraError(f"Part {part.part_number} has no picture of {', '.join(lacking)}")
        return PastFrames(frames, product, where)

    def _refuse_bad(self, found: PastFrames) -> None:
        limits = self._context.cameras.configuration.conditions
        bad = [
            f"{camera} {name}"
            for camera, frame in found.frames.items()
            for name in measure_conditions(frame, limits).out_of_range
        ]
        if bad:
            raise CameraError(
                f"A reference must be within the limits itself; out of range: {', '.join(bad)}"
            )


def _format_product(product: str) -> str:
    return "parts of no product" if product in ("", NO_PRODUCT_SET) else product
