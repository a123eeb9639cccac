"""A frame that a reader gets is whole and the one it asked for; otherwise it is told."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.errors import CameraError, FrameOverwrittenError
from sightline.imaging.frame_ring import RingReader, RingWriter, ring_path
from sightline.messaging.messages import FrameRef, PixelFormat

WIDTH, HEIGHT = 640, 480
SLOT_BYTES = WIDTH * HEIGHT * 2
ROUNDS = 120

HAMMERING_WRITER = f"""
import sys
from pathlib import Path
import msgspec
import numpy as np
from sightline.imaging.frame_ring import RingWriter

ring = RingWriter(Path(sys.argv[1]), ["cam1"], 2, {SLOT_BYTES})

def write(value):
    pixels = np.full({SLOT_BYTES}, value % 256, np.uint8)
    return ring.write("cam1", pixels, "UYVY", width={WIDTH}, height={HEIGHT},
                      sequence=value, captured_monotonic_ns=value)

written = 0
for turn in range({ROUNDS}):
    written += 1
    sys.stdout.buffer.write(msgspec.json.encode(write(written)) + b"\\n")
    sys.stdout.buffer.flush()
    sys.stdin.buffer.readline()
    if turn % 2:
        for _ in range(6):
            written += 1
            write(written)
"""

READER = """
import sys
from pathlib import Path
import msgspec
from sightline.imaging.frame_ring import RingReader
from sightline.messaging.messages import FrameRef

