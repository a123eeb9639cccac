"""The frame ring: one mmapped file under /dev/shm per station; messages carry references into it.

The writer never waits. It marks a slot invalid, writes the pixels, then sets the slot's generation.
A reader looks at the generation before and after it used the pixels, so it never takes a torn frame
for a whole one, and a reader that comes too late learns it (FrameOverwrittenError).

Layout: a page with the header (magic, incarnation, bytes of the names, slots, slot bytes) and the names
of the cameras, in the order in which their slots lie; then per camera and slot a page with the
generation, then the pixels.
"""

import contextlib
import math
import mmap
import os
import secrets
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sightline.errors import CameraError, FrameOverwrittenError
from sightline.messaging.messages import FrameRef, PixelFormat

_HEADER = struct.Struct("<8sQIIQ")
_GENERATION = struct.Struct("<Q")
_MAGIC = b"SLRING02"
_PAGE_BYTES = 4096
_BYTES_PER_PIXEL: dict[PixelFormat, int] = {"UYVY": 2, "YUYV": 2, "GREY": 1, "RGB24": 3}
INVALID_GENERATION = 0

Result = TypeVar("Result")


def ring_path(station_id: str) -> Path:
    """Where the ring of a station lies."""
    return Path("/dev/shm") / f"sightline-{station_id}.ring"


