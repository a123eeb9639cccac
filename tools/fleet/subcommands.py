"""The commands of `python -m tools.fleet`: load the file, query the service, print."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager

from sightline.errors import RecipeError
from tools.fleet import site_comparison
from tools.fleet.component_bucket import ComponentBucket
from tools.fleet.deployment_file import DeploymentFile, load_deployment_file
from tools.fleet.deployment_requests import AwsLocation, DeploymentRecord
from tools.fleet.desired_state import build_desired_stations
from tools.fleet.fleet_client import FleetClient, connect_to_fleet
from tools.fleet.fleet_plan import FleetPlan, build_fleet_plan
from tools.fleet.fleet_status import format_columns, format_status_table, read_station_statuses
from tools.fleet.printing import (
    print_lines,
    print_note,
    print_outcome,
    print_plan,
    print_progress,
    print_requests,
)
from tools.fleet.rollback import plan_rollback
from tools.fleet.rollout import Rollout
from tools.fleet.rollout_groups import build_group_waves
from tools.fleet.rollout_history import HEADINGS, read_history
from tools.fleet.rollout_lock import RolloutLock, default_operator, hold_rollout_lock
from tools.fleet.station_checks import StationChecker

OFFLINE_LOCATION = AwsLocation("eu-central-1", "000000000000")  # for plans that do not query AWS


def run_plan(given: argparse.Namespace) -> int:
    """Print what would change; 1 if something is refused."""
    file = _load_file(given)
    cloud = None if given.offline else _connect_client(given)
    made = _build_plan(file, given, cloud)
    if given.requests:
        _print_plan_requests(made, cloud)
    else:
        print_plan(made, given.all)
    return int(bool(made.refused))


def run_deploy(given: argparse.Namespace) -> int:
    """Print or send the requests; 1 if something was refused, failed or did not report."""
    file = _load_file(given)
    cloud = _connect_client(given)
    if not given.send:
        made = _build_plan(file, given, cloud)
        if _say_refused(made, given.unchecked):
            return 1
        _print_plan_requests(made, cloud)
        count = f"{len(made.pending)} of {len(made.groups)} groups would change"
        print_note(f"Dry run: {count}. Add --send to apply.")
        return 0
    with _hold_lock(file, given, cloud) as lock:
        made = _build_plan(file, given, cloud)
        if _say_refused(made, given.unchecked):
            return 1
        if not any(wave.wave.is_canary for wave in made.waves):
            print_note("No station is a canary: the first site's stations are the first to get it")
        work = Rollout(made, file.rollout, cloud, given.clock, print_note, lock.check)
        return print_outcome(work.run(), made.absent)


def run_status(given: argparse.Namespace) -> int:
    """Print the stations' status, once or repeatedly; 1 if a station needs attention."""
    file = _load_file(given)
    cloud, waves = _connect_client(given), build_group_waves(file)
    _refuse_unknown(
        "station", given.station, {n for w in waves for g in w.groups for n in g.things}
    )
    while True:
        rows = [
            row
            for row in read_station_statuses(file.thing_group, waves, cloud)
            if (not given.site and not given.station)
            or row.site in given.site
            or row.station in given.station
        ]
        clear = "\x1b[H\x1b[2J" if given.watch and sys.stdout.isatty() else ""
        print(f"{clear}{format_status_table(rows, given.all)}", end="", flush=True)
        if not given.watch:
            return int(not all(row.is_fine for row in rows))
        given.clock.wait(given.watch)


def run_history(given: argparse.Namespace) -> int:
    """Print who sent which deployment."""
    file = _load_file(given)
    waves = [w for w in build_group_waves(file) if not given.site or w.site in given.site]
    rows = read_history(waves, given.count, _connect_client(given))
    print(format_columns([HEADINGS, *rows]), end="")
    return 0


def run_rollback(given: argparse.Namespace) -> int:
    """Print or send the rollback; 1 if a group cannot be rolled back or a station fails."""
    file = _load_file(given)
    cloud = _connect_client(given)
    if not given.send:
        made = plan_rollback(file, given.site, given.to, cloud, _build_record(given))
        print_plan(made, everyone=False, stream=sys.stderr)
        if made.refused:
            return 1
        _print_plan_requests(made, cloud)
        print_note("Dry run: nothing was sent. Add --send to apply.")
        return 0
    with _hold_lock(file, given, cloud) as lock:
        made = plan_rollback(file, given.site, given.to, cloud, _build_record(given))
        print_plan(made, everyone=False, stream=sys.stderr)
        if made.refused:
            return 1
        work = Rollout(made, file.rollout, cloud, given.clock, print_note, lock.check)
        return print_outcome(work.run(), ())


def run_diff(given: argparse.Namespace) -> int:
    """Print the differences between two sites as a table."""
    rows = site_comparison.compare_sites(
        build_desired_stations(load_deployment_file(given.file)), given.one, given.other
    )
    print(format_columns([("SETTING", given.one, given.other), *rows]), end="")
    return 0


def _load_file(given: argparse.Namespace) -> DeploymentFile:
    file = load_deployment_file(given.file)
    _refuse_unknown("site", given.site, set(file.sites))
    return file


def _refuse_unknown(kind: str, asked: Sequence[str], known: set[str]) -> None:
    for name in asked:
        if name not in known:
            listed = ", ".join(sorted(known)[:20])
            raise RecipeError(f"no {kind} {name!r} in the file; it has {listed}")


def _build_plan(
    file: DeploymentFile, given: argparse.Namespace, cloud: FleetClient | None
) -> FleetPlan:
    place = cloud.location if cloud else OFFLINE_LOCATION
    checker, record = StationChecker.from_checkout(), _build_record(given)
    return build_fleet_plan(file, given.site, checker, cloud, record, place, print_progress)


def _build_record(given: argparse.Namespace) -> DeploymentRecord:
    operator = getattr(given, "operator", None) or default_operator()
    return DeploymentRecord(operator, given.file.name, "")


def _say_refused(made: FleetPlan, take_unchecked: bool) -> bool:
    refused = [*made.refused, *(() if take_unchecked else made.unchecked)]
    if refused:
        print_lines(refused, sys.stderr)
        print_note(
            "Nothing was sent. Correct the deployment file, or pass --unchecked for unchecked components."
        )
    return bool(refused)


def _hold_lock(
    file: DeploymentFile, given: argparse.Namespace, cloud: FleetClient
) -> AbstractContextManager[RolloutLock]:
    words = f"{given.command} {given.file.name} {' '.join(given.site)}".strip()
    operator = given.operator or default_operator()
    return hold_rollout_lock(
        cloud.bucket, file.thing_group, operator, words, given.clock, given.break_lock
    )


def _print_plan_requests(made: FleetPlan, cloud: FleetClient | None) -> None:
    place = cloud.location if cloud else OFFLINE_LOCATION
    bucket = ComponentBucket(None, place.region, place.account)
    print_requests(made.build_requests(place, bucket.name, bucket.build_put))


def _connect_client(given: argparse.Namespace) -> FleetClient:
    return connect_to_fleet(given.region, given.account, given.endpoint_url)
