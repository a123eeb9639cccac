"""What the commands print: plans, requests as JSON lines, and how a roll-out ended."""

import base64
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from tools.fleet.fleet_plan import FleetPlan, GroupPlan, format_names
from tools.fleet.rollout import RolloutOutcome
from tools.fleet.version_pins import NUCLEUS_LITE

MAX_SHOWN_LINES = 50


def print_plan(made: FleetPlan, everyone: bool, stream: TextIO | None = None) -> None:
    """Print what would change in each group."""
    out = stream or sys.stdout
    for creation in made.creations:
        print(f"thing group {creation['thingGroupName']}: is created", file=out)
    if made.settings is not None:
        what = "is published" if made.settings.is_new else "is there already"
        print(f"{made.settings.component} {made.settings.version}: {what}", file=out)
    for entry in made.groups:
        if entry.is_pending or everyone:
            _print_group(entry, out)
    for version in sorted(_list_lite_pins(made)):
        print(
            f"{NUCLEUS_LITE} {version}: no deployment updates Nucleus Lite; it fails on a station whose "
            "package has another version. Update the package first, or leave the pin out",
            file=out,
        )
    for departure in made.departures:
        words = "leaves it (not in the file); what it runs stays until it joins another group"
        print(f"{departure.group}: {departure.thing} {words}", file=out)
    if made.absent:
        words = f"not in the thing group {made.kind} yet: {format_names(made.absent)}"
        print(f"{words}; they get their deployment when they are provisioned", file=out)
    print_lines([f"unchecked: {line}" for line in made.unchecked], out)
    print_lines([f"refused: {line}" for line in made.refused], out)
    count = f"{len(made.pending)} of {len(made.groups)} groups would change"
    stations = sum(len(entry.members) for entry in made.pending)
    print(f"{count} ({stations} provisioned stations); refused: {len(made.refused)}", file=out)


def print_outcome(outcome: RolloutOutcome, absent: Sequence[str]) -> int:
    """Print how a roll-out ended; the exit code."""
    for station, reason in outcome.failed.items():
        print(f"{station}: {reason}")
    for station in outcome.silent:
        print(f"{station}: no report yet; it gets the deployment when it connects")
    if outcome.spared:
        print(f"canceled before they got it: {format_names(outcome.spared)}")
    for station, words in outcome.held.items():
        print(f"{station}: {words}")
    for station in dict.fromkeys([*outcome.missing, *absent]):
        print(f"{station}: not provisioned")
    if outcome.stopped:
        print(f"Rollout stopped: {outcome.stopped}")
    missing = len({*outcome.missing, *absent})
    ended = f"succeeded {len(outcome.succeeded)}, failed {len(outcome.failed)}"
    print(f"deployments sent {outcome.sent}; stations: {ended}, not provisioned {missing}")
    bad = (outcome.stopped, outcome.failed, outcome.silent, outcome.held, outcome.missing, absent)
    return int(any(bad))


def print_requests(requests: Iterable[tuple[str, Any]]) -> None:
    """Print each request as a JSON line."""
    for operation, request in requests:
        line = {"operation": operation, "request": request}
        print(json.dumps(line, ensure_ascii=False, default=_encode))


def print_lines(lines: Sequence[str], stream: Any) -> None:
    """Print lines, but not more than a screenful."""
    for line in lines[:MAX_SHOWN_LINES]:
        print(line, file=stream)
    if len(lines) > MAX_SHOWN_LINES:
        print(f"... and {len(lines) - MAX_SHOWN_LINES} more", file=stream)


def print_note(words: str) -> None:
    """Print a note beside the output."""
    print(words, file=sys.stderr, flush=True)


def print_progress(what: str, done: int, whole: int) -> None:
    """Print how far it is, on a terminal."""
    if sys.stderr.isatty() and (done == whole or done % 20 == 0):
        print(f"\r{what} {done}/{whole}", end="\n" if done == whole else "", file=sys.stderr)


def _list_lite_pins(made: FleetPlan) -> set[str]:
    found = (entry.group.components.get(NUCLEUS_LITE) for entry in made.pending)
    return {component.version for component in found if component is not None}


def _print_group(entry: GroupPlan, out: TextIO) -> None:
    mark = ", canary" if entry.group.canary else ""
    print(
        f"{entry.group.name}: {entry.state}, {len(entry.group.stations)} stations{mark}", file=out
    )
    lines = [
        *entry.changes,
        *(move.describe() for move in entry.moves),
        *(migration.describe() for migration in entry.migrations),
    ]
    print_lines([f"    {line}" for line in lines], out)


def _encode(value: Any) -> str:
    """The service takes a recipe as bytes; the JSON line has its text."""
    try:
        return bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(bytes(value)).decode()
