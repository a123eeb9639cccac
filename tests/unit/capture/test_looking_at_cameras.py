"""Who looks through streaming cameras sees the newest frame of each, and takes none from a part."""

from capture.camera_positions import CameraPositions
from capture.sources.source import CameraFault
from tests.unit.capture.capture_kit import wait_until
from tests.unit.capture.scripted_camera import MILLISECOND_NS, ScriptedRig, open_rig, read_shade


def shade_seen(rig: ScriptedRig) -> int | None:
    """The shade of the first camera's newest frame, if there is one."""
    seen = rig.source.latest()[0]
    return None if isinstance(seen, CameraFault) else read_shade(seen)


def test_the_newest_frame_is_shown_and_stays_for_its_part() -> None:
    with open_rig("cam1", "cam2") as rig:
        rig.start()
        rig.wait_until_streaming()
        assert rig.source.latest()[0] == CameraFault("cam1", "no frame has arrived yet")
        triggered_ns = rig.now_ns()
        for name in ("cam1", "cam2"):
            rig.cameras[name].push(triggered_ns - 90 * MILLISECOND_NS, shade=4)
            rig.cameras[name].push(triggered_ns, shade=5)
        wait_until("the newest frame", lambda: shade_seen(rig) == 5)
        assert [read_shade(frame) for frame in rig.source.collect_frames(1, triggered_ns)] == [5, 5]
        assert shade_seen(rig) == 5


def test_a_camera_that_goes_away_shows_no_old_frame() -> None:
    with open_rig("cam1") as rig:
        rig.start()
        rig.wait_until_streaming()
        rig.cameras["cam1"].push(rig.now_ns(), shade=5)
        wait_until("the frame", lambda: shade_seen(rig) == 5)
        rig.cameras["cam1"].fail("unplugged")
        wait_until("that it is away", lambda: rig.counter("camera_lost_cam1") == 1)
        rig.wait_until_streaming()
        assert shade_seen(rig) is None


def test_a_position_whose_camera_is_gone_has_no_picture_and_the_others_have_theirs() -> None:
    positions = CameraPositions({"cam1": "cam2", "cam2": "cam1"})
    dark = [CameraFault("cam1", "dark"), CameraFault("cam3", "dark")]
    without, third = positions.arrange(dark)
    assert without == CameraFault(
        "cam1", "the camera cam2, assigned to this position, is not connected"
    )
    assert third == dark[1]
