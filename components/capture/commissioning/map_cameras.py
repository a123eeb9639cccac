"""The step `map_cameras`: which camera stands at which position, kept on disk."""

import logging

from capture.commissioning.calibrate import Calibrations
from capture.commissioning.positions import (
    Positions,
    PositionsError,
    PositionsUnreadableError,
    checked,
    load,
    store,
)
from capture.commissioning.step import StepDone, Workbench
from sightline.health import Health
from sightline.journal import DurableText, set_aside
from sightline.messages import Argument

log = logging.getLogger(__name__)
WRONG_POSITIONS = "camera-positions"


class MapCameras:
    """The arguments name a camera for each position: by its node, or by the source's name of it."""

    def __init__(self, bench: Workbench, calibrations: Calibrations, health: Health) -> None:
        self._bench = bench
        self._calibrations = calibrations
        self._health = health

    def __call__(self, arguments: dict[str, Argument]) -> StepDone:
        """From the next part on."""
        cameras = self._bench.cameras
        positions = cameras.configuration.cameras
        names = {cameras.name_of(camera): camera for camera in positions}
        wanted = {at: names.get(str(name), name) for at, name in arguments.items()}
        assignment = checked(wanted, positions)
        before = {at: cameras.device_at(at) for at in positions}
        if self._bench.folder.positions.is_dir():
            set_aside(self._bench.folder.positions)
        store(self._kept(), assignment)
        cameras.place(assignment)
        self._health.clear_fault(WRONG_POSITIONS)
        moved = [at for at in positions if cameras.device_at(at) != before[at]]
        lost = [at for at in moved if self._calibrations.of(at) is not None]
        self._calibrations.drop(moved)
        told = ", ".join(f"{at}: {cameras.device_at(at)}" for at in positions)
        told += f"; calibrate anew: {', '.join(lost)}" if lost else ""
        return StepDone(
            f"From the next part on {told}",
            positions={at: assignment.device_of(at) for at in positions},
        )

    def take_kept(self) -> None:
        """Let the cameras stand as kept; a fault, and as configured, if that cannot be."""
        cameras = self._bench.cameras
        try:
            kept = load(self._kept(), cameras.configuration.cameras)
            self._health.clear_fault(WRONG_POSITIONS)
        except PositionsError as error:
            kept = Positions({}, is_known=not isinstance(error, PositionsUnreadableError))
            text = f"the cameras stand as configured until they are assigned again: {error}"
            text += "" if kept.is_known else ". It is not known which stands where: no part is ok"
            self._health.raise_fault(WRONG_POSITIONS, text)
            log.error("the cameras stand as configured", extra={"error": str(error)})
        cameras.place(kept)

    def _kept(self) -> DurableText:
        return DurableText(self._bench.folder.positions)
