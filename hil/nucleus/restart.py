"""`python -m hil.nucleus.restart`: restart a component of a running nucleus, also a BROKEN one."""

import argparse
import sys
from pathlib import Path

from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from hil.nucleus.cli_access import load_cli_access
from sightline.errors import RecipeError

EXIT_NO_NUCLEUS, EXIT_FAILED = 2, 3


def main(arguments: list[str] | None = None) -> int:
    """Request RestartComponent, as `greengrass-cli component restart` does; 0 if accepted."""
    given = _parser().parse_args(arguments)
    try:
        return _restart(given.root, given.component)
    except model.ResourceNotFoundError:
        print(f"restart: {given.component} is not deployed", file=sys.stderr)
        return EXIT_FAILED
    except (OSError, RecipeError, RuntimeError, model.GreengrassCoreIPCError) as error:
        print(f"restart: cannot reach a nucleus at {given.root}: {error!r}", file=sys.stderr)
        return EXIT_NO_NUCLEUS


def _restart(root: Path, component: str) -> int:
    access = load_cli_access(root)
    ipc = connect(ipc_socket=access.domain_socket_path, authtoken=access.cli_auth_token)
    client = GreengrassCoreIPCClientV2(client=ipc)
    try:
        status = client.restart_component(component_name=component).restart_status
    finally:
        client.close()
    print(f"{component}: {status}")
    return 0 if status == "SUCCEEDED" else EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hil.nucleus.restart",
        description="Restart a component of a running nucleus, whatever its state.",
    )
    parser.add_argument("--root", type=Path, required=True, help="folder of the running nucleus")
    parser.add_argument("component", help="component name, such as com.sightline.Capture")
    return parser


if __name__ == "__main__":
    sys.exit(main())
