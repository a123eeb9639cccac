"""Which camera of the source stands at which position of the station: pure, and kept on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from capture.sources.source import CameraFault, CameraFrame
from sightline.errors import SightlineError
from sightline.storage.journal import DurableText


class PositionsError(SightlineError, ValueError):
    """An assignment that is none: says what was found and what is allowed."""


class PositionsUnreadableError(PositionsError):
    """An assignment was stored, and cannot be read any more."""


@dataclass(frozen=True)
class CameraPositions:
    """The camera of the source for each position; a position that is not named has its own.

    `is_known`: whether this is how the cameras stand, and not only how they are configured.
    """

    device_at: Mapping[str, str]
    is_known: bool = True

    def device_for(self, position: str) -> str:
        """The source's camera that stands at a position."""
        return self.device_at.get(position, position)

    def arrange(
        self, seen: Sequence[CameraFrame | CameraFault]
    ) -> tuple[CameraFrame | CameraFault, ...]:
        """What the source's cameras gave, by the names and in the order of the positions."""
        if not self.device_at:
            return tuple(seen)
        by_device = {found.camera: found for found in seen}
        return tuple(self._frame_at(found.camera, by_device) for found in seen)

    def _frame_at(
        self, position: str, by_device: Mapping[str, CameraFrame | CameraFault]
    ) -> CameraFrame | CameraFault:
        device = self.device_for(position)
        if device not in by_device:
            return CameraFault(
                position, f"the camera {device}, assigned to this position, is not connected"
            )
        return replace(by_device[device], camera=position)


def check_positions(assignment: Mapping[str, object], cameras: Sequence[str]) -> CameraPositions:
    """Positions in which each camera stands once; PositionsError if they are others."""
    full = {camera: assignment.get(camera, camera) for camera in cameras}
    strangers = [name for name in assignment if name not in cameras]
    if strangers:
        raise PositionsError(f"No position is called {strangers[0]!r}; there are {_words(cameras)}")
    if sorted(map(str, full.values())) != sorted(cameras):
        raise PositionsError(
            f"Each of {_words(cameras)} must be at exactly one position; "
            f"found {_words([str(value) for value in full.values()])}"
        )
    return CameraPositions({at: str(device) for at, device in full.items() if device != at})


def load_positions(kept: DurableText, cameras: Sequence[str]) -> CameraPositions:
    """The positions as stored; PositionsError if they are not for these cameras, or cannot be read."""
    try:
        text = kept.load()
        if text is None:
            return CameraPositions({})
        return check_positions(msgspec.json.decode(text, type=dict[str, str]), cameras)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
        text = f"The stored positions are not readable: {error}"
        raise PositionsUnreadableError(text) from error


def store_positions(kept: DurableText, positions: CameraPositions) -> None:
    """Store the positions in place of those stored before; on disk when this returns. OSError."""
    kept.store(msgspec.json.encode(dict(positions.device_at)).decode())


def _words(names: Sequence[str]) -> str:
    return ", ".join(names)
