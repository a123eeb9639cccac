"""What each command does: read the file, ask the service, print; the steps are in their own modules."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from sightline.configuration import default_configuration, load_configuration
from sightline.errors import RecipeError
from sightline.topics import TELEMETRY
from tools.fleet import lambda_component, sites
from tools.fleet.checks import Checker
from tools.fleet.cloud import Cloud, client_of, connect
from tools.fleet.desired import DesiredStation, stations_of
from tools.fleet.files import DeploymentFile, read
from tools.fleet.planning import Plan, make_plan
from tools.fleet.requests import Place
from tools.fleet.rollback import ways_back
from tools.fleet.rollout import Outcome, roll_out
from tools.fleet.status import columns, status_of, table
from tools.fleet.trees import merged
from tools.recipes import configuration_of

SHOWN_LINES = 50
NOWHERE = Place("eu-central-1", "000000000000")  # for plans that ask nobody


def plan(given: argparse.Namespace) -> int:
    """Print what would change; 1 if something would be refused."""
    file, stations = _read(given)
    cloud = None if given.offline else _cloud(given)
    made = make_plan(file.thing_group, stations, Checker.of_checkout(), cloud, _progress)
    if given.requests:
        _print_requests("CreateDeployment", made.requests(cloud.place if cloud else NOWHERE))
    else:
        _print_plan(made, given.all)
    return int(bool(made.refused))


def deploy(given: argparse.Namespace) -> int:
    """Print the requests, or send them; 1 if something was refused, failed or was not heard of."""
    file, stations = _read(given)
    cloud = _cloud(given)
    made = make_plan(file.thing_group, stations, Checker.of_checkout(), cloud, _progress)
    refused = [*made.refused, *(() if given.unchecked else made.unchecked)]
    if refused:
        _print_lines(refused, sys.stderr)
        print("nothing was sent", file=sys.stderr)
        return 1
    if not given.send:
        _print_requests("CreateDeployment", made.requests(cloud.place))
        _say(f"{len(made.to_do)} of {len(made.stations)} stations; nothing was sent without --send")
        return 0
    if not any(station.canary for station in stations):
        _say("no station is a canary: all go at the pace of the roll-out")
    return _tell(roll_out(made, cloud, given.clock, _say, file.rollout))


def status(given: argparse.Namespace) -> int:
    """Print how the stations fare, once or again and again; 1 if one is not fine."""
    file, stations = _read(given)
    cloud = _cloud(given)
    while True:
        rows = status_of(file.thing_group, stations, cloud)
        clear = "\x1b[H\x1b[2J" if given.watch and sys.stdout.isatty() else ""
        print(f"{clear}{table(rows, given.all)}", end="", flush=True)
        if not given.watch:
            return int(not all(row.is_fine for row in rows))
        given.clock.wait(given.watch)


def rollback(given: argparse.Namespace) -> int:
    """Print or send what brings stations back; 1 if one of them has no way back."""
    _, stations = _read(given)
    cloud = _cloud(given)
    if not given.site and not given.station:
        raise RecipeError("rollback needs --site or --station: it does not take all by itself")
    ways = ways_back(cloud, [station.name for station in stations])
    if given.send:
        for number, way in enumerate(ways, 1):
            if way.request is not None:
                cloud.create(way.request)
            _progress("going back", number, len(ways))
    else:
        _print_requests("CreateDeployment", [way.request for way in ways if way.request])
    for way in ways:
        _say("\n    ".join((f"{way.station}: {way.words}", *way.changes)))
    _say("sent" if given.send else "nothing was sent without --send")
    return int(any(way.request is None for way in ways))


def diff(given: argparse.Namespace) -> int:
    """Print what two sites have differently, as a table."""
    rows = sites.difference(stations_of(read(given.file)), given.one, given.other)
    print(columns([("WHAT", given.one, given.other), *rows]), end="")
    return 0


def import_lambda(given: argparse.Namespace) -> int:
    """Write the zip, and print or send the requests that make a component of it."""
    description = json.loads(given.description.read_text(encoding="utf-8"))
    place = _cloud(given).place
    ready = lambda_component.prepare(
        description, place, given.role, _merge(given.merge), given.architecture
    )
    runtime = ready.function["Runtime"]
    lambda_component.write_zip(given.zip, runtime, given.architecture, given.cache)
    _say(
        f"{given.zip}: {given.zip.stat().st_size / 2**20:.1f} MiB for {runtime}, {given.architecture}"
    )
    if not given.send:
        _print_requests("CreateFunction", [{**ready.function, "Code": {"ZipFile": str(given.zip)}}])
        _print_requests("PublishVersion", [{"FunctionName": ready.function["FunctionName"]}])
        _print_requests("CreateComponentVersion", [ready.component])
        _say("nothing was sent without --send")
        return 0
    functions = client_of("lambda", given.region, given.endpoint_url)
    arn = lambda_component.publish(functions, ready.function, given.zip)
    _say(f"{arn} is {_cloud(given).create_component(ready.with_version(arn))}")
    return 0


def _read(given: argparse.Namespace) -> tuple[DeploymentFile, list[DesiredStation]]:
    file = read(given.file)
    stations = stations_of(file)
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
            raise RecipeError(f"no {kind} {name!r} in the file; there are {listed}")


def _cloud(given: argparse.Namespace) -> Cloud:
    return connect(given.region, given.account, given.endpoint_url)


def _merge(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecipeError(f"--merge: {error}") from error
    if not isinstance(found, dict):
        raise RecipeError(f"--merge: found {text!r}; a JSON object is expected")
    struct = configuration_of(TELEMETRY)
    load_configuration(struct, merged(default_configuration(struct), found))
    return found


def _tell(outcome: Outcome) -> int:
    for station, reason in outcome.failed.items():
        print(f"{station}: {reason}")
    for station in outcome.silent:
        print(f"{station}: nothing heard; it gets the deployment when it comes back")
    for station, words in outcome.missing.items():
        print(f"{station}: not provisioned ({words})")
    if outcome.stopped:
        print(f"stopped: {outcome.stopped}")
    ended = f"well {len(outcome.succeeded)}, failed {len(outcome.failed)}"
    print(f"sent {outcome.sent}, {ended}, not provisioned {len(outcome.missing)}")
    return int(bool(outcome.stopped or outcome.failed or outcome.silent or outcome.missing))


def _print_plan(made: Plan, everyone: bool) -> None:
    for entry in made.stations:
        if entry.state != "same" or everyone:
            mark = ", canary" if entry.station.canary else ""
            print(f"{entry.station.site}/{entry.station.name}: {entry.state}{mark}")
            for line in entry.changes:
                print(f"    {line}")
    _print_lines([f"unchecked: {line}" for line in made.unchecked], sys.stdout)
    _print_lines([f"refused: {line}" for line in made.refused], sys.stdout)
    count, whole = len(made.to_do), len(made.stations)
    print(f"{count} of {whole} stations would get a deployment, {len(made.refused)} refusals")


def _print_lines(lines: Sequence[str], stream: Any) -> None:
    for line in lines[:SHOWN_LINES]:
        print(line, file=stream)
    if len(lines) > SHOWN_LINES:
        print(f"... and {len(lines) - SHOWN_LINES} more", file=stream)


def _print_requests(operation: str, requests: Sequence[Any]) -> None:
    for request in requests:
        print(json.dumps({"operation": operation, "request": request}, ensure_ascii=False))


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _progress(what: str, done: int, whole: int) -> None:
    if sys.stderr.isatty() and (done == whole or done % 20 == 0):
        print(f"\r{what} {done}/{whole}", end="\n" if done == whole else "", file=sys.stderr)
