"""Manage a fleet of stations from the command line: `python -m tools.fleet --help`."""

import argparse
import sys

from sightline.command_output import run_command
from sightline.errors import SightlineError
from tools.fleet import lambda_import, subcommands
from tools.fleet.command_line import build_fleet_parser
from tools.fleet.rollout_clock import RolloutClock, SystemRolloutClock

COMMANDS = {
    "plan": subcommands.run_plan,
    "deploy": subcommands.run_deploy,
    "status": subcommands.run_status,
    "history": subcommands.run_history,
    "rollback": subcommands.run_rollback,
    "diff": subcommands.run_diff,
    "import-lambda": lambda_import.run_import_lambda,
}


def main(arguments: list[str] | None = None, clock: RolloutClock | None = None) -> int:
    """Exit code 0 on success, 1 if something failed or is refused, 2 for a wrong command line."""
    given: argparse.Namespace = build_fleet_parser().parse_args(arguments)
    given.clock = clock or SystemRolloutClock()
    try:
        return COMMANDS[given.command](given)
    except SightlineError as error:
        print(f"{given.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nInterrupted. Deployments already sent stay in force, and a group's job goes on by itself; "
            "run the same command again to continue.",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(run_command(main))
