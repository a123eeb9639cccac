"""Replays a segment's frames and triggers through the real components and records their messages."""

import shutil
from dataclasses import replace
from pathlib import Path

from hil.replay.message_comparison import FieldDifference, compare_messages
from hil.replay.recorded_station import (
    add_recorder,
    build_source_with_models,
    run_parts,
    running_station,
    write_json,
)
from hil.replay.segment import (
    FRAMES,
    MESSAGES,
    REFERENCE,
    Json,
    RecordedMessage,
    RunSegment,
    SegmentError,
    load_messages,
    load_segment,
    save_messages,
)
from hil.replay.segment_recording import SECONDS_A_PART, select_references
from hil.run.run_arguments import RunArguments
from hil.run.terminal_progress import TerminalProgress
from sightline.imaging.pixels import RAW_FRAME_SUFFIX
from sightline.messaging.topics import CAPTURE, INFERENCE

OUTPUTS = "outputs.jsonl"


def play_segment(
    folder: Path,
    out: Path,
    arguments: RunArguments,
    progress: TerminalProgress,
    models: Path | None = None,
) -> list[RecordedMessage]:
    """Replay the segment in `folder`; returns the messages and writes them to the new folder `out`."""
    segment = load_segment(folder)
    shutil.rmtree(out, ignore_errors=True)
    pictures = lay_out_pictures(folder, segment, out / "pictures")
    schedule = write_json(out / "schedule.json", [part.due_s for part in segment.parts])
    run = replace(
        arguments,
        folder=out / "run",
        parts=len(segment.parts),
        first_number=segment.parts[0].part_number,
        merges=_build_merges(segment),
        plant=("--schedule", str(schedule)),
    )
    if models is not None:
        run = replace(run, source=build_source_with_models(out / "source", models))
    run = add_recorder(run, out / "recording", segment.cameras, keeps_frames=False)
    with running_station(run, pictures, progress) as machine:
        last_s = segment.parts[-1].due_s
        run_parts(
            machine, out / "recording", len(segment.parts), progress, last_s + SECONDS_A_PART * 3
        )
    outputs = select_references(load_messages(out / "recording" / MESSAGES))
    save_messages(out / OUTPUTS, outputs)
    return outputs


def _build_merges(segment: RunSegment) -> dict[str, Json]:
    """The recorded run's configuration without its frame source, with its cameras and frame size."""
    merges: dict[str, Json] = {
        component: {key: value for key, value in values.items() if key != "source"}
        for component, values in segment.merges.items()
    }
    cameras = {"cameras": list(segment.cameras)}
    frame = {"frame": {"width": segment.width, "height": segment.height}}
    merges[CAPTURE] = {**merges.get(CAPTURE, {}), **cameras, **frame}
    merges[INFERENCE] = {**merges.get(INFERENCE, {}), **cameras}
    return merges


def find_differences(folder: Path, outputs: list[RecordedMessage]) -> list[FieldDifference]:
    """Find a replay's differences from the segment's references."""
    return compare_messages(load_messages(folder / REFERENCE), outputs)


def renew_references(folder: Path, out: Path) -> int:
    """Replace the references by the last replay's messages; returns their number."""
    outputs = load_messages(out / OUTPUTS)
    save_messages(folder / REFERENCE, outputs)
    return len(outputs)


def lay_out_pictures(folder: Path, segment: RunSegment, pictures: Path) -> Path:
    """Lay out the frames so that capture plays each part's own: file (N - 1) modulo count for part N.

    A frame that was lacking is an empty file, which capture tells as a camera without a picture.
    """
    numbers = [part.part_number for part in segment.parts]
    count = numbers[-1] - numbers[0] + 1
    if count != len(numbers):
        raise SegmentError(
            f"{folder}: {len(numbers)} parts from {numbers[0]} to {numbers[-1]}; a replay needs "
            "consecutive numbers"
        )
    frames = {part.part_number: part.frames for part in segment.parts}
    for camera in segment.cameras:
        place = pictures / camera
        place.mkdir(parents=True)
        for number in range(numbers[0], numbers[-1] + 1):
            target = place / f"{(number - 1) % count:06}"
            frame = frames.get(number, {}).get(camera)
            if frame is None:
                target.with_name(target.name + ".png").touch()
                continue
            file = (folder / FRAMES / frame.file).resolve()
            suffix = RAW_FRAME_SUFFIX if file.name.endswith(RAW_FRAME_SUFFIX) else file.suffix
            target.with_name(target.name + suffix).symlink_to(file)
    return pictures
