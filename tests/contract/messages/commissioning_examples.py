"""Full examples of the messages of the commissioning."""

from sightline.messaging import messages as m

SEEN_UTC_NS = 1_790_000_000_000_000_000
COMMISSIONING = (
    m.CameraView(
        station_id="station-1",
        camera="cam1",
        device="/dev/video3",
        sequence=57,
        seen_utc_ns=SEEN_UTC_NS,
        width=1280,
        height=720,
        focus=412.5,
        brightness=118.0,
        picture_key="live/station-1/cam1.jpg",
        out_of_range=("sharpness",),
        shift_px=2.5,
        mm_per_pixel=0.125,
        reprojection_px=0.25,
        calibration_version="cal-0003",
        reference_version="ref-0002",
    ),
    m.CommissioningStep(
        station_id="station-1",
        command_id="c-0004",
        kind="calibrate",
        component="com.sightline.Capture",
        result="done",
        at_utc_ns=SEEN_UTC_NS,
        text="cam1: 0.125 mm a pixel",
        version="cal-0003",
        calibrations=(
            m.CameraCalibration(
                camera="cam1",
                mm_per_pixel=0.125,
                reprojection_px=0.25,
                tilt_deg=3.5,
                points=54,
                calibrated_utc_ns=SEEN_UTC_NS,
                width=1280,
                height=720,
            ),
        ),
        trials=(
            m.GateTrial(
                number=1,
                ordered="ok",
                echoed=1,
                acted="passed",
                order_to_echo_ms=21.5,
                order_to_act_ms=402.25,
                cause="ok",
            ),
        ),
        positions={"cam1": "cam3", "cam3": "cam1"},
    ),
)
