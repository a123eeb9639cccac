"""Parses the command line of `python -m hil.nucleus`."""

import argparse
import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloud.wire.broker_login import add_login_argument
from hil.nucleus.cloud_bridge.iot_core_connection import MutualTls
from hil.nucleus.cloud_bridge.token_exchange import load_credentials
from hil.nucleus.dialects.dialect import DIALECTS
from hil.nucleus.dialects.lite_limits import check_configurations, check_recipes
from hil.nucleus.lambdas.lambda_description import load_lambda_recipes
from hil.nucleus.local_deployments.deployment_store import (
    load_deployment_in_force,
    load_stored_recipes,
)
from hil.nucleus.nucleus_files.log_rotation import DEFAULT_LOG_LIMIT_BYTES
from hil.nucleus.nucleus_plan import DeploymentTimeouts, NucleusPlan
from hil.nucleus.recipe_files.deployment import (
    Deployment,
    build_configurations,
    load_deployment,
    select_recipes,
)
from hil.nucleus.recipe_files.recipe import ComponentRecipe, load_recipes
from sightline.errors import RecipeError, TextError
from sightline.strict_text import decode_json, read_text

log = logging.getLogger(__name__)


def parse_plan(arguments: list[str] | None = None) -> NucleusPlan:
    """Parse the arguments into a plan; RecipeError for a wrong file, SystemExit for wrong arguments."""
    given = _parser().parse_args(arguments)
    dialect = DIALECTS[given.dialect]
    deployment = load_deployment(given.deployment)
    digest = hashlib.sha256(given.deployment.read_bytes()).hexdigest()
    folders, recipes = [given.recipes], load_recipes(given.recipes, dialect.typed_yaml)
    recipes |= load_lambda_recipes(given.recipes / "lambda", deployment.components, dialect)
    in_force, sources = load_deployment_in_force(given.root), {}
    selected = None
    if in_force is not None and in_force.given_digest == digest:
        # made while the nucleus ran, from the one that is given
        kept = load_stored_recipes(given.root / "recipes", dialect.typed_yaml)
        selected = _select_if_present(in_force.deployment, recipes | kept)
        if selected is not None:
            deployment = in_force.deployment
            sources = {name: Path(path) for name, path in in_force.sources.items()}
            folders.insert(0, given.root / "recipes")
    if selected is None:
        selected = select_recipes(deployment, recipes)
    merges = _load_merges(given.merge, load_deployment(given.deployment).components)
    if dialect.lite_limits:
        check_recipes(folders, selected)
        check_configurations(build_configurations(deployment, selected, merges))
    return NucleusPlan(
        root=given.root,
        recipes_folder=given.recipes,
        source=given.source,
        deployment=deployment,
        recipes=selected,
        sources=sources,
        given_digest=digest,
        timeouts=DeploymentTimeouts(
            start_s=given.deployment_timeout_s, steady_s=given.deployment_steady_s
        ),
        merges=merges,
        broker=given.broker,
        thing_name=given.thing_name or deployment.thing_name or "station-1",
        dialect=dialect,
        tls=_build_tls(given),
        login=given.broker_login,
        credentials=None if given.credentials is None else load_credentials(given.credentials),
        log_limit_bytes=given.log_limit_kib * 1024,
    )


def _select_if_present(
    deployment: Deployment, recipes: Mapping[tuple[str, str], ComponentRecipe]
) -> list[ComponentRecipe] | None:
    """The recipes of the latest deployment; None if one of them is missing."""
    try:
        return select_recipes(deployment, recipes)
    except RecipeError as error:
        log.error(
            "the latest deployment cannot run (%s); using the deployment from the command line",
            error,
        )
        return None


def _build_tls(given: argparse.Namespace) -> MutualTls | None:
    if given.certificate is None and given.private_key is None:
        return None
    if given.certificate is None or given.private_key is None:
        raise RecipeError("--certificate and --private-key must be given together")
    for path in (given.certificate, given.private_key, given.root_ca):
        if path is not None and not path.is_file():
            raise RecipeError(f"{path}: no such file")
    return MutualTls(given.certificate, given.private_key, given.root_ca)


def _load_merges(path: Path | None, components: Any) -> dict[str, dict[str, Any]]:
    if path is None:
        return {}
    try:
        merges = decode_json(read_text(path))
    except (OSError, TextError) as error:
        raise RecipeError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(merges, dict):
        raise RecipeError(
            f"{path} at /: found {merges!r}; expected an object with component names as keys"
        )
    for name, merge in merges.items():
        if name not in components:
            raise RecipeError(f"{path} at /{name}: the deployment has no such component")
        if not isinstance(merge, dict):
            raise RecipeError(f"{path} at /{name}: found {merge!r}; expected an object")
    return merges


def _parse_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected HOST:PORT")
    return host, int(port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hil.nucleus",
        description="Run the components of a deployment on this machine, without AWS: with the same "
        "recipes, local IPC, accessControl, configuration and restarts as on a device; an MQTT "
        "broker replaces IoT Core. Logs are in ROOT/logs, the components' states in "
        "ROOT/status.json. SIGTERM or Ctrl-C stops the components, then the nucleus.",
    )
    parser.add_argument(
        "--root", type=Path, required=True, help="folder of the nucleus; created if missing"
    )
    parser.add_argument("--recipes", type=Path, required=True, help="folder of recipes (NAME.yaml)")
    parser.add_argument("--source", type=Path, required=True, help="source tree of the artifacts")
    parser.add_argument("--deployment", type=Path, required=True, help="deployment file")
    parser.add_argument(
        "--merge",
        type=Path,
        help="JSON file {COMPONENT: {...}}, merged into the configuration last",
    )
    parser.add_argument(
        "--broker", type=_parse_address, required=True, help="HOST:PORT of the MQTT broker"
    )
    add_login_argument(parser, "connect without a login")
    parser.add_argument("--thing-name", help="thing name (default: the deployment's, or station-1)")
    parser.add_argument(
        "--dialect",
        choices=sorted(DIALECTS),
        default="classic",
        help="nucleus to behave as: classic (Java) or lite (default: classic)",
    )
    _add_connection(parser)
    _add_limits(parser)
    return parser


def _add_connection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "AWS", "mutual TLS to IoT Core or another broker, and the token exchange service"
    )
    group.add_argument("--certificate", type=Path, help="certificate of the thing, PEM")
    group.add_argument("--private-key", type=Path, help="private key of the thing, PEM")
    group.add_argument("--root-ca", type=Path, help="trusted CA, PEM (default: the system's)")
    group.add_argument(
        "--credentials",
        type=Path,
        help="JSON file {AccessKeyId, SecretAccessKey, Token, Expiration} with the components' credentials",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-limit-kib",
        type=int,
        default=DEFAULT_LOG_LIMIT_BYTES // 1024,
        help="size in KiB at which a component's log is rotated (default: %(default)s)",
    )
    times = DeploymentTimeouts()
    parser.add_argument(
        "--deployment-timeout-s",
        type=float,
        default=times.start_s,
        help="time for a local deployment's components to start (default: %(default)s)",
    )
    parser.add_argument(
        "--deployment-steady-s",
        type=float,
        default=times.steady_s,
        help="time they must run without an error (default: %(default)s)",
    )