def frame_shape(width: int, height: int, pixel_format: PixelFormat) -> tuple[int, ...]:
    """The shape of a frame's uint8 array as its format lays the bytes."""
    if pixel_format == "NV12":
        return (height * 3 // 2, width)
    channels = _BYTES_PER_PIXEL[pixel_format]
    return (height, width) if channels == 1 else (height, width, channels)


def frame_bytes(width: int, height: int, pixel_format: PixelFormat) -> int:
    """The bytes of one frame, without padding."""
    return math.prod(frame_shape(width, height, pixel_format))


class RingWriter:
    """The one writer of a station's ring; makes the file anew, under a new incarnation."""

    def __init__(self, path: Path, cameras: Sequence[str], slots: int, slot_bytes: int) -> None:
        self.path = path
        self.incarnation = secrets.randbits(52) | 1  # JSON integers stay under 2**53
        self._cameras = {camera: index for index, camera in enumerate(cameras)}
        self._slots = slots
        self._slot_bytes = slot_bytes
        self._generations = dict.fromkeys(cameras, INVALID_GENERATION)
        self._memory = self._create_ring_file("\n".join(cameras).encode())

    def _create_ring_file(self, names: bytes) -> mmap.mmap:
        size = _PAGE_BYTES + len(self._cameras) * self._slots * _compute_slot_stride(
            self._slot_bytes
        )
        _remove_stale_drafts(self.path)
        draft = self.path.with_suffix(f".{os.getpid()}.new")
        descriptor = os.open(draft, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o640)
        try:
            os.posix_fallocate(descriptor, 0, size)  # fails here, not as SIGBUS later, if full
            memory = mmap.mmap(descriptor, size)
        except OSError:
            draft.unlink()
            raise
        finally:
            os.close(descriptor)
        _HEADER.pack_into(
            memory, 0, _MAGIC, self.incarnation, len(names), self._slots, self._slot_bytes
        )
        memory[_HEADER.size : _HEADER.size + len(names)] = names
        draft.rename(self.path)
        return memory

    def write(
        self,
        camera: str,
        pixels: NDArray[np.uint8],
        pixel_format: PixelFormat,
        *,
        width: int,
        height: int,
        sequence: int,
        captured_monotonic_ns: int,
    ) -> FrameRef:
        """Copy one frame into the camera's next slot; CameraError if it is larger than a slot."""
        if pixels.nbytes > self._slot_bytes:
            raise CameraError(
                f"{camera}: a frame of {pixels.nbytes} bytes; a slot holds {self._slot_bytes}"
            )
        generation = self._generations[camera] + 1
        slot = generation % self._slots
        start = _slot_start(self._cameras[camera], slot, self._slots, self._slot_bytes)
        _GENERATION.pack_into(self._memory, start, INVALID_GENERATION)
        target = np.frombuffer(self._memory, np.uint8, pixels.nbytes, start + _PAGE_BYTES)
        target[:] = pixels.reshape(-1)
        _GENERATION.pack_into(self._memory, start, generation)
        self._generations[camera] = generation
        return FrameRef(
            incarnation=self.incarnation,
            camera=camera,
            slot=slot,
            generation=generation,
            width=width,
            height=height,
            pixel_format=pixel_format,
            sequence=sequence,
            captured_monotonic_ns=captured_monotonic_ns,
        )

    def close(self) -> None:
        """Remove the file, if it is still this writer's; readers keep what they have mapped."""
        with contextlib.suppress(FileNotFoundError):
            if _read_incarnation(self.path) == self.incarnation:
                self.path.unlink()


@dataclass(frozen=True)
class _MappedRing:
    """A ring as it was when it was opened."""

    memory: mmap.mmap
    incarnation: int
    cameras: tuple[str, ...]
    slots: int
    slot_bytes: int


class RingReader:
    """Reads frames by reference, on any threads; opens the ring again when the writer made a new one.

    The cameras must be the writer's; their order in the ring is the writer's, too.
    """

    def __init__(self, path: Path, cameras: Sequence[str]) -> None:
        self._path = path
        self._cameras = tuple(cameras)
        self._ring: _MappedRing | None = None

    def read(self, ref: FrameRef, use: Callable[[NDArray[np.uint8]], Result]) -> Result:
        """What `use` makes of the pixels, (height, width, channels) uint8; it must not keep them.

        Raises FrameOverwrittenError if the slot was written again before `use` was done.
        """
        with self._open_slot(ref) as (memory, start):
            self._check(memory, start, ref)
            result = use(_build_frame_view(memory, start + _PAGE_BYTES, ref))
            self._check(memory, start, ref)
        return result

    def copy(self, ref: FrameRef) -> NDArray[np.uint8]:
        """The pixels as an array of the caller's own."""
        return self.read(ref, np.array)

    @contextlib.contextmanager
    def _open_slot(self, ref: FrameRef) -> Iterator[tuple[mmap.mmap, int]]:
        mapped = self._ring
        if mapped is None or mapped.incarnation != ref.incarnation:
            mapped = self._ring = self._map_ring()
        if mapped.incarnation != ref.incarnation:
            raise FrameOverwrittenError(f"{ref.camera}: the ring of this frame is gone")
        is_there = ref.camera in mapped.cameras and 0 <= ref.slot < mapped.slots
        if not is_there or _ref_bytes(ref) > mapped.slot_bytes:
            raise FrameOverwrittenError(f"{ref.camera}: no such slot in the ring: {ref}")
        camera = mapped.cameras.index(ref.camera)
        yield mapped.memory, _slot_start(camera, ref.slot, mapped.slots, mapped.slot_bytes)

    def _map_ring(self) -> _MappedRing:
        try:
            with self._path.open("rb") as file:
                memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise FrameOverwrittenError(f"no frame ring at {self._path}: {error}") from error
        magic, incarnation, length, slots, slot_bytes = _HEADER.unpack_from(memory, 0)
        if magic != _MAGIC:
            raise FrameOverwrittenError(f"{self._path}: found {magic!r}; expected {_MAGIC!r}")
        names = memory[_HEADER.size : _HEADER.size + length].decode().split("\n")
        if sorted(names) != sorted(self._cameras):
            raise FrameOverwrittenError(
                f"{self._path} is a ring of {', '.join(names)}; "
                f"this reader is configured for {', '.join(self._cameras)}"
            )
        return _MappedRing(memory, incarnation, tuple(names), slots, slot_bytes)

    def _check(self, memory: mmap.mmap, start: int, ref: FrameRef) -> None:
        (generation,) = _GENERATION.unpack_from(memory, start)
        if generation != ref.generation:
            raise FrameOverwrittenError(
                f"{ref.camera}: slot {ref.slot} holds generation {generation}, not {ref.generation}"
            )


def _compute_slot_stride(slot_bytes: int) -> int:
    pages = -(-slot_bytes // _PAGE_BYTES)
    return _PAGE_BYTES * (1 + pages)


def _slot_start(camera: int, slot: int, slots: int, slot_bytes: int) -> int:
    return _PAGE_BYTES + (camera * slots + slot) * _compute_slot_stride(slot_bytes)


def _ref_bytes(ref: FrameRef) -> int:
    return frame_bytes(ref.width, ref.height, ref.pixel_format)


def _build_frame_view(memory: mmap.mmap, start: int, ref: FrameRef) -> NDArray[np.uint8]:
    flat = np.frombuffer(memory, np.uint8, _ref_bytes(ref), start)
    return flat.reshape(frame_shape(ref.width, ref.height, ref.pixel_format))


def _remove_stale_drafts(path: Path) -> None:
    """What a writer left that was killed while it made its ring: 59 MB of memory each."""
    for draft in path.parent.glob(f"{path.stem}.*.new"):
        if not Path("/proc", draft.suffixes[-2][1:]).exists():
            draft.unlink(missing_ok=True)


def _read_incarnation(path: Path) -> int:
    with path.open("rb") as file:
        incarnation: int = _HEADER.unpack(file.read(_HEADER.size))[1]
    return incarnation
