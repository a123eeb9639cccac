"""Which frame is the part's: the one whose driver's time stands in the window around its trigger."""

from collections.abc import Sequence
from dataclasses import dataclass

from capture.sources.camera_device import RawFrame
from capture.sources.v4l2_configuration import MatchingConfiguration

SEQUENCE_COUNT = 1 << 32


@dataclass(frozen=True)
class MatchWindow:
    """CLOCK_MONOTONIC: where the part's frame is looked for, and when it must have come."""

    target_ns: int
    begins_ns: int
    ends_ns: int
    arrives_by_ns: int
    free_running: bool

    def __contains__(self, frame: RawFrame) -> bool:
        return self.begins_ns <= frame.timestamp_ns <= self.ends_ns


def build_match_window(triggered_monotonic_ns: int, matching: MatchingConfiguration) -> MatchWindow:
    """The window of a part that triggered then."""
    target_ns = triggered_monotonic_ns + round(matching.offset_ms * 1e6)
    ends_ns = target_ns + round(matching.after_ms * 1e6)
    return MatchWindow(
        target_ns=target_ns,
        begins_ns=target_ns - round(matching.before_ms * 1e6),
        ends_ns=ends_ns,
        arrives_by_ns=ends_ns + round(matching.arrival_ms * 1e6),
        free_running=matching.free_running,
    )


def is_match_decided(frames: Sequence[RawFrame], window: MatchWindow) -> bool:
    """Whether no frame that is still to come can be a better one; frames in order of time."""
    if frames and frames[-1].timestamp_ns > window.ends_ns:
        return True
    if not window.free_running:
        return any(frame in window for frame in frames)
    return any(
        frame in window and frame.timestamp_ns >= window.target_ns and not frame.is_damaged
        for frame in frames
    )


def choose_frame(frames: Sequence[RawFrame], window: MatchWindow) -> RawFrame | None:
    """The part's frame of those that came, in order of time; None if none is in the window.

    Of a camera that runs free the nearest that is whole, else the first: there is one a trigger.
    """
    within = [frame for frame in frames if frame in window]
    if not within:
        return None
    if not window.free_running:
        return within[0]
    return min(
        within, key=lambda frame: (frame.is_damaged, abs(frame.timestamp_ns - window.target_ns))
    )


def explain_no_match(frames: Sequence[RawFrame], window: MatchWindow) -> str:
    """In words for whoever sets up the window: how far the nearest frame was from it."""
    if not frames:
        return "no frame came"
    off_ms = min(((frame.timestamp_ns - window.target_ns) / 1e6 for frame in frames), key=abs)
    side = "after" if off_ms > 0 else "before"
    before_ms = (window.target_ns - window.begins_ns) / 1e6
    after_ms = (window.ends_ns - window.target_ns) / 1e6
    return (
        f"no frame of the time of the trigger: the nearest is {abs(off_ms):.1f} ms {side} it; "
        f"taken are {before_ms:g} ms before to {after_ms:g} ms after"
    )


def count_lost_frames(last_sequence: int | None, sequence: int) -> int:
    """How many frames the driver dropped between two that came; a new beginning counts as none."""
    if last_sequence is None:
        return 0
    gap = (sequence - last_sequence - 1) % SEQUENCE_COUNT
    return gap if gap < SEQUENCE_COUNT // 2 else 0
