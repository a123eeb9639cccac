"""Records a run of the station as a segment."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hil.replay.field_tolerances import COMPARED_STREAMS
from hil.replay.frame_files import decode_frame, digest_frame, encode_raw
from hil.replay.message_comparison import find_part_number
from hil.replay.recorded_station import add_recorder, run_parts, running_station
from hil.replay.recorder import RAW
from hil.replay.segment import (
    FRAMES,
    MESSAGES,
    REFERENCE,
    FrameFile,
    Json,
    RecordedMessage,
    RunSegment,
    SegmentError,
    SegmentPart,
    load_messages,
    save_messages,
    save_segment,
)
from hil.run.camera_pictures import read_cameras
from hil.run.run_arguments import RunArguments
from hil.run.terminal_progress import TerminalProgress
from sightline import __version__
from sightline.errors import PictureError
from sightline.imaging.pixels import RAW_FRAME_SUFFIX

SECONDS_A_PART = 10.0
PLAYED_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png"}
)  # what the cameras of capture's source `images` take


def record_segment(
    folder: Path, arguments: RunArguments, pictures: Path, parts: int, progress: TerminalProgress
) -> RunSegment:
    """Run the station for this many parts and write them as a segment; the folder must not exist."""
    if folder.exists():
        raise SegmentError(f"{folder} already exists; record into a new folder")
    draft = folder.with_name(folder.name + ".recording")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    began_utc_ns = time.time_ns()
    cameras = read_cameras(arguments)
    with running_station(
        add_recorder(arguments, draft, cameras, True), pictures, progress
    ) as machine:
        run_parts(
            machine, draft, parts, progress, SECONDS_A_PART * parts + parts / arguments.rate_hz
        )
    progress.print_line("Packing the frames ...")
    segment = pack_segment(draft, folder.name, began_utc_ns, pictures, arguments, cameras)
    draft.rename(folder)
    return segment


def pack_segment(
    draft: Path,
    name: str,
    began_utc_ns: int,
    pictures: Path,
    arguments: RunArguments,
    cameras: tuple[str, ...],
) -> RunSegment:
    """Build a segment from the recorder's files: frames, header, references."""
    messages = load_messages(draft / MESSAGES)
    captured = [noted for noted in messages if noted.stream == "PartCaptured"]
    if not captured:
        raise SegmentError(f"{draft / MESSAGES} has no parts")
    played = _list_pictures(pictures, cameras)
    first_ns = captured[0].message["triggered_monotonic_ns"]
    parts = tuple(
        SegmentPart(
            find_part_number(noted),
            round((noted.message["triggered_monotonic_ns"] - first_ns) / 1e9, 3),
            {
                c: _store_frame(draft, played, noted, c, digest)
                for c, digest in noted.frames.items()
            },
        )
        for noted in captured
    )
    one = captured[0].message
    size = next((ref for noted in captured for ref in noted.message["frames"]), None)
    if size is None:
        raise SegmentError(f"{draft / MESSAGES} has {len(captured)} parts, none with a frame")
    segment = RunSegment(
        name=name,
        recorded_utc_ns=began_utc_ns,
        boot_id=one["boot_id"],
        station_id=one["station_id"],
        cameras=cameras,
        width=size["width"],
        height=size["height"],
        parts=parts,
        models=_find_models(messages),
        version=__version__,
        merges={component: dict(values) for component, values in arguments.merges.items()},
    )
    save_messages(draft / MESSAGES, messages)
    save_messages(draft / REFERENCE, select_references(messages))
    save_segment(draft, segment)
    shutil.rmtree(draft / RAW, ignore_errors=True)  # none without frames
    return segment


def select_references(messages: Sequence[RecordedMessage]) -> list[RecordedMessage]:
    """Select the messages that replays are compared with."""
    return [noted for noted in messages if noted.stream in COMPARED_STREAMS]


def _store_frame(
    draft: Path, played: dict[str, list[Path]], noted: RecordedMessage, camera: str, digest: str
) -> FrameFile:
    """Store the picture that the camera played if it decodes to the same bytes, else the raw frame."""
    number = find_part_number(noted)
    place = draft / FRAMES / camera
    place.mkdir(parents=True, exist_ok=True)
    files = played.get(camera, [])
    picture = files[(number - 1) % len(files)] if files else None
    if picture is not None and _is_frame(picture, digest):
        is_raw = picture.name.endswith(RAW_FRAME_SUFFIX)
        file = f"{camera}/{number:06}{RAW_FRAME_SUFFIX if is_raw else picture.suffix}"
        shutil.copyfile(picture, draft / FRAMES / file)
        return FrameFile(file, digest)
    pixels = np.load(draft / RAW / camera / f"{number:06}.npy")
    file = f"{camera}/{number:06}{RAW_FRAME_SUFFIX}"
    (draft / FRAMES / file).write_bytes(encode_raw(pixels))
    return FrameFile(file, digest)


def _is_frame(picture: Path, digest: str) -> bool:
    """Whether the file decodes to the same bytes without resizing."""
    try:
        return digest_frame(decode_frame(picture)) == digest
    except (SegmentError, PictureError):
        return False


def _list_pictures(pictures: Path, cameras: Sequence[str]) -> dict[str, list[Path]]:
    """Each camera's pictures, in the order in which capture plays them."""
    return {
        camera: sorted(
            path
            for path in (pictures / camera).rglob("*")
            if path.suffix.lower() in PLAYED_SUFFIXES and path.is_file()
        )
        for camera in cameras
        if (pictures / camera).is_dir()
    }


def _find_models(messages: Sequence[RecordedMessage]) -> dict[str, str]:
    judged: list[Json] = [noted.message for noted in messages if noted.stream == "PartJudged"]
    return {use["name"]: use["digest"] for message in judged for use in message.get("models", ())}
