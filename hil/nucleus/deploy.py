"""`python -m hil.nucleus.deploy`: deploy a deployment file to a running nucleus."""

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
    """Deploy and wait for the result; exit code 0 only on success."""
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
        print(f"deploy: cannot reach a nucleus at {given.root}: {error!r}", file=sys.stderr)
        return EXIT_NO_NUCLEUS
    print(" ".join([record.deployment_id, record.progress, *record.causes]))
    return 0 if record.progress == "SUCCESSFUL" else EXIT_FAILED


def build_deployment_request(deployment: Deployment, running: set[str]) -> Json:
    """Build the CreateLocalDeployment request: exactly the deployment's components."""
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
    raise RecipeError(f"deployment {deployment_id} has not ended after {timeout_s:.0f} s")


def _absolute_path(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hil.nucleus.deploy",
        description="Deploy a deployment file to a running nucleus: components are added, removed, "
        "updated or reconfigured. If a new or changed component does not run, the deployment is "
        "rolled back. The exit code is 0 only if the deployment succeeded.",
    )
    parser.add_argument("--root", type=Path, required=True, help="folder of the running nucleus")
    parser.add_argument("--deployment", type=Path, required=True, help="deployment file")
    parser.add_argument("--recipes", type=Path, help="folder of new recipes (default: none)")
    parser.add_argument(
        "--source", type=Path, help="source tree of the artifacts (default: the nucleus's)"
    )
    parser.add_argument(
        "--keep-failed",
        action="store_true",
        help="do not roll back a failed deployment (DO_NOTHING)",
    )
    parser.add_argument(
        "--timeout-s",
        type=float,
        default=300.0,
        help="how long to wait for the result (default: 300)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