ref = msgspec.json.decode(sys.argv[2], type=FrameRef)
print(int(RingReader(Path(sys.argv[1]), ["cam1"]).copy(ref)[0, 0, 0]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "station.ring"


def write(
    ring: RingWriter,
    value: int,
    camera: str = "cam1",
    pixel_format: PixelFormat = "UYVY",
    shape: tuple[int, ...] = (4, 8, 2),
) -> FrameRef:
    pixels = np.full(shape, value, np.uint8)
    return ring.write(
        camera,
        pixels,
        pixel_format,
        width=8,
        height=4,
        sequence=value,
        captured_monotonic_ns=value,
    )


def value_of(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    return int(pixels.min()), int(pixels.max())


@pytest.fixture
def hammering(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", HAMMERING_WRITER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        yield process
        process.kill()


def test_no_torn_frame_is_ever_seen_beside_a_hammering_writer(
    path: Path, hammering: "subprocess.Popen[bytes]"
) -> None:
    assert hammering.stdin is not None
    assert hammering.stdout is not None
    go_on = hammering.stdin
    reader = RingReader(path, ["cam1"])

    def use(pixels: NDArray[np.uint8]) -> set[tuple[int, int]]:
        go_on.write(b"write on\n")
        go_on.flush()
        return {value_of(pixels) for _ in range(40)}

    whole = overwritten = 0
    for line in hammering.stdout:
        ref = msgspec.json.decode(line, type=FrameRef)
        try:
            assert reader.read(ref, use) == {(ref.sequence % 256, ref.sequence % 256)}
            whole += 1
        except FrameOverwrittenError:
            overwritten += 1
    assert whole + overwritten == ROUNDS
    assert whole >= ROUNDS // 2  # where the writer pauses, every frame is there


def test_a_frame_written_while_it_is_used_is_given_up(path: Path) -> None:
    ring, reader = RingWriter(path, ["cam1"], 2, 64), RingReader(path, ["cam1"])
    ref = write(ring, 1)

    def use(pixels: NDArray[np.uint8]) -> int:
        write(ring, 2)
        write(ring, 3)
        return int(pixels[0, 0, 0])

    with pytest.raises(FrameOverwrittenError, match="holds generation 3, not 1"):
        reader.read(ref, use)


def test_a_slot_that_was_used_again_says_so(path: Path) -> None:
    ring, reader = RingWriter(path, ["cam1"], 2, 64), RingReader(path, ["cam1"])
    refs = [write(ring, value) for value in (1, 2, 3)]
    with pytest.raises(FrameOverwrittenError):
        reader.copy(refs[0])
    assert [value_of(reader.copy(ref)) for ref in refs[1:]] == [(2, 2), (3, 3)]


def test_cameras_do_not_disturb_one_another(path: Path) -> None:
    cameras = ["cam1", "cam2"]
    ring, reader = RingWriter(path, cameras, 2, 64), RingReader(path, cameras)
    first = write(ring, 1, "cam1")
    for value in range(2, 9):
        write(ring, value, "cam2")
    assert value_of(reader.copy(first)) == (1, 1)


def test_a_reader_that_lists_the_cameras_in_another_order_swaps_no_pictures(path: Path) -> None:
    ring, reader = RingWriter(path, ["cam1", "cam2"], 2, 64), RingReader(path, ["cam2", "cam1"])
    first, second = write(ring, 1, "cam1"), write(ring, 2, "cam2")
    assert value_of(reader.copy(first)) == (1, 1)
    assert value_of(reader.copy(second)) == (2, 2)


@pytest.mark.parametrize("others", [["cam1"], ["cam1", "cam3"], ["cam1", "cam2", "cam3"]])
def test_a_reader_of_other_cameras_is_told_whose_ring_it_is(path: Path, others: list[str]) -> None:
    ring = RingWriter(path, ["cam1", "cam2"], 2, 64)
    ref = write(ring, 1)
    with pytest.raises(FrameOverwrittenError, match="is a ring of cam1, cam2; this reader is"):
        RingReader(path, others).copy(ref)


@pytest.mark.parametrize(
    ("pixel_format", "shape"),
    [("UYVY", (4, 8, 2)), ("GREY", (4, 8)), ("RGB24", (4, 8, 3)), ("NV12", (6, 8))],
)
def test_each_pixel_format_comes_out_in_its_shape(
    path: Path, pixel_format: PixelFormat, shape: tuple[int, ...]
) -> None:
    ring, reader = RingWriter(path, ["cam1"], 2, 96), RingReader(path, ["cam1"])
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    ref = ring.write(
        "cam1", pixels, pixel_format, width=8, height=4, sequence=1, captured_monotonic_ns=1
    )
    np.testing.assert_array_equal(reader.copy(ref), pixels)


def test_a_writer_that_starts_again_makes_a_new_ring_and_readers_follow(path: Path) -> None:
    first = RingWriter(path, ["cam1"], 2, 64)
    reader = RingReader(path, ["cam1"])
    old = write(first, 1)
    assert value_of(reader.copy(old)) == (1, 1)
    second = RingWriter(path, ["cam1"], 4, 64)
    assert second.incarnation != first.incarnation
    new = write(second, 2)
    assert value_of(reader.copy(new)) == (2, 2)
    with pytest.raises(FrameOverwrittenError, match="gone"):
        reader.copy(old)


def test_a_writer_that_leaves_takes_only_its_own_ring_away(path: Path) -> None:
    first = RingWriter(path, ["cam1"], 2, 64)
    second = RingWriter(path, ["cam1"], 2, 64)
    first.close()
    assert path.exists()
    second.close()
    assert not path.exists()
    second.close()


def test_a_reader_that_ends_leaves_the_ring_where_it_is(path: Path) -> None:
    ring = RingWriter(path, ["cam1"], 2, 64)
    ref = write(ring, 7)
    arguments = [str(path), msgspec.json.encode(ref).decode()]
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", READER, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ended.stdout, ended.stderr) == ("7\n", "")
    assert path.exists()
    assert value_of(RingReader(path, ["cam1"]).copy(ref)) == (7, 7)


def test_a_frame_larger_than_a_slot_is_refused(path: Path) -> None:
    ring = RingWriter(path, ["cam1"], 2, 63)
    with pytest.raises(CameraError, match="a frame of 64 bytes; a slot holds 63"):
        write(ring, 1)


@pytest.mark.parametrize("wrong", [{"camera": "cam9"}, {"slot": 2}, {"slot": -1}, {"width": 8000}])
def test_a_reference_to_no_slot_of_the_ring_reads_nothing(
    path: Path, wrong: dict[str, int | str]
) -> None:
    ring = RingWriter(path, ["cam1"], 2, 64)
    ref = msgspec.structs.replace(write(ring, 1), **wrong)
    with pytest.raises(FrameOverwrittenError, match="no such slot"):
        RingReader(path, ["cam1"]).copy(ref)


def test_no_ring_or_another_file_in_its_place_is_said(path: Path) -> None:
    ref = write(RingWriter(path, ["cam1"], 2, 64), 1)
    path.unlink()
    reader = RingReader(path, ["cam1"])
    with pytest.raises(FrameOverwrittenError, match="no frame ring at"):
        reader.copy(ref)
    path.write_bytes(b"")
    with pytest.raises(FrameOverwrittenError, match="no frame ring at"):
        reader.copy(ref)
    path.write_bytes(b"something else".ljust(4096))
    with pytest.raises(FrameOverwrittenError, match="expected b'SLRING02'"):
        reader.copy(ref)


def test_a_ring_that_does_not_fit_fails_at_once_and_leaves_nothing(path: Path) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - the file system says why in its own words
        RingWriter(path, ["cam1"], 2, 2**55)
    assert list(path.parent.iterdir()) == []


def test_the_ring_lies_in_memory_under_the_station_s_name() -> None:
    assert ring_path("station-1") == Path("/dev/shm/sightline-station-1.ring")


def test_a_new_writer_removes_the_draft_of_one_that_was_killed_and_of_no_other(
    tmp_path: Path,
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f"sightline-a.{ended.pid}.new"
    in_work = tmp_path / "sightline-a.1.new"  # process 1 is never gone
    of_another_station = tmp_path / f"sightline-b.{ended.pid}.new"
    for draft in (left, in_work, of_another_station):
        draft.write_bytes(b"half a ring")
    RingWriter(tmp_path / "sightline-a.ring", ["cam1"], 2, SLOT_BYTES).close()
    assert not left.exists()
    assert in_work.exists()
    assert of_another_station.exists()
