"""`python -m hil.replay record | play | compare | renew`: record runs, replay them, and test new models."""

import argparse
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from hil.replay.recorded_station import find_replacement_models
from hil.replay.segment import REFERENCE, load_messages, load_segment
from hil.replay.segment_playback import OUTPUTS, find_differences, play_segment, renew_references
from hil.replay.segment_recording import record_segment
from hil.replay.verdict_regression import find_verdict_changes, write_verdict_page
from hil.run.camera_pictures import prepare_pictures
from hil.run.run_arguments import REPOSITORY, parse_run_arguments
from hil.run.terminal_progress import TerminalProgress
from sightline.command_output import run_command
from sightline.errors import SightlineError

SAME, FAILED, DIFFERENT = 0, 1, 3
MAX_SHOWN = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: matches the references; 3: differences or changed verdicts; 1: failed."""
    given = _parser().parse_args(arguments)
    progress = TerminalProgress(sys.stdout)
    try:
        code: int = given.run(given, progress)
    except (SightlineError, RuntimeError) as error:
        progress.print_line(f"{given.command} failed: {error}")
        return FAILED
    return code


def _run_record(given: argparse.Namespace, progress: TerminalProgress) -> int:
    words = ["--parts", str(given.parts), "--rate", str(given.rate), "--port", "0"]
    words += ["--images", str(given.images)] if given.images else []
    words += ["--cameras", str(given.cameras)] if given.cameras is not None else []
    words += ["--deployment", given.deployment] if given.deployment else []
    run = parse_run_arguments(
        [*words, *_run_options(given.out.resolve().parent / f".{given.out.name}.run")]
    )
    pictures, _ = prepare_pictures(run, progress)
    segment = record_segment(given.out.resolve(), run, pictures, given.parts, progress)
    progress.print_line(f"{given.out}: {len(segment.parts)} parts")
    return SAME


def _run_play(given: argparse.Namespace, progress: TerminalProgress) -> int:
    out = _output_folder(given)
    words = ["--nucleus", given.nucleus, "--plc", given.plc, "--port", "0"]
    words += ["--deployment", given.deployment] if given.deployment else []
    run = parse_run_arguments([*words, *_run_options(out)])
    if given.models is not None:
        names = find_replacement_models(given.models)
        if not names:
            raise SightlineError(
                f"{given.models} has no NAME/model.onnx for any of the station's models"
            )
        progress.print_line(f"Replacing the station's models: {', '.join(names)}")
    play_segment(given.segment, out, run, progress, given.models)
    return _run_compare(given, progress)


def _run_compare(given: argparse.Namespace, progress: TerminalProgress) -> int:
    outputs = load_messages(_output_folder(given) / OUTPUTS)
    if given.models is not None:
        return _check_verdicts(given, progress)
    found = find_differences(given.segment, outputs)
    for difference in found[:MAX_SHOWN]:
        progress.print_line(f"  {difference}")
    if len(found) > MAX_SHOWN:
        progress.print_line(f"  ... and {len(found) - MAX_SHOWN} more")
    progress.print_line(f"Messages compared: {len(outputs)}; differences: {len(found)}")
    return DIFFERENT if found else SAME


def _check_verdicts(given: argparse.Namespace, progress: TerminalProgress) -> int:
    segment = load_segment(given.segment)
    out = _output_folder(given)
    changes, parts = find_verdict_changes(
        load_messages(given.segment / REFERENCE), load_messages(out / OUTPUTS)
    )
    for change in changes:
        progress.print_line(f"  {change}")
    page = write_verdict_page(out / "gate", given.segment, segment, changes, parts)
    progress.print_line(f"{len(changes)} of {parts} verdicts change. Report with pictures: {page}")
    return DIFFERENT if changes else SAME


def _run_renew(given: argparse.Namespace, progress: TerminalProgress) -> int:
    count = renew_references(given.segment, _output_folder(given))
    progress.print_line(
        f"{given.segment / REFERENCE}: wrote {count} messages of the last replay. "
        "Review the diff before you commit it."
    )
    return SAME


def _output_folder(given: argparse.Namespace) -> Path:
    out: Path = given.out or REPOSITORY / ".station" / "replay" / given.segment.resolve().name
    return out.resolve()


def _run_options(folder: Path) -> tuple[str, ...]:
    station = f"replay-{uuid.uuid4().hex[:8]}"
    return ("--folder", str(folder), "--station", station)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hil.replay", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="record a run of the station as a new segment")
    recording.add_argument("out", type=Path, help="folder of the new segment; must not exist")
    recording.add_argument("--parts", type=int, default=10, help="number of parts (default: 10)")
    recording.add_argument("--rate", type=float, default=2.0, help="parts per second (default: 2)")
    recording.add_argument(
        "--images", type=Path, help="folder of pictures to play (default: rendered bottles)"
    )
    recording.add_argument(
        "--cameras", type=int, help="number of cameras, 1 to 8 (default: those of the deployment)"
    )
    recording.add_argument(
        "--deployment", help="deployment file, or its name in recipes/deployments (default: laptop)"
    )
    recording.set_defaults(run=_run_record)
    for name, run, words in (
        ("play", _run_play, "play a segment through the real components and compare"),
        ("compare", _run_compare, "compare the last replay again without replaying"),
        ("renew", _run_renew, "replace the references by the last replay's messages"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("segment", type=Path, help="folder of the segment")
        command.add_argument(
            "--out", type=Path, help="folder of the replay (default: .station/replay/NAME)"
        )
        command.set_defaults(run=run)
        if name == "renew":
            continue
        command.add_argument(
            "--models",
            type=Path,
            help="folder with NAME/model.onnx that replace the station's models; reports changed verdicts",
        )
        command.add_argument(
            "--deployment",
            help="deployment file, or its name in recipes/deployments (default: laptop)",
        )
        command.add_argument(
            "--nucleus",
            choices=("classic", "lite"),
            default="classic",
            help="nucleus to behave as (default: classic)",
        )
        command.add_argument(
            "--plc",
            choices=("opcua", "modbus"),
            default="opcua",
            help="protocol of the PLC (default: opcua)",
        )
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
