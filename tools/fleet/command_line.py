"""The command line of `python -m tools.fleet`."""

import argparse
from pathlib import Path

from tools.stage.stageable_components import ROOT
from tools.stage.wheels import ARCHITECTURES

DESCRIPTION = """\
A fleet of stations: plan, deploy, status, rollback, diff, import-lambda.
What changes something is a dry run that prints the exact requests, until --send is given.
"""


def build_fleet_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    whole = argparse.ArgumentParser(
        prog="python -m tools.fleet",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _plan(commands.add_parser("plan", help="what would change, station by station"))
    _deploy(commands.add_parser("deploy", help="bring it out, canaries first"))
    _status(commands.add_parser("status", help="how the fleet fares, as a table"))
    _rollback(commands.add_parser("rollback", help="back to what stations ran before"))
    _diff(commands.add_parser("diff", help="what two sites have differently"))
    _lambda(commands.add_parser("import-lambda", help="telemetry's Lambda form as a component"))
    return whole


def _plan(command: argparse.ArgumentParser) -> None:
    _file(command)
    _cloud(command)
    _choice(command)
    command.add_argument("--offline", action="store_true", help="ask nobody: all stations are new")
    command.add_argument("--all", action="store_true", help="show stations without a change, too")
    command.add_argument("--requests", action="store_true", help="print the requests as JSON lines")


def _deploy(command: argparse.ArgumentParser) -> None:
    _file(command)
    _cloud(command)
    _choice(command)
    _send(command)
    command.add_argument(
        "--unchecked",
        action="store_true",
        help="also components pinned to a version that is not this checkout's",
    )


def _status(command: argparse.ArgumentParser) -> None:
    _file(command)
    _cloud(command)
    _choice(command)
    command.add_argument("--all", action="store_true", help="a line for every station")
    command.add_argument("--watch", type=float, metavar="SECONDS", help="look again until Ctrl-C")


def _rollback(command: argparse.ArgumentParser) -> None:
    _file(command)
    _cloud(command)
    _choice(command)
    _send(command)


def _diff(command: argparse.ArgumentParser) -> None:
    _file(command)
    command.add_argument("one", metavar="SITE-A")
    command.add_argument("other", metavar="SITE-B")


def _lambda(command: argparse.ArgumentParser) -> None:
    default = ROOT / "recipes" / "lambda" / "com.sightline.TelemetryLambda.json"
    _cloud(command)
    _send(command)
    command.add_argument("--description", type=Path, default=default, help="default: %(default)s")
    command.add_argument(
        "--role", required=True, help="ARN of the function's role (it needs no right)"
    )
    command.add_argument("--architecture", choices=ARCHITECTURES, default="aarch64")
    command.add_argument("--merge", default="{}", help="JSON: changes of telemetry's configuration")
    command.add_argument("--zip", type=Path, default=ROOT / "build" / "telemetry-lambda.zip")
    command.add_argument("--cache", type=Path, default=ROOT / ".cache" / "wheels")


def _file(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", type=Path, help="e.g. recipes/deployments/jetson-orin.yaml")


def _choice(command: argparse.ArgumentParser) -> None:
    command.add_argument("--site", action="append", default=[], help="only this site; repeatable")
    command.add_argument("--station", action="append", default=[], help="only this one; repeatable")


def _cloud(command: argparse.ArgumentParser) -> None:
    command.add_argument("--region", help="default: AWS_DEFAULT_REGION")
    command.add_argument("--account", help="default: that of the credentials")
    command.add_argument("--endpoint-url", help="another endpoint than AWS's, e.g. for a trial")


def _send(command: argparse.ArgumentParser) -> None:
    command.add_argument("--send", action="store_true", help="do it; else the requests are printed")
