"""`python -m hil.nucleus.restart`: have a running nucleus start a component again, also a broken one."""

import argparse
import sys
from pathlib import Path

from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from hil.nucleus.cli_access import load_cli_access
from sightline.errors import RecipeError

EXIT_NO_NUCLEUS, EXIT_FAILED = 2, 3


def main(arguments: list[str] | None = None) -> int:
    """Ask by RestartComponent, as `greengrass-cli component restart` does; 0 if it is under way."""
    given = _parser().parse_args(arguments)
    try:
        return _restart(given.root, given.component)
    except model.ResourceNotFoundError:
        print(f"restart: {given.component} is not deployed", file=sys.stderr)
        return EXIT_FAILED
    except (OSError, RecipeError, RuntimeError, model.GreengrassCoreIPCError) as error:
        print(f"restart: no nucleus to be reached at {given.root}: {error!r}", file=sys.stderr)
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
        description="Have a running nucleus start a component again, whatever state it is in.",
    )
    parser.add_argument("--root", type=Path, required=True, help="the running nucleus's folder")
    parser.add_argument("component", help="its name, such as com.sightline.Capture")
    return parser


if __name__ == "__main__":
    sys.exit(main())
