"""`python -m hil.nucleus`: run a deployment's components on this machine."""

import argparse
import asyncio
import hashlib
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Any

from hil.nucleus.deployment_records import load_in_force
from hil.nucleus.deployments import load_deployment, select
from hil.nucleus.dialect import DIALECTS
from hil.nucleus.log_rotation import DEFAULT_LIMIT_BYTES
from hil.nucleus.nucleus import Nucleus
from hil.nucleus.plan import DeploymentTimes, Plan
from hil.nucleus.recipes import load_recipes
from sightline.errors import RecipeError

EXIT_WRONG_FILES = 1
log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        plan = _plan(given)
    except RecipeError as error:
        print(f"nucleus: {error}", file=sys.stderr)
        return EXIT_WRONG_FILES
    asyncio.run(_serve(plan))
    return 0


async def _serve(plan: Plan) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    nucleus = Nucleus(plan)
    await nucleus.start()
    await stopped.wait()
    log.info("shutting down")
    await nucleus.stop()


def _plan(given: argparse.Namespace) -> Plan:
    dialect = DIALECTS[given.dialect]
    deployment = load_deployment(given.deployment)
    digest = hashlib.sha256(given.deployment.read_bytes()).hexdigest()
    recipes, sources = load_recipes(given.recipes, dialect.typed_yaml), {}
    in_force = load_in_force(given.root)
    if in_force is not None and in_force.given_digest == digest:
        deployment = in_force.deployment  # made while the nucleus ran, from the one that is given
        sources = {name: Path(path) for name, path in in_force.sources.items()}
        recipes |= load_recipes(given.root / "recipes", dialect.typed_yaml)
    return Plan(
        root=given.root,
        recipes_folder=given.recipes,
        source=given.source,
        deployment=deployment,
        recipes=select(deployment, recipes),
        sources=sources,
        given_digest=digest,
        times=DeploymentTimes(
            come_up_s=given.deployment_timeout_s, steady_s=given.deployment_steady_s
        ),
        merges=_merges(given.merge, load_deployment(given.deployment).components),
        broker=given.broker,
        thing_name=given.thing_name or deployment.thing_name or "station-1",
        dialect=dialect,
        log_limit_bytes=given.log_limit_kib * 1024,
    )


def _merges(path: Path | None, components: Any) -> dict[str, dict[str, Any]]:
    if path is None:
        return {}
    try:
        merges = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(merges, dict):
        raise RecipeError(f"{path} at /: found {merges!r}; an object by component is allowed")
    for name, merge in merges.items():
        if name not in components:
            raise RecipeError(f"{path} at /{name}: the deployment has no such component")
        if not isinstance(merge, dict):
            raise RecipeError(f"{path} at /{name}: found {merge!r}; an object is allowed")
    return merges


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise argparse.ArgumentTypeError(f"found {text!r}; HOST:PORT is allowed")
    return host, int(port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hil.nucleus",
        description="Run the components of a deployment on this machine, without AWS: the same "
        "recipes, local IPC, accessControl, configuration and restarts as on a device; IoT Core "
        "is an MQTT broker. Logs are in ROOT/logs, the state of all components in "
        "ROOT/status.json. Ends with SIGTERM or Ctrl-C, and ends the components first.",
    )
    parser.add_argument(
        "--root", type=Path, required=True, help="the nucleus's own folder; made if not there"
    )
    parser.add_argument("--recipes", type=Path, required=True, help="folder of recipes, NAME.yaml")
    parser.add_argument(
        "--source", type=Path, required=True, help="source tree the artifacts are made from"
    )
    parser.add_argument(
        "--deployment", type=Path, required=True, help="components, versions and configuration"
    )
    parser.add_argument("--merge", type=Path, help="JSON file {COMPONENT: {...}}, merged last")
    parser.add_argument("--broker", type=_address, required=True, help="HOST:PORT of the broker")
    parser.add_argument("--thing-name", help="default: the deployment's, or station-1")
    parser.add_argument(
        "--dialect",
        choices=sorted(DIALECTS),
        default="classic",
        help="which nucleus to be like: classic (Java) or lite (default: classic)",
    )
    parser.add_argument(
        "--log-limit-kib",
        type=int,
        default=DEFAULT_LIMIT_BYTES // 1024,
        help="size at which a component's log is turned over (default: %(default)s)",
    )
    times = DeploymentTimes()
    parser.add_argument(
        "--deployment-timeout-s",
        type=float,
        default=times.come_up_s,
        help="until what a local deployment starts must run (default: %(default)s)",
    )
    parser.add_argument(
        "--deployment-steady-s",
        type=float,
        default=times.steady_s,
        help="how long it must run without an error to be kept (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
