"""The commands of `python -m tools.fleet`: load the file, query the service, print."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from sightline.configuration import default_configuration, load_configuration
from sightline.errors import RecipeError
from sightline.messaging.topics import TELEMETRY
from sightline.old_keys import rename_old_keys
from tools.fleet import lambda_component, site_comparison
from tools.fleet.deployment_file import DeploymentFile, load_deployment_file
from tools.fleet.deployment_requests import AwsLocation
from tools.fleet.desired_state import DesiredStation, build_desired_stations
from tools.fleet.fleet_client import FleetClient, connect_to_fleet, create_client
from tools.fleet.fleet_plan import FleetPlan, build_fleet_plan
from tools.fleet.fleet_status import format_columns, format_status_table, read_station_statuses
from tools.fleet.merge_tree import merge_trees
from tools.fleet.rollback import plan_rollbacks
from tools.fleet.rollout import RolloutOutcome, roll_out
from tools.fleet.station_checks import StationChecker
from tools.recipes import find_configuration_type

MAX_SHOWN_LINES = 50
OFFLINE_LOCATION = AwsLocation("eu-central-1", "000000000000")  # for plans that do not query AWS


def run_plan(given: argparse.Namespace) -> int:
    """Print what would change; 1 if something is refused."""
    file, stations = _load_stations(given)
    cloud = None if given.offline else _connect_client(given)
    made = build_fleet_plan(
        file.thing_group, stations, StationChecker.from_checkout(), cloud, _print_progress
    )
    if given.requests:
        _print_requests(
            "CreateDeployment", made.build_requests(cloud.location if cloud else OFFLINE_LOCATION)
        )
    else:
        _print_plan(made, given.all)
    return int(bool(made.refused))


def run_deploy(given: argparse.Namespace) -> int:
    """Print or send the requests; 1 if something was refused, failed or did not report."""
    file, stations = _load_stations(given)
    cloud = _connect_client(given)
    made = build_fleet_plan(
        file.thing_group, stations, StationChecker.from_checkout(), cloud, _print_progress
    )
    refused = [*made.refused, *(() if given.unchecked else made.unchecked)]
    if refused:
        _print_lines(refused, sys.stderr)
        print(
            "Nothing was sent. Correct the deployment file, or pass --unchecked for unchecked components.",
            file=sys.stderr,
        )
        return 1
    if not given.send:
        _print_requests("CreateDeployment", made.build_requests(cloud.location))
        _print_note(
            f"Dry run: {len(made.pending)} of {len(made.stations)} stations would change. "
            "Add --send to apply."
        )
        return 0
    if not any(station.canary for station in stations):
        _print_note("No station is a canary: all are deployed at the rollout's rate")
    return _print_outcome(roll_out(made, cloud, given.clock, _print_note, file.rollout))


def run_status(given: argparse.Namespace) -> int:
    """Print the stations' status, once or repeatedly; 1 if a station needs attention."""
    file, stations = _load_stations(given)
    cloud = _connect_client(given)
    while True:
        rows = read_station_statuses(file.thing_group, stations, cloud)
        clear = "\x1b[H\x1b[2J" if given.watch and sys.stdout.isatty() else ""
        print(f"{clear}{format_status_table(rows, given.all)}", end="", flush=True)
        if not given.watch:
            return int(not all(row.is_fine for row in rows))
        given.clock.wait(given.watch)


def run_rollback(given: argparse.Namespace) -> int:
    """Print or send the rollbacks; 1 if a station cannot be rolled back."""
    _, stations = _load_stations(given)
    cloud = _connect_client(given)
    if not given.site and not given.station:
        raise RecipeError(
            "rollback needs --site or --station; it never rolls back the whole fleet at once"
        )
    rollbacks = plan_rollbacks(cloud, [station.name for station in stations])
    if given.send:
        for number, rollback in enumerate(rollbacks, 1):
            if rollback.request is not None:
                cloud.create_deployment(rollback.request)
            _print_progress("rolling back", number, len(rollbacks))
    else:
        _print_requests("CreateDeployment", [r.request for r in rollbacks if r.request])
    for rollback in rollbacks:
        _print_note(
            "\n    ".join((f"{rollback.station}: {rollback.explanation}", *rollback.changes))
        )
    _print_note("Sent." if given.send else "Dry run: nothing was sent. Add --send to apply.")
    return int(any(rollback.request is None for rollback in rollbacks))


def run_diff(given: argparse.Namespace) -> int:
    """Print the differences between two sites as a table."""
    rows = site_comparison.compare_sites(
        build_desired_stations(load_deployment_file(given.file)), given.one, given.other
    )
    print(format_columns([("SETTING", given.one, given.other), *rows]), end="")
    return 0


