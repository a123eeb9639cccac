"""The command line of `python -m tools.fleet`."""

import argparse
from pathlib import Path

from tools.stage.stageable_components import ROOT
from tools.stage.wheels import ARCHITECTURES

DESCRIPTION = """\
Manage a fleet of stations: plan, deploy, status, history, rollback, diff, import-lambda.
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
    _add_plan_options(commands.add_parser("plan", help="show what would change in each group"))
    _add_deploy_options(commands.add_parser("deploy", help="roll out, canaries first"))
    _add_status_options(
        commands.add_parser("status", help="show the status of the fleet as a table")
    )
    _add_rollback_options(
        commands.add_parser("rollback", help="return to an earlier deployment, canaries first")
    )
    _add_history_options(
        commands.add_parser("history", help="show who sent which deployment, newest first")
    )
    _add_diff_options(commands.add_parser("diff", help="compare two sites"))
    _add_lambda_options(
        commands.add_parser(
            "import-lambda", help="create a component from telemetry's Lambda function"
        )
    )
    return whole


def _add_plan_options(command: argparse.ArgumentParser) -> None:
    _add_file_argument(command)
    _add_cloud_options(command)
    _add_site_choice(command)
    command.add_argument(
        "--offline", action="store_true", help="do not query AWS; treat every group as new"
    )
    command.add_argument("--all", action="store_true", help="also show groups without a change")
    command.add_argument("--requests", action="store_true", help="print the requests as JSON lines")


def _add_deploy_options(command: argparse.ArgumentParser) -> None:
    _add_file_argument(command)
    _add_cloud_options(command)
    _add_site_choice(command)
    _add_send_option(command)
    _add_lock_options(command)
    command.add_argument(
        "--unchecked",
        action="store_true",
        help="also deploy components pinned to a version other than this checkout's (not validated)",
    )


def _add_status_options(command: argparse.ArgumentParser) -> None:
    _add_file_argument(command)
    _add_cloud_options(command)
    _add_station_choice(command)
    command.add_argument(
        "--all", action="store_true", help="list every station (default: only those with a problem)"
    )
    command.add_argument(
        "--watch", type=float, metavar="SECONDS", help="refresh every SECONDS until Ctrl-C"
    )


def _add_rollback_options(command: argparse.ArgumentParser) -> None:
    _add_file_argument(command)
    _add_cloud_options(command)
    _add_site_choice(command)
    _add_send_option(command)
    _add_lock_options(command)
    command.add_argument(
        "--to",
        metavar="WHAT",
        default="",
        help="id, name, digest or roll-out of an earlier deployment, as in `history` (default: the "
        "last successful one before the newest roll-out)",
    )


def _add_history_options(command: argparse.ArgumentParser) -> None:
    _add_file_argument(command)
    _add_cloud_options(command)
    _add_site_choice(command)
    command.add_argument(
        "--count", type=int, default=5, help="deployments of each group (default: %(default)s)"
    )


def _add_diff_options(command: argparse.ArgumentParser) -> None:
    _add_file_argument(command)
    command.add_argument("one", metavar="SITE-A", help="first site")
    command.add_argument("other", metavar="SITE-B", help="second site")


def _add_lambda_options(command: argparse.ArgumentParser) -> None:
    default = ROOT / "recipes" / "lambda" / "com.sightline.TelemetryLambda.json"
    _add_cloud_options(command)
    _add_send_option(command)
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


def _add_file_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "file", type=Path, help="deployment file, such as recipes/deployments/jetson-orin.yaml"
    )


def _add_site_choice(command: argparse.ArgumentParser) -> None:
    command.add_argument("--site", action="append", default=[], help="only this site; repeatable")


def _add_station_choice(command: argparse.ArgumentParser) -> None:
    _add_site_choice(command)
    command.add_argument(
        "--station", action="append", default=[], help="only this station; repeatable"
    )


def _add_cloud_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--region", help="AWS region (default: AWS_DEFAULT_REGION)")
    command.add_argument("--account", help="AWS account (default: that of the credentials)")
    command.add_argument(
        "--endpoint-url", help="endpoint of the service, for tests (default: AWS's)"
    )


def _add_lock_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--operator", help="your name in the lock and in the deployments' tags (default: USER@HOST)"
    )
    command.add_argument(
        "--break-lock",
        metavar="REASON",
        default="",
        help="take the lock from a roll-out that has ended without releasing it",
    )


def _add_send_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--send", action="store_true", help="apply the changes (default: dry run)")
