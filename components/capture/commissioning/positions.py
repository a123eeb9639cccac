"""Which camera of the source stands at which position of the station: pure, and kept on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from capture.sources.source import CameraFault, Frame
from sightline.errors import SightlineError
from sightline.journal import DurableText


class PositionsError(SightlineError, ValueError):
    """An assignment that is none: says what was found and what is allowed."""


class PositionsUnreadableError(PositionsError):
    """An assignment was kept, and cannot be read any more."""


@dataclass(frozen=True)
class Positions:
    """The camera of the source for each position; a position that is not named has its own.

    `is_known`: whether this is how the cameras stand, and not only how they are configured.
    """

    device_at: Mapping[str, str]
    is_known: bool = True

    def device_of(self, position: str) -> str:
        """The source's camera that stands at a position."""
        return self.device_at.get(position, position)

    def placed(self, seen: Sequence[Frame | CameraFault]) -> tuple[Frame | CameraFault, ...]:
        """What the source's cameras gave, by the names and in the order of the positions."""
        if not self.device_at:
            return tuple(seen)
        by_device = {found.camera: found for found in seen}
        return tuple(self._at(found.camera, by_device) for found in seen)

    def _at(
        self, position: str, by_device: Mapping[str, Frame | CameraFault]
    ) -> Frame | CameraFault:
        device = self.device_of(position)
        if device not in by_device:
            return CameraFault(position, f"the camera {device} that is to stand here is not there")
        return replace(by_device[device], camera=position)


def checked(assignment: Mapping[str, object], cameras: Sequence[str]) -> Positions:
    """Positions in which each camera stands once; PositionsError if they are others."""
    full = {camera: assignment.get(camera, camera) for camera in cameras}
    strangers = [name for name in assignment if name not in cameras]
    if strangers:
        raise PositionsError(f"no position is called {strangers[0]!r}; there are {_words(cameras)}")
    if sorted(map(str, full.values())) != sorted(cameras):
        raise PositionsError(
            f"each of {_words(cameras)} must stand at one position; "
            f"found {_words([str(value) for value in full.values()])}"
        )
    return Positions({at: str(device) for at, device in full.items() if device != at})


def load(kept: DurableText, cameras: Sequence[str]) -> Positions:
    """The positions as kept; PositionsError if they are not for these cameras, or cannot be read."""
    try:
        text = kept.load()
        if text is None:
            return Positions({})
        return checked(msgspec.json.decode(text, type=dict[str, str]), cameras)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
        text = f"the kept positions are not readable: {error}"
        raise PositionsUnreadableError(text) from error


def store(kept: DurableText, positions: Positions) -> None:
    """Keep the positions in place of what was kept; on disk when this returns. OSError."""
    kept.store(msgspec.json.encode(dict(positions.device_at)).decode())


def _words(names: Sequence[str]) -> str:
    return ", ".join(names)
