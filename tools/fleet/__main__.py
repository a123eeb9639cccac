"""A fleet of stations from the command line: `python -m tools.fleet --help`."""

import argparse
import sys

from sightline.errors import SightlineError
from tools.fleet import commands
from tools.fleet.arguments import parser
from tools.fleet.rollout import Clock, SystemClock

COMMANDS = {
    "plan": commands.plan,
    "deploy": commands.deploy,
    "status": commands.status,
    "rollback": commands.rollback,
    "diff": commands.diff,
    "import-lambda": commands.import_lambda,
}


def main(words: list[str] | None = None, clock: Clock | None = None) -> int:
    """Exit code 0 if all is as wanted, 1 if not, 2 for a wrong command line."""
    given: argparse.Namespace = parser().parse_args(words)
    given.clock = clock or SystemClock()
    try:
        return COMMANDS[given.command](given)
    except SightlineError as error:
        print(f"{given.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; what was sent stays sent, the same command goes on", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
