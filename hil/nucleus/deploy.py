"""`python -m hil.nucleus.deploy`: bring a running nucleus to what a deployment file says."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from hil.nucleus.cli_access import load_cli_access
from hil.nucleus.local_deployments.deployment_store import DeploymentRecord, load_deployment_records
from hil.nucleus.recipe_files.deployment import Deployment, load_deployment
from sightline.errors import RecipeError

EXIT_WRONG_FILES, EXIT_NO_NUCLEUS, EXIT_FAILED = 1, 2, 3
POLL_S = 0.1
Json = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Ask, and wait until it is made or failed; exit code 0 only if it is made."""
    given = _parser().parse_args(arguments)
    try:
        deployment = load_deployment(given.deployment)
        running = _read_deployed_names(given.root)
        deployment_id = _create_deployment(given, build_deployment_request(deployment, running))
        record = _wait_for_record(given.root, deployment_id, given.timeout_s)
    except RecipeError as error:
        print(f"deploy: {error}", file=sys.stderr)
        return EXIT_WRONG_FILES
    except (OSError, model.GreengrassCoreIPCError) as error:
        print(f"deploy: no nucleus to be reached at {given.root}: {error!r}", file=sys.stderr)
        return EXIT_NO_NUCLEUS
    print(" ".join([record.deployment_id, record.progress, *record.causes]))
    return 0 if record.progress == "SUCCESSFUL" else EXIT_FAILED


def build_deployment_request(deployment: Deployment, running: set[str]) -> Json:
    """What CreateLocalDeployment is asked: all that the deployment says, and nothing else to run."""
    components = deployment.components
    return {
        "root_component_versions_to_add": {name: one.version for name, one in components.items()},
        "root_components_to_remove": sorted(running - set(components)),
        "component_to_configuration": {
            name: {
                "MERGE": one.configuration_update.merge,
                "RESET": one.configuration_update.reset,
            }
            for name, one in components.items()
        },
    }


def _read_deployed_names(root: Path) -> set[str]:
    return set(msgspec.json.decode((root / "status.json").read_bytes())["deployed"])


def _create_deployment(given: argparse.Namespace, request: Json) -> str:
    access = load_cli_access(given.root)
    ipc = connect(ipc_socket=access.domain_socket_path, authtoken=access.cli_auth_token)
    client = GreengrassCoreIPCClientV2(client=ipc)
    try:
        answer = client.create_local_deployment(
            **request,
            recipe_directory_path=_absolute_path(given.recipes),
            artifacts_directory_path=_absolute_path(given.source),
            failure_handling_policy="DO_NOTHING" if given.keep_failed else "ROLLBACK",
        )
    finally:
        client.close()
    return str(answer.deployment_id)


def _wait_for_record(root: Path, deployment_id: str, timeout_s: float) -> DeploymentRecord:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        record = load_deployment_records(root).get(deployment_id)
        if record is not None and record.is_over:
            return record
        time.sleep(POLL_S)
    raise RecipeError(f"deployment {deployment_id} is not over after {timeout_s:.0f} s")


def _absolute_path(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hil.nucleus.deploy",
        description="Bring a running nucleus to what a deployment file says: components are added, "
        "removed, brought to another version or configured anew. If what is new does not run, the "
        "nucleus goes back to what it had. The exit code is 0 only if the deployment was made.",
    )
    parser.add_argument("--root", type=Path, required=True, help="the running nucleus's folder")
    parser.add_argument("--deployment", type=Path, required=True, help="what is to run")
    parser.add_argument("--recipes", type=Path, help="folder of recipes the nucleus has not yet")
    parser.add_argument("--source", type=Path, help="source tree of the artifacts, if another")
    parser.add_argument(
        "--keep-failed", action="store_true", help="do not go back if it fails (DO_NOTHING)"
    )
    parser.add_argument("--timeout-s", type=float, default=300.0, help="how long to wait (300)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