def run_import_lambda(given: argparse.Namespace) -> int:
    """Write the zip, and print or send the requests that create the component."""
    description = json.loads(given.description.read_text(encoding="utf-8"))
    place = _connect_client(given).location
    ready = lambda_component.build_lambda_import(
        description, place, given.role, _parse_merge(given.merge), given.architecture
    )
    runtime = ready.function["Runtime"]
    lambda_component.write_zip(given.zip, runtime, given.architecture, given.cache)
    _print_note(
        f"{given.zip}: {given.zip.stat().st_size / 2**20:.1f} MiB for {runtime}, {given.architecture}"
    )
    if not given.send:
        _print_requests("CreateFunction", [{**ready.function, "Code": {"ZipFile": str(given.zip)}}])
        _print_requests("PublishVersion", [{"FunctionName": ready.function["FunctionName"]}])
        _print_requests("CreateComponentVersion", [ready.component])
        _print_note("Dry run: nothing was sent. Add --send to apply.")
        return 0
    functions = create_client("lambda", given.region, given.endpoint_url)
    arn = lambda_component.publish_function(functions, ready.function, given.zip)
    _print_note(
        f"{arn} is {_connect_client(given).create_component(ready.build_version_request(arn))}"
    )
    return 0


def _load_stations(given: argparse.Namespace) -> tuple[DeploymentFile, list[DesiredStation]]:
    file = load_deployment_file(given.file)
    stations = build_desired_stations(file)
    _refuse_unknown("site", given.site, {station.site for station in stations})
    _refuse_unknown("station", given.station, {station.name for station in stations})
    chosen = [
        station
        for station in stations
        if (not given.site and not given.station)
        or station.site in given.site
        or station.name in given.station
    ]
    return file, chosen


def _refuse_unknown(kind: str, asked: Sequence[str], known: set[str]) -> None:
    for name in asked:
        if name not in known:
            listed = ", ".join(sorted(known)[:20])
            raise RecipeError(f"no {kind} {name!r} in the file; it has {listed}")


def _connect_client(given: argparse.Namespace) -> FleetClient:
    return connect_to_fleet(given.region, given.account, given.endpoint_url)


def _parse_merge(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecipeError(f"--merge: not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise RecipeError(f"--merge: found {text!r}; expected a JSON object")
    struct = find_configuration_type(TELEMETRY)
    renamed, old_keys = rename_old_keys(found, struct.OLD_KEYS)
    load_configuration(struct, merge_trees(default_configuration(struct), renamed))
    for key in old_keys:
        _print_note(f"--merge: {key}; only this release reads the old key")
    return renamed


def _print_outcome(outcome: RolloutOutcome) -> int:
    for station, reason in outcome.failed.items():
        print(f"{station}: {reason}")
    for station in outcome.silent:
        print(f"{station}: no report yet; it gets the deployment when it connects")
    for station, words in outcome.missing.items():
        print(f"{station}: not provisioned ({words})")
    if outcome.stopped:
        print(f"Rollout stopped: {outcome.stopped}")
    ended = f"succeeded {len(outcome.succeeded)}, failed {len(outcome.failed)}"
    print(f"sent {outcome.sent}, {ended}, not provisioned {len(outcome.missing)}")
    return int(bool(outcome.stopped or outcome.failed or outcome.silent or outcome.missing))


def _print_plan(made: FleetPlan, everyone: bool) -> None:
    for entry in made.stations:
        if entry.state != "same" or everyone:
            mark = ", canary" if entry.station.canary else ""
            print(f"{entry.station.site}/{entry.station.name}: {entry.state}{mark}")
            for line in entry.changes:
                print(f"    {line}")
    _print_lines([f"unchecked: {line}" for line in made.unchecked], sys.stdout)
    _print_lines([f"refused: {line}" for line in made.refused], sys.stdout)
    count, whole = len(made.pending), len(made.stations)
    print(f"{count} of {whole} stations would get a deployment; refused: {len(made.refused)}")


def _print_lines(lines: Sequence[str], stream: Any) -> None:
    for line in lines[:MAX_SHOWN_LINES]:
        print(line, file=stream)
    if len(lines) > MAX_SHOWN_LINES:
        print(f"... and {len(lines) - MAX_SHOWN_LINES} more", file=stream)


def _print_requests(operation: str, requests: Sequence[Any]) -> None:
    for request in requests:
        print(json.dumps({"operation": operation, "request": request}, ensure_ascii=False))


def _print_note(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _print_progress(what: str, done: int, whole: int) -> None:
    if sys.stderr.isatty() and (done == whole or done % 20 == 0):
        print(f"\r{what} {done}/{whole}", end="\n" if done == whole else "", file=sys.stderr)
