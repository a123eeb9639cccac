"""The step `map_cameras`: which camera stands at which position, kept on disk."""

import logging

from capture.camera_positions import (
    CameraPositions,
    PositionsError,
    PositionsUnreadableError,
    check_positions,
    load_positions,
    store_positions,
)
from capture.commissioning.calibrate import CalibrationStore
from capture.commissioning.step import StepContext
from sightline.kernel.command_execution import Reply
from sightline.kernel.commissioning_replies import StepDetails
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import CommandArgument
from sightline.storage.journal import DurableText, set_aside

log = logging.getLogger(__name__)
WRONG_POSITIONS = "camera-positions"


class MapCamerasStep:
    """The arguments name a camera for each position: by its node, or by the source's name of it."""

    def __init__(
        self, context: StepContext, calibrations: CalibrationStore, health: ComponentHealth
    ) -> None:
        self._context = context
        self._calibrations = calibrations
        self._health = health

    def __call__(self, arguments: dict[str, CommandArgument]) -> Reply:
        """From the next part on."""
        cameras = self._context.cameras
        positions = cameras.configuration.cameras
        names = {cameras.device_name(camera): camera for camera in positions}
        wanted = {at: names.get(str(name), name) for at, name in arguments.items()}
        assignment = check_positions(wanted, positions)
        before = {at: cameras.device_at(at) for at in positions}
        if self._context.station_folder.positions.is_dir():
            set_aside(self._context.station_folder.positions)
        store_positions(self._positions_file(), assignment)
        cameras.assign_positions(assignment)
        self._health.clear_fault(WRONG_POSITIONS)
        moved = [at for at in positions if cameras.device_at(at) != before[at]]
        lost = [at for at in moved if self._calibrations.calibration_for(at) is not None]
        self._calibrations.remove(moved)
        text = ", ".join(f"{at}: {cameras.device_at(at)}" for at in positions)
        text += f"; calibrate again: {', '.join(lost)}" if lost else ""
        return Reply(
            f"From the next part on {text}",
            StepDetails(positions={at: assignment.device_for(at) for at in positions}),
        )

    def restore_positions(self) -> None:
        """Let the cameras stand as stored; a fault, and as configured, if that cannot be."""
        cameras = self._context.cameras
        try:
            stored = load_positions(self._positions_file(), cameras.configuration.cameras)
            self._health.clear_fault(WRONG_POSITIONS)
        except PositionsError as error:
            stored = CameraPositions({}, is_known=not isinstance(error, PositionsUnreadableError))
            text = f"The cameras are assigned as configured until they are mapped again: {error}"
            text += "" if stored.is_known else ". Which camera is where is unknown: no part is ok"
            self._health.raise_fault(WRONG_POSITIONS, text)
            log.error("cameras are assigned as configured", extra={"error": str(error)})
        cameras.assign_positions(stored)

    def _positions_file(self) -> DurableText:
        return DurableText(self._context.station_folder.positions)
