"""The live view: pictures and scores of the cameras for whoever looks, between the parts."""

import itertools
from dataclasses import dataclass

from capture.commissioning.frame_view import extract_luma, measure_focus
from capture.sources.source import CameraFrame
from sightline.clock import Clock
from sightline.messaging.messages import CameraCalibration, CameraView, CaptureConditions
from sightline.storage.station_folder import live_key

VIEW_INTERVAL_S = 0.5


@dataclass(frozen=True)
class ViewAnnotations:
    """What stands beside a picture: the camera's device, its scale, and what it is held against."""

    device: str
    reference_version: str
    calibration: CameraCalibration | None
    calibration_version: str


class LiveView:
    """Who looks, until when; and the views' count, so that a page sees a new one."""

    def __init__(self, station_id: str, clock: Clock) -> None:
        self._station_id = station_id
        self._clock = clock
        self._until_utc_ns = 0
        self._sequence = itertools.count(1)

    def keep_open_until(self, until_utc_ns: int) -> None:
        """Somebody looks, until then at least."""
        self._until_utc_ns = max(self._until_utc_ns, until_utc_ns)

    @property
    def is_active(self) -> bool:
        """Whether somebody looks now."""
        return self._clock.utc_ns() < self._until_utc_ns

    def build_view(
        self, frame: CameraFrame, conditions: CaptureConditions, marks: ViewAnnotations
    ) -> CameraView:
        """What is said of a frame."""
        luma, scale = extract_luma(frame), marks.calibration
        return CameraView(
            station_id=self._station_id,
            camera=frame.camera,
            device=marks.device,
            sequence=next(self._sequence),
            seen_utc_ns=self._clock.utc_ns(),
            width=frame.width,
            height=frame.height,
            focus=round(measure_focus(luma), 2),
            brightness=round(float(luma.mean()), 1),
            picture_key=live_key(self._station_id, frame.camera),
            out_of_range=conditions.out_of_range,
            shift_px=conditions.shift_px,
            mm_per_pixel=None if scale is None else scale.mm_per_pixel,
            reprojection_px=None if scale is None else scale.reprojection_px,
            calibration_version="" if scale is None else marks.calibration_version,
            reference_version=marks.reference_version,
        )


def next_round_s(began_s: float, now_s: float) -> float:
    """How long to wait until the next round of pictures."""
    return max(0.0, began_s + VIEW_INTERVAL_S - now_s)
