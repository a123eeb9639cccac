"""The command line of `python -m tools.fleet`."""

import argparse
from pathlib import Path

from tools.stage.stageable_components import ROOT
from tools.stage.wheels import ARCHITECTURES

DESCRIPTION = """\
Manage a fleet of stations: plan, deploy, status, rollback, diff, import-lambda.
Commands that change something are dry runs that print the exact requests unless --send is given.
"""


def build_fleet_parser() -> argparse.ArgumentParser:
    """Build the parser with all commands and their options."""
    whole = argparse.ArgumentParser(
        prog="python -m tools.fleet",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _plan(commands.add_parser("plan", help="show what would change on each station"))
    _deploy(commands.add_parser("deploy", help="roll out, canaries first"))
    _status(commands.add_parser("status", help="show the status of the fleet as a table"))
    _rollback(commands.add_parser("rollback", help="return stations to their previous deployment"))
    _diff(commands.add_parser("diff", help="compare two sites"))
    _lambda(
        commands.add_parser(
            "import-lambda", help="create a component from telemetry's Lambda function"
        )
    )
    return whole


def _plan(command: argparse.ArgumentParser) -> None:
    _file(command)
    _cloud(command)
    _choice(command)
    command.add_argument(
        "--offline", action="store_true", help="do not query AWS; treat every station as new"
    )
    command.add_argument("--all", action="store_true", help="also show stations without a change")
    command.add_argument("--requests", action="store_true", help="print the requests as JSON lines")


def _deploy(command: argparse.ArgumentParser) -> None:
    _file(command)
    _cloud(command)
    _choice(command)
    _send(command)
    command.add_argument(
        "--unchecked",
        action="store_true",
        help="also deploy components pinned to a version other than this checkout's (not validated)",
    )


def _status(command: argparse.ArgumentParser) -> None:
    _file(command)
    _cloud(command)
    _choice(command)
    command.add_argument(
        "--all", action="store_true", help="list every station (default: only those with a problem)"
    )
    command.add_argument(
        "--watch", type=float, metavar="SECONDS", help="refresh every SECONDS until Ctrl-C"
    )


def _rollback(command: argparse.ArgumentParser) -> None:
    _file(command)
    _cloud(command)
    _choice(command)
    _send(command)


def _diff(command: argparse.ArgumentParser) -> None:
    _file(command)
    command.add_argument("one", metavar="SITE-A", help="first site")
    command.add_argument("other", metavar="SITE-B", help="second site")


def _lambda(command: argparse.ArgumentParser) -> None:
    default = ROOT / "recipes" / "lambda" / "com.sightline.TelemetryLambda.json"
    _cloud(command)
    _send(command)
    command.add_argument(
        "--description",
        type=Path,
        default=default,
        help=f"Lambda description (default: recipes/lambda/{default.name})",
    )
    command.add_argument(
        "--role", required=True, help="ARN of the function's role (it needs no permissions)"
    )
    command.add_argument(
        "--architecture",
        choices=ARCHITECTURES,
        default="aarch64",
        help="architecture of the stations (default: %(default)s)",
    )
    command.add_argument(
        "--merge",
        default="{}",
        help="changes to telemetry's configuration as a JSON object (default: none)",
    )
    command.add_argument(
        "--zip",
        type=Path,
        default=ROOT / "build" / "telemetry-lambda.zip",
        help="file to write the function's code to (default: build/telemetry-lambda.zip)",
    )
    command.add_argument(
        "--cache",
        type=Path,
        default=ROOT / ".cache" / "wheels",
        help="cache of wheels (default: .cache/wheels)",
    )


def _file(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "file", type=Path, help="deployment file, such as recipes/deployments/jetson-orin.yaml"
    )


def _choice(command: argparse.ArgumentParser) -> None:
    command.add_argument("--site", action="append", default=[], help="only this site; repeatable")
    command.add_argument(
        "--station", action="append", default=[], help="only this station; repeatable"
    )


def _cloud(command: argparse.ArgumentParser) -> None:
    command.add_argument("--region", help="AWS region (default: AWS_DEFAULT_REGION)")
    command.add_argument("--account", help="AWS account (default: that of the credentials)")
    command.add_argument(
        "--endpoint-url", help="endpoint of the service, for tests (default: AWS's)"
    )


def _send(command: argparse.ArgumentParser) -> None:
    command.add_argument("--send", action="store_true", help="apply the changes (default: dry run)")
